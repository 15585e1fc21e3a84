package kernel

// fmaLoop runs n times 12 multiply-adds in the widest registers of the tier and returns their lanes.
func fmaLoop(n int) (lanes int) {
	switch t := CPU(); {
	case t >= AVX512:
		fmaLoopAVX512(n)
		return 16
	case t >= AVX2:
		fmaLoopAVX2(n)
		return 8
	}
	return 0
}

// readLoop reads b, whole 256 bytes of it.
func readLoop(b []byte) {
	if len(b) >= 256 && CPU() >= AVX2 {
		readLoopAVX2(&b[0], len(b)/256*4)
	}
}
