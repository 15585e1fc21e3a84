package kernel

import "unsafe"

// Rows of 8-bit codes on the tiers with AVX-512: widened to f32, a row's codes cost more than its products.
//
// Keys, with VNNI: queries are rounded to 16 bits, by 32 channels, and multiplied in integers as two halves,
//
//	rounded  [d/32] of codes [heads][2][32] (high, low), units f32 [heads], biases int32 [heads]
//
// q = unit*(256*high+low), and bias is 128 times the sum of a group's numbers: codes of keys are taken unsigned, plus 128. Sixteen rows are computed
// together, or the last eight of a page, each in a lane, so that a product has the same bits wherever its row lies.
//
// Values: weights are multiplied by their scales for 64 rows at once. The bits are those of the other kernels.

const (
	maxRounded   = 512 // channels of a row up to which queries are rounded
	roundedBytes = 72  // of a group and head
	fewestQ8     = 8   // rows that a page must have, or a copy is made
)

// rounds reports whether the queries of such rows are rounded. It depends on the tier and the row alone.
func rounds(d int, f RowFormat) bool {
	return f == RowQ8 && wideRows(d, f) && CPU() >= VNNI && d <= maxRounded
}

// roundQueries appends the rounded form of g queries, as many heads together as a kernel takes.
func roundQueries(dst []byte, q []float32, g, d int, f RowFormat) []byte {
	if !rounds(d, f) {
		return dst
	}
	dst = grow(dst, roundedBytes*g*d/q8Group)
	to := dst
	for h, run := 0, headsAtOnce(g); h < g; h += run {
		run = min(run, g-h)
		roundQueriesVNNI(&to[0], &q[h*d : (h+run)*d][0], run, d)
		to = to[roundedBytes*run*d/q8Group:]
	}
	return dst
}

// dotQ8 rounds queries for one call.
func dotQ8(dst []float32, stride int, q []float32, rows, next []byte, g, n, d int) {
	var rounded [4 * roundedBytes * maxRounded / q8Group]byte
	for h, run := 0, headsAtOnce(g); h < g; h += run {
		run = min(run, g-h)
		roundQueriesVNNI(&rounded[0], &q[h*d : (h+run)*d][0], run, d)
		(&wideRun{dst: dst[h*stride:], stride: stride, rounded: rounded[:], g: run, d: d, f: RowQ8}).cut(rows, next, n)
		next = nil
	}
}

// dotFewRounded computes fewer than eight rows, from a copy.
//
//go:noinline
func dotFewRounded(dst []float32, stride int, rounded, rows []byte, g, n, d int) {
	var copied [fewestQ8 * (maxRounded + 2*maxRounded/q8Group)]byte
	var out [4 * fewestQ8]float32
	size := RowQ8.Bytes(d)
	copy(copied[:], rows[:n*size])
	page := RowPage{copied[:fewestQ8*size], fewestQ8}
	p := (*byte)(unsafe.Pointer(&page))
	dotRowsVNNI(g, &out[0], &rounded[0], p, p, 1, 1, 4*fewestQ8, d, size)
	for h := range g {
		copy(dst[h*stride:h*stride+n], out[h*fewestQ8:])
	}
}
