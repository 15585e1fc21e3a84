//go:build !amd64 && !arm64

package kernel

func encodeRow(dst []byte, src []float32, f RowFormat) int { return encodeRowGeneric(dst, src, f) }
func decodeRow(dst []float32, src []byte, f RowFormat)     { decodeRowGeneric(dst, src, f) }
func dotRows(dst []float32, stride int, q []float32, rows, _ []byte, g, n, d int, f RowFormat) {
	dotRowsGeneric(dst, stride, q, rows, g, n, d, f)
}
func accumulateRows(acc, weights []float32, stride int, rows, _ []byte, g, n, d int, f RowFormat) {
	accumulateRowsGeneric(acc, weights, stride, rows, g, n, d, f)
}

func dotBlockK(dst []float32, stride int, q []float32, block, _ []byte, g, n, d int, f GroupFormat) {
	dotBlockKGeneric(dst, stride, q, block, g, n, d, f)
}

func accumulateBlockV(acc, weights []float32, stride int, block []byte, g, n, d int, f GroupFormat) {
	accumulateBlockVGeneric(acc, weights, stride, block, g, n, d, f)
}

func prefetch([]byte) {}

func copyRows(dst []byte, rows []*byte, n, rowBytes int) { copyRowsGeneric(dst, rows, n, rowBytes) }
