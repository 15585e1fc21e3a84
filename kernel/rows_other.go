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

func dotBlocksK(dst []float32, stride int, q []float32, blocks []byte, step, count, g, d int, f GroupFormat) {
	dotBlocksKEach(dst, stride, q, blocks, step, count, g, d, f)
}

func accumulateBlocksV(acc, weights []float32, stride int, blocks []byte, step, count, g, d int, f GroupFormat) {
	accumulateBlocksVEach(acc, weights, stride, blocks, step, count, g, d, f)
}

func accumulateBlockV(acc, weights []float32, stride int, block []byte, g, n, d int, f GroupFormat) {
	accumulateBlockVGeneric(acc, weights, stride, block, g, n, d, f)
}

func prefetch([]byte) {}

// Queries stay f32 here.
func roundQueries(dst []byte, _ []float32, _, _ int, _ RowFormat) []byte { return dst }

func dotRounded(_ []float32, _ int, _, _, _ []byte, _, _, _ int) {
	panic("kernel: queries are not rounded on this processor")
}

// Pages are taken one by one here.
func rowsAhead() int { return 1 }

func dotPages(*Queries, []float32, int, []RowPage, int) bool { return false }

func accumulatePages(_, _ []float32, _ int, _ []RowPage, _, _, _ int, _ RowFormat) bool {
	return false
}
