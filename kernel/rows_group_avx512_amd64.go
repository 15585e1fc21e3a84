package kernel

// Products with grouped codes on AVX-512; see rows_group_generic.go for the reference, whose bits they have. One call folds, multiplies and stores,
// on a stack that nobody clears, for several blocks: with 64 tokens a block calls and copies would cost half as much as the products, and so
// would the latency of folding, which hides behind those of the block before.

const (
	// aheadMost is the number of bytes that a routine can ask for with four slots of four octets.
	aheadMost = 192
	// blocksPerCall bounds an assembly call to a few microseconds.
	blocksPerCall = 16
	// manySlots is the number of slots up to which a call takes several blocks.
	manySlots = 256
)

// dotBlocksKAVX512 is for count blocks that lie step bytes apart, of n keys each, n being Group if there are several. It asks for aheadBytes for each
// block, ahead bytes behind the first.
func dotBlocksKAVX512(dst []float32, stride int, q []float32, blocks []byte, step, count, ahead, aheadBytes, g, n, d int, f GroupFormat) {
	_ = blocks[(count-1)*step+f.KeyBlockBytes(n, d)-1]
	slots := f.round(d)
	aheadStep := min(aheadBytes*4/(slots*((n+31)/32))+1, aheadMost)
	for h, run := 0, headsAtOnce(g); h < g; h += run {
		run = min(run, g-h)
		groupBlocks(f.Bits, run, dst[h*stride:], stride, f.Group, q[h*d:], d, 0, d, blocks, step, count, slots, n, 0, ahead, aheadStep)
		ahead, aheadStep = 0, 0 // once is enough
	}
}

// accumulateBlocksVAVX512 is for count blocks that lie step bytes apart, of n values each, n being Slots if there are several.
func accumulateBlocksVAVX512(acc, weights []float32, stride int, blocks []byte, step, count, g, n, d int, f GroupFormat) {
	slots := f.slots()
	_ = blocks[(count-1)*step+f.ValueBytes(d)-1]
	for c := 0; c < d; c += f.Group {
		lanes := min(f.Group, d-c)
		for h, run := 0, headsAtOnce(g); h < g; h += run {
			run = min(run, g-h)
			groupBlocks(f.Bits, run, acc[h*d+c:], d, 0, weights[h*stride:], stride, slots, n, blocks, step, count, slots, lanes, 1, 0, 0)
		}
		blocks = blocks[4*slots+f.panelBytes(lanes, slots):]
	}
}

// groupBlocks writes to dst [heads][lanes], or with add adds to it, the products of heads operands x [heads][live] with the lanes of a block of
// slots slots, and so on for count blocks. Strides are from head to head, steps from block to block; but for blockStep and aheadStep they count numbers.
// A switch: a call through a function value would make its pointers escape.
func groupBlocks(bits, heads int, dst []float32, stride, dstStep int, x []float32, xStride, xStep, live int, blocks []byte, blockStep, count, slots, lanes, add, ahead, aheadStep int) {
	_, _ = dst[(heads-1)*stride+(count-1)*dstStep+lanes-1], x[(heads-1)*xStride+(count-1)*xStep+live-1]
	o, i, b := &dst[0], &x[0], &blocks[0]
	stride, dstStep, xStride, xStep = 4*stride, 4*dstStep, 4*xStride, 4*xStep
	key := 4*bits + heads - 1
	if CPU() >= VNNI {
		key += 100
	}
	switch key {
	case 8:
		groupBlocks2x1AVX512(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 9:
		groupBlocks2x2AVX512(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 10:
		groupBlocks2x3AVX512(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 11:
		groupBlocks2x4AVX512(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 12:
		groupBlocks3x1AVX512(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 13:
		groupBlocks3x2AVX512(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 14:
		groupBlocks3x3AVX512(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 15:
		groupBlocks3x4AVX512(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 16:
		groupBlocks4x1AVX512(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 17:
		groupBlocks4x2AVX512(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 18:
		groupBlocks4x3AVX512(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 19:
		groupBlocks4x4AVX512(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 108:
		groupBlocks2x1VNNI(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 109:
		groupBlocks2x2VNNI(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 110:
		groupBlocks2x3VNNI(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 111:
		groupBlocks2x4VNNI(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 112:
		groupBlocks3x1VNNI(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 113:
		groupBlocks3x2VNNI(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 114:
		groupBlocks3x3VNNI(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 115:
		groupBlocks3x4VNNI(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 116:
		groupBlocks4x1VNNI(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 117:
		groupBlocks4x2VNNI(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 118:
		groupBlocks4x3VNNI(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	case 119:
		groupBlocks4x4VNNI(o, stride, dstStep, i, xStride, xStep, live, b, blockStep, count, slots, lanes, add, ahead, aheadStep)
	}
}
