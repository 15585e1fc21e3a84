package kernel

// Rows kernels in assembly, for heads of a multiple of 8 channels, 32 in q8; see rows_generic.go for the reference.

// rowsPerCall bounds an assembly call, well below 100 microseconds, and keeps the rows in the first cache while they are
// read again for further heads and channels.
const rowsPerCall = 64

// vectorRows reports whether rows of d channels are for the kernels in assembly.
func vectorRows(d int, f RowFormat) bool {
	if f == RowQ8 {
		return CPU() >= NEON && d > 0 && d%q8Group == 0
	}
	return CPU() >= NEON && d > 0 && d%8 == 0
}

// headsAtOnce splits g heads into runs of at most 4, as even as they come.
func headsAtOnce(g int) int {
	if g <= 4 {
		return g
	}
	runs := (g + 3) / 4
	return (g + runs - 1) / runs
}

func dotRows(dst []float32, stride int, q []float32, rows, next []byte, g, n, d int, f RowFormat) {
	if !vectorRows(d, f) {
		dotRowsGeneric(dst, stride, q, rows, g, n, d, f)
		return
	}
	Prefetch(next)
	size := f.Bytes(d)
	for i := 0; i < n; i += rowsPerCall {
		m := min(rowsPerCall, n-i)
		for h, run := 0, headsAtOnce(g); h < g; h += run {
			run = min(run, g-h)
			o, x, r := dst[h*stride+i:], q[h*d:(h+run)*d], rows[i*size:(i+m)*size]
			_ = o[(run-1)*stride+m-1]
			switch f {
			case RowF32:
				dotRowsF32NEON(run, &o[0], &x[0], &r[0], 4*stride, m, d, size)
			case RowF16:
				dotRowsF16NEON(run, &o[0], &x[0], &r[0], 4*stride, m, d, size)
			case RowBF16:
				dotRowsBF16NEON(run, &o[0], &x[0], &r[0], 4*stride, m, d, size)
			case RowQ8:
				dotRowsQ8NEON(run, &o[0], &x[0], &r[0], 4*stride, m, d, size)
			}
		}
	}
}

func accumulateRows(acc, weights []float32, stride int, rows, next []byte, g, n, d int, f RowFormat) {
	if !vectorRows(d, f) {
		accumulateRowsGeneric(acc, weights, stride, rows, g, n, d, f)
		return
	}
	Prefetch(next)
	size := f.Bytes(d)
	for i := 0; i < n; i += rowsPerCall {
		m := min(rowsPerCall, n-i)
		for h, run := 0, headsAtOnce(g); h < g; h += run {
			run = min(run, g-h)
			a, w, r := acc[h*d:(h+run)*d], weights[h*stride+i:], rows[i*size:(i+m)*size]
			_ = w[(run-1)*stride+m-1]
			switch f {
			case RowF32:
				accumulateRowsF32NEON(run, &a[0], &w[0], &r[0], 4*stride, m, d, size)
			case RowF16:
				accumulateRowsF16NEON(run, &a[0], &w[0], &r[0], 4*stride, m, d, size)
			case RowBF16:
				accumulateRowsBF16NEON(run, &a[0], &w[0], &r[0], 4*stride, m, d, size)
			case RowQ8:
				accumulateRowsQ8NEON(run, &a[0], &w[0], &r[0], 4*stride, m, d, size)
			}
		}
	}
}

// encodeRow encodes the channels in whole units of the kernels in assembly, the rest in portable code.
func encodeRow(dst []byte, src []float32, f RowFormat) (overflow int) {
	n, at := 0, 0
	if d := len(src); CPU() >= NEON && d >= q8Group {
		switch f {
		case RowF16:
			n, at = d&^7, 2*(d&^7)
			overflow = encodeF16NEON(&dst[:at][0], &src[0], n)
		case RowQ8:
			n, at = d&^(q8Group-1), d/q8Group*(2+q8Group)
			overflow = encodeQ8NEON(&dst[:at][0], &src[0], d/q8Group)
		}
	}
	return overflow + encodeRowGeneric(dst[at:], src[n:], f)
}

// decodeRow is the inverse of encodeRow.
func decodeRow(dst []float32, src []byte, f RowFormat) {
	n, at := 0, 0
	if d := len(dst); CPU() >= NEON && d >= q8Group {
		switch f {
		case RowF16:
			n, at = d&^7, 2*(d&^7)
			widenF16NEON(&dst[0], &src[:at][0], n)
		case RowBF16:
			n, at = d&^7, 2*(d&^7)
			widenBF16NEON(&dst[0], &src[:at][0], n)
		case RowQ8:
			n, at = d&^(q8Group-1), d/q8Group*(2+q8Group)
			decodeQ8NEON(&dst[0], &src[:at][0], d/q8Group)
		}
	}
	decodeRowGeneric(dst[n:], src[at:], f)
}

func prefetch(b []byte) {
	if CPU() >= NEON {
		prefetchNEON(&b[0], (min(len(b), 4096)+63)/64)
	}
}

func copyRows(dst []byte, rows []*byte, n, rowBytes int) { copyRowsGeneric(dst, rows, n, rowBytes) }
