package kernel

// The kernels by format and number of heads, as switches: a call through a function value would make its pointers
// escape, and a caller's arrays on the stack with them.

func dotRowsAVX2(f RowFormat, heads int, dst, q *float32, rows *byte, dstStride, n, d, rowBytes int, ahead *byte) {
	switch 4*int(f) + heads - 1 {
	case 4 * int(RowF32):
		dotRowsF32x1AVX2(dst, q, rows, dstStride, n, d, rowBytes, ahead)
	case 4*int(RowF32) + 1:
		dotRowsF32x2AVX2(dst, q, rows, dstStride, n, d, rowBytes, ahead)
	case 4*int(RowF32) + 2:
		dotRowsF32x3AVX2(dst, q, rows, dstStride, n, d, rowBytes, ahead)
	case 4*int(RowF32) + 3:
		dotRowsF32x4AVX2(dst, q, rows, dstStride, n, d, rowBytes, ahead)
	case 4 * int(RowF16):
		dotRowsF16x1AVX2(dst, q, rows, dstStride, n, d, rowBytes, ahead)
	case 4*int(RowF16) + 1:
		dotRowsF16x2AVX2(dst, q, rows, dstStride, n, d, rowBytes, ahead)
	case 4*int(RowF16) + 2:
		dotRowsF16x3AVX2(dst, q, rows, dstStride, n, d, rowBytes, ahead)
	case 4*int(RowF16) + 3:
		dotRowsF16x4AVX2(dst, q, rows, dstStride, n, d, rowBytes, ahead)
	case 4 * int(RowBF16):
		dotRowsBF16x1AVX2(dst, q, rows, dstStride, n, d, rowBytes, ahead)
	case 4*int(RowBF16) + 1:
		dotRowsBF16x2AVX2(dst, q, rows, dstStride, n, d, rowBytes, ahead)
	case 4*int(RowBF16) + 2:
		dotRowsBF16x3AVX2(dst, q, rows, dstStride, n, d, rowBytes, ahead)
	case 4*int(RowBF16) + 3:
		dotRowsBF16x4AVX2(dst, q, rows, dstStride, n, d, rowBytes, ahead)
	case 4 * int(RowQ8):
		dotRowsQ8x1AVX2(dst, q, rows, dstStride, n, d, rowBytes, ahead)
	case 4*int(RowQ8) + 1:
		dotRowsQ8x2AVX2(dst, q, rows, dstStride, n, d, rowBytes, ahead)
	case 4*int(RowQ8) + 2:
		dotRowsQ8x3AVX2(dst, q, rows, dstStride, n, d, rowBytes, ahead)
	case 4*int(RowQ8) + 3:
		dotRowsQ8x4AVX2(dst, q, rows, dstStride, n, d, rowBytes, ahead)
	}
}

func accumulateRowsAVX2(f RowFormat, heads int, acc, weights *float32, rows *byte, weightStride, n, d, rowBytes int, ahead *byte) {
	switch 4*int(f) + heads - 1 {
	case 4 * int(RowF32):
		accumulateRowsF32x1AVX2(acc, weights, rows, weightStride, n, d, rowBytes, ahead)
	case 4*int(RowF32) + 1:
		accumulateRowsF32x2AVX2(acc, weights, rows, weightStride, n, d, rowBytes, ahead)
	case 4*int(RowF32) + 2:
		accumulateRowsF32x3AVX2(acc, weights, rows, weightStride, n, d, rowBytes, ahead)
	case 4*int(RowF32) + 3:
		accumulateRowsF32x4AVX2(acc, weights, rows, weightStride, n, d, rowBytes, ahead)
	case 4 * int(RowF16):
		accumulateRowsF16x1AVX2(acc, weights, rows, weightStride, n, d, rowBytes, ahead)
	case 4*int(RowF16) + 1:
		accumulateRowsF16x2AVX2(acc, weights, rows, weightStride, n, d, rowBytes, ahead)
	case 4*int(RowF16) + 2:
		accumulateRowsF16x3AVX2(acc, weights, rows, weightStride, n, d, rowBytes, ahead)
	case 4*int(RowF16) + 3:
		accumulateRowsF16x4AVX2(acc, weights, rows, weightStride, n, d, rowBytes, ahead)
	case 4 * int(RowBF16):
		accumulateRowsBF16x1AVX2(acc, weights, rows, weightStride, n, d, rowBytes, ahead)
	case 4*int(RowBF16) + 1:
		accumulateRowsBF16x2AVX2(acc, weights, rows, weightStride, n, d, rowBytes, ahead)
	case 4*int(RowBF16) + 2:
		accumulateRowsBF16x3AVX2(acc, weights, rows, weightStride, n, d, rowBytes, ahead)
	case 4*int(RowBF16) + 3:
		accumulateRowsBF16x4AVX2(acc, weights, rows, weightStride, n, d, rowBytes, ahead)
	case 4 * int(RowQ8):
		accumulateRowsQ8x1AVX2(acc, weights, rows, weightStride, n, d, rowBytes, ahead)
	case 4*int(RowQ8) + 1:
		accumulateRowsQ8x2AVX2(acc, weights, rows, weightStride, n, d, rowBytes, ahead)
	case 4*int(RowQ8) + 2:
		accumulateRowsQ8x3AVX2(acc, weights, rows, weightStride, n, d, rowBytes, ahead)
	case 4*int(RowQ8) + 3:
		accumulateRowsQ8x4AVX2(acc, weights, rows, weightStride, n, d, rowBytes, ahead)
	}
}

