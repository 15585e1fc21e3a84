package kernel

// Rows of 8-bit codes on the tiers with AVX-512: widened to f32, a row's codes cost more than its products.
//
// Keys, with VNNI: queries are rounded to 16 bits, by 32 channels, and multiplied in integers as two halves,
//
//	rounded  [d/32] of codes [heads][2][32] (high, low), units f32 [heads], biases int32 [heads]
//
// q = unit*(256*high+low), and bias is 128 times the sum of a group's numbers: codes of keys are taken unsigned, plus 128. Sixteen rows are computed
// together, each in a lane, so that a product has the same bits wherever its row lies.
//
// Values: weights are multiplied by their scales for 64 rows at once. The bits are those of the other kernels.

const (
	maxRounded   = 512 // channels of a row up to which queries are rounded
	roundedBytes = 72  // of a group and head
	lanesQ8      = 16
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

// dotQ8 is dotRounded of queries that are rounded for one call.
func dotQ8(dst []float32, stride int, q []float32, rows, next []byte, g, n, d int) {
	var rounded [4 * roundedBytes * maxRounded / q8Group]byte
	for h, run := 0, headsAtOnce(g); h < g; h += run {
		run = min(run, g-h)
		roundQueriesVNNI(&rounded[0], &q[h*d : (h+run)*d][0], run, d)
		dotRounded(dst[h*stride:], stride, rounded[:], rows, next, run, n, d)
		next = nil
	}
}

func dotRounded(dst []float32, stride int, rounded, rows, next []byte, g, n, d int) {
	size := RowQ8.Bytes(d)
	for h, run := 0, headsAtOnce(g); h < g; h += run {
		run = min(run, g-h)
		x, o := rounded[roundedBytes*h*d/q8Group:][:roundedBytes*run*d/q8Group], dst[h*stride:]
		if n < lanesQ8 {
			dotFewRounded(o, stride, x, rows, run, n, d)
			continue
		}
		_ = o[(run-1)*stride+n-1]
		for i := 0; i < n; {
			m := min(rowsPerCall, n-i) &^ (lanesQ8 - 1)
			if m == 0 { // the last rows, once more with those before them
				i, m = n-lanesQ8, lanesQ8
			}
			r := rows[i*size : (i+m)*size]
			ahead := &r[0]
			if h == 0 && i*size < len(next) {
				ahead = &next[i*size]
			}
			dotRowsVNNI(run, &o[i], &x[0], &r[0], 4*stride, m, d, size, ahead)
			i += m
		}
	}
}

// dotFewRounded computes fewer than sixteen rows, from a copy.
//
//go:noinline
func dotFewRounded(dst []float32, stride int, rounded, rows []byte, g, n, d int) {
	var copied [lanesQ8 * (maxRounded + 2*maxRounded/q8Group)]byte
	var out [4 * lanesQ8]float32
	size := RowQ8.Bytes(d)
	copy(copied[:], rows[:n*size])
	dotRowsVNNI(g, &out[0], &rounded[0], &copied[0], 4*lanesQ8, lanesQ8, d, size, &copied[0])
	for h := range g {
		copy(dst[h*stride:h*stride+n], out[h*lanesQ8:])
	}
}

func dotRowsVNNI(heads int, dst *float32, rounded, rows *byte, dstStride, n, d, rowBytes int, ahead *byte) {
	switch heads {
	case 1:
		dotRowsQ8x1VNNI(dst, rounded, rows, dstStride, n, d, rowBytes, ahead)
	case 2:
		dotRowsQ8x2VNNI(dst, rounded, rows, dstStride, n, d, rowBytes, ahead)
	case 3:
		dotRowsQ8x3VNNI(dst, rounded, rows, dstStride, n, d, rowBytes, ahead)
	case 4:
		dotRowsQ8x4VNNI(dst, rounded, rows, dstStride, n, d, rowBytes, ahead)
	}
}

func accumulateRowsQ8(acc, weights []float32, stride int, rows, next []byte, g, n, d int) {
	var scaled [2 * 4 * rowsPerCall]float32
	size := RowQ8.Bytes(d)
	for i := 0; i < n; i += rowsPerCall {
		m := min(rowsPerCall, n-i)
		for h, run := 0, headsAtOnce(g); h < g; h += run {
			run = min(run, g-h)
			a, w, r := acc[h*d:(h+run)*d], weights[h*stride+i:], rows[i*size:(i+m)*size]
			_ = w[(run-1)*stride+m-1]
			ahead := &r[0]
			if h == 0 && i*size < len(next) {
				ahead = &next[i*size]
			}
			switch run {
			case 1:
				accumulateRowsQ8x1AVX512(&a[0], &w[0], &r[0], 4*stride, m, d, size, &scaled[0], ahead)
			case 2:
				accumulateRowsQ8x2AVX512(&a[0], &w[0], &r[0], 4*stride, m, d, size, &scaled[0], ahead)
			case 3:
				accumulateRowsQ8x3AVX512(&a[0], &w[0], &r[0], 4*stride, m, d, size, &scaled[0], ahead)
			case 4:
				accumulateRowsQ8x4AVX512(&a[0], &w[0], &r[0], 4*stride, m, d, size, &scaled[0], ahead)
			}
		}
	}
}
