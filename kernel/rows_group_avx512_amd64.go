package kernel

// Products with grouped codes on AVX-512; see rows_group_generic.go for the reference, whose bits they have. One call folds, multiplies and stores,
// on a stack that nobody clears: with blocks of 64 tokens calls and copies would cost half as much as the products.

// aheadMost is the number of bytes that a routine can ask for with four slots of four octets.
const aheadMost = 192

func dotBlockKAVX512(dst []float32, stride int, q []float32, block, next []byte, g, n, d int, f GroupFormat) {
	_ = block[f.KeyBlockBytes(n, d)-1]
	slots := f.round(d)
	ahead, step := block, 0
	if len(next) > 0 {
		ahead = next
		step = min(len(next)*4/(slots*((n+31)/32))+1, aheadMost)
	}
	for h, run := 0, headsAtOnce(g); h < g; h += run {
		run = min(run, g-h)
		groupBlock(f.Bits, run, dst[h*stride:], stride, q[h*d:], d, d, block, slots, n, 0, ahead, step)
		ahead, step = block, 0 // once is enough
	}
}

func accumulateBlockVAVX512(acc, weights []float32, stride int, block []byte, g, n, d int, f GroupFormat) {
	slots := f.slots()
	_ = block[f.ValueBytes(d)-1]
	for c := 0; c < d; c += f.Group {
		lanes := min(f.Group, d-c)
		for h, run := 0, headsAtOnce(g); h < g; h += run {
			run = min(run, g-h)
			groupBlock(f.Bits, run, acc[h*d+c:], d, weights[h*stride:], stride, n, block, slots, lanes, 1, block, 0)
		}
		block = block[4*slots+f.panelBytes(lanes, slots):]
	}
}

// groupBlock writes to dst [heads][lanes], or with add adds to it, the products of heads operands x [heads][live] with the lanes of a block of
// slots slots. Strides count numbers. A switch: a call through a function value would make its pointers escape.
func groupBlock(bits, heads int, dst []float32, stride int, x []float32, xStride, live int, block []byte, slots, lanes, add int, ahead []byte, step int) {
	_, _ = dst[(heads-1)*stride+lanes-1], x[(heads-1)*xStride+live-1]
	o, i, b := &dst[0], &x[0], &block[0]
	stride, xStride = 4*stride, 4*xStride
	key := 4*bits + heads - 1
	if CPU() >= VNNI {
		key += 100
	}
	switch key {
	case 8:
		groupBlock2x1AVX512(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 9:
		groupBlock2x2AVX512(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 10:
		groupBlock2x3AVX512(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 11:
		groupBlock2x4AVX512(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 12:
		groupBlock3x1AVX512(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 13:
		groupBlock3x2AVX512(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 14:
		groupBlock3x3AVX512(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 15:
		groupBlock3x4AVX512(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 16:
		groupBlock4x1AVX512(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 17:
		groupBlock4x2AVX512(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 18:
		groupBlock4x3AVX512(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 19:
		groupBlock4x4AVX512(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 108:
		groupBlock2x1VNNI(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 109:
		groupBlock2x2VNNI(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 110:
		groupBlock2x3VNNI(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 111:
		groupBlock2x4VNNI(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 112:
		groupBlock3x1VNNI(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 113:
		groupBlock3x2VNNI(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 114:
		groupBlock3x3VNNI(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 115:
		groupBlock3x4VNNI(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 116:
		groupBlock4x1VNNI(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 117:
		groupBlock4x2VNNI(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 118:
		groupBlock4x3VNNI(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	case 119:
		groupBlock4x4VNNI(o, stride, i, xStride, live, b, slots, lanes, add, &ahead[0], step)
	}
}