func dotRowsAVX512(f RowFormat, heads int, dst, q *float32, pages, asks *byte, count, askCount, dstStride, d, rowBytes int) {
	switch 4*int(f) + heads - 1 {
	case 4 * int(RowF32):
		dotRowsF32x1AVX512(dst, q, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 4*int(RowF32) + 1:
		dotRowsF32x2AVX512(dst, q, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 4*int(RowF32) + 2:
		dotRowsF32x3AVX512(dst, q, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 4*int(RowF32) + 3:
		dotRowsF32x4AVX512(dst, q, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 4 * int(RowF16):
		dotRowsF16x1AVX512(dst, q, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 4*int(RowF16) + 1:
		dotRowsF16x2AVX512(dst, q, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 4*int(RowF16) + 2:
		dotRowsF16x3AVX512(dst, q, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 4*int(RowF16) + 3:
		dotRowsF16x4AVX512(dst, q, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 4 * int(RowBF16):
		dotRowsBF16x1AVX512(dst, q, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 4*int(RowBF16) + 1:
		dotRowsBF16x2AVX512(dst, q, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 4*int(RowBF16) + 2:
		dotRowsBF16x3AVX512(dst, q, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 4*int(RowBF16) + 3:
		dotRowsBF16x4AVX512(dst, q, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 4 * int(RowQ8):
		dotRowsQ8x1AVX512(dst, q, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 4*int(RowQ8) + 1:
		dotRowsQ8x2AVX512(dst, q, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 4*int(RowQ8) + 2:
		dotRowsQ8x3AVX512(dst, q, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 4*int(RowQ8) + 3:
		dotRowsQ8x4AVX512(dst, q, pages, asks, count, askCount, dstStride, d, rowBytes)
	}
}

func accumulateRowsAVX512(f RowFormat, heads int, acc, weights *float32, pages, asks *byte, count, askCount, weightStride, d, rowBytes int) {
	switch 4*int(f) + heads - 1 {
	case 4 * int(RowF32):
		accumulateRowsF32x1AVX512(acc, weights, pages, asks, count, askCount, weightStride, d, rowBytes)
	case 4*int(RowF32) + 1:
		accumulateRowsF32x2AVX512(acc, weights, pages, asks, count, askCount, weightStride, d, rowBytes)
	case 4*int(RowF32) + 2:
		accumulateRowsF32x3AVX512(acc, weights, pages, asks, count, askCount, weightStride, d, rowBytes)
	case 4*int(RowF32) + 3:
		accumulateRowsF32x4AVX512(acc, weights, pages, asks, count, askCount, weightStride, d, rowBytes)
	case 4 * int(RowF16):
		accumulateRowsF16x1AVX512(acc, weights, pages, asks, count, askCount, weightStride, d, rowBytes)
	case 4*int(RowF16) + 1:
		accumulateRowsF16x2AVX512(acc, weights, pages, asks, count, askCount, weightStride, d, rowBytes)
	case 4*int(RowF16) + 2:
		accumulateRowsF16x3AVX512(acc, weights, pages, asks, count, askCount, weightStride, d, rowBytes)
	case 4*int(RowF16) + 3:
		accumulateRowsF16x4AVX512(acc, weights, pages, asks, count, askCount, weightStride, d, rowBytes)
	case 4 * int(RowBF16):
		accumulateRowsBF16x1AVX512(acc, weights, pages, asks, count, askCount, weightStride, d, rowBytes)
	case 4*int(RowBF16) + 1:
		accumulateRowsBF16x2AVX512(acc, weights, pages, asks, count, askCount, weightStride, d, rowBytes)
	case 4*int(RowBF16) + 2:
		accumulateRowsBF16x3AVX512(acc, weights, pages, asks, count, askCount, weightStride, d, rowBytes)
	case 4*int(RowBF16) + 3:
		accumulateRowsBF16x4AVX512(acc, weights, pages, asks, count, askCount, weightStride, d, rowBytes)
	case 4 * int(RowQ8):
		accumulateRowsQ8x1AVX512(acc, weights, pages, asks, count, askCount, weightStride, d, rowBytes)
	case 4*int(RowQ8) + 1:
		accumulateRowsQ8x2AVX512(acc, weights, pages, asks, count, askCount, weightStride, d, rowBytes)
	case 4*int(RowQ8) + 2:
		accumulateRowsQ8x3AVX512(acc, weights, pages, asks, count, askCount, weightStride, d, rowBytes)
	case 4*int(RowQ8) + 3:
		accumulateRowsQ8x4AVX512(acc, weights, pages, asks, count, askCount, weightStride, d, rowBytes)
	}
}

func dotRowsVNNI(heads int, dst *float32, rounded, pages, asks *byte, count, askCount, dstStride, d, rowBytes int) {
	switch heads {
	case 1:
		dotRowsQ8x1VNNI(dst, rounded, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 2:
		dotRowsQ8x2VNNI(dst, rounded, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 3:
		dotRowsQ8x3VNNI(dst, rounded, pages, asks, count, askCount, dstStride, d, rowBytes)
	case 4:
		dotRowsQ8x4VNNI(dst, rounded, pages, asks, count, askCount, dstStride, d, rowBytes)
	}
}
