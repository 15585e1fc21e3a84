package kernel

// fmaLoop runs n times 12 multiply-adds in the registers of the tier and returns their lanes.
func fmaLoop(n int) (lanes int) {
	if CPU() < NEON {
		return 0
	}
	fmaLoopNEON(n)
	return 4
}

// readLoop reads b, whole 256 bytes of it.
func readLoop(b []byte) {
	if len(b) >= 256 && CPU() >= NEON {
		readLoopNEON(&b[0], len(b)/256*4)
	}
}
