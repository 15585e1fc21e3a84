//go:build !amd64

package kernel

// What takes several pages or records in one call on amd64 takes them one by one here, and queries stay f32.

// PagesAhead is the number of pages behind those read that DotPages and AccumulatePages ask for.
func PagesAhead() int { return 1 }

func roundQueries(dst []byte, _ []float32, _, _ int, _ RowFormat) []byte { return dst }

func dotPages(*Queries, []float32, int, []RowPage, int) bool { return false }

func accumulatePages(_, _ []float32, _ int, _ []RowPage, _, _, _ int, _ RowFormat) bool {
	return false
}

func dotBlocksK(dst []float32, stride int, q []float32, blocks []byte, step, count, g, d int, f GroupFormat) {
	dotBlocksKEach(dst, stride, q, blocks, step, count, g, d, f)
}

func accumulateBlocksV(acc, weights []float32, stride int, blocks []byte, step, count, g, d int, f GroupFormat) {
	accumulateBlocksVEach(acc, weights, stride, blocks, step, count, g, d, f)
}
