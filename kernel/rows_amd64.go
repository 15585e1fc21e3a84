package kernel

// Rows kernels in assembly, for heads of a multiple of 8 channels; see rows_generic.go for the reference. AVX-512 has its own
// where a head is a multiple of its registers: rows of 16 and 32 bits are bound by memory anyway, but the conversion of q8
// is not.

// rowsPerCall bounds an assembly call, well below 100 microseconds, and keeps the rows in the first cache while they are
// read again for further heads and channels.
const rowsPerCall = 64

// wideRows reports whether rows of d channels are for the AVX-512 kernels. It depends on the tier and the row alone.
func wideRows(d int, f RowFormat) bool {
	if f == RowQ8 && d%q8Group != 0 {
		return false
	}
	return CPU() >= AVX512 && d%16 == 0
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
	if CPU() < AVX2 || d < 8 || d%8 != 0 && (f == RowQ8 || d > maxRagged) {
		dotRowsGeneric(dst, stride, q, rows, g, n, d, f)
		return
	}
	if d%8 != 0 {
		dotRagged(dst, stride, q, rows, g, n, d, f)
		return
	}
	if rounds(d, f) {
		dotQ8(dst, stride, q, rows, next, g, n, d)
		return
	}
	if wideRows(d, f) {
		(&wideRun{dst: dst, stride: stride, q: q, g: g, d: d, f: f}).cut(rows, next, n)
		return
	}
	size := f.Bytes(d)
	for i := 0; i < n; i += rowsPerCall {
		m := min(rowsPerCall, n-i)
		ahead := &rows[i*size]
		if i*size < len(next) {
			ahead = &next[i*size]
		}
		for h, run := 0, headsAtOnce(g); h < g; h += run {
			run = min(run, g-h)
			o, x, r := dst[h*stride+i:], q[h*d:(h+run)*d], rows[i*size:(i+m)*size]
			_ = o[(run-1)*stride+m-1]
			dotRowsAVX2(f, run, &o[0], &x[0], &r[0], 4*stride, m, d, size, ahead)
			ahead = &r[0] // once is enough
		}
	}
}

// maxRagged bounds the copies of dotRagged.
const maxRagged = 256

// dotRagged is dotRows of at least 8 channels that are no multiple of 8, as keys without their least channels are: whole eights where they lie, the
// last channels copied out between zeros.
func dotRagged(dst []float32, stride int, q []float32, rows []byte, g, n, d int, f RowFormat) {
	whole, size, width := d&^7, f.Bytes(d), f.Bytes(1)
	var heads [4 * maxRagged]float32
	var tails [4 * 8]float32
	var copied [8 * 4 * rowsPerCall]byte
	var sums [4 * rowsPerCall]float32
	for h, run := 0, headsAtOnce(g); h < g; h += run {
		run = min(run, g-h)
		for k := range run {
			x := q[(h+k)*d : (h+k+1)*d]
			copy(heads[k*whole:], x[:whole])
			copy(tails[k*8:], x[whole:])
		}
		for i := 0; i < n; i += rowsPerCall {
			m := min(rowsPerCall, n-i)
			o, r := dst[h*stride+i:], rows[i*size:(i+m)*size]
			_ = o[(run-1)*stride+m-1]
			dotRowsAVX2(f, run, &o[0], &heads[0], &r[0], 4*stride, m, whole, size, &r[0])
			for j := range m {
				copy(copied[j*8*width:], r[j*size+whole*width:(j+1)*size])
			}
			dotRowsAVX2(f, run, &sums[0], &tails[0], &copied[0], 4*rowsPerCall, m, 8, 8*width, &copied[0])
			for k := range run {
				addRow(o[k*stride:k*stride+m], sums[k*rowsPerCall:k*rowsPerCall+m])
			}
		}
	}
}

func accumulateRows(acc, weights []float32, stride int, rows, next []byte, g, n, d int, f RowFormat) {
	if CPU() < AVX2 || d%8 != 0 || d == 0 {
		accumulateRowsGeneric(acc, weights, stride, rows, g, n, d, f)
		return
	}
	if wideRows(d, f) {
		(&wideRun{dst: weights, stride: stride, q: acc, g: g, d: d, f: f, sums: true}).cut(rows, next, n)
		return
	}
	size := f.Bytes(d)
	for i := 0; i < n; i += rowsPerCall {
		m := min(rowsPerCall, n-i)
		ahead := &rows[i*size]
		if i*size < len(next) {
			ahead = &next[i*size]
		}
		for h, run := 0, headsAtOnce(g); h < g; h += run {
			run = min(run, g-h)
			a, w, r := acc[h*d:(h+run)*d], weights[h*stride+i:], rows[i*size:(i+m)*size]
			_ = w[(run-1)*stride+m-1]
			accumulateRowsAVX2(f, run, &a[0], &w[0], &r[0], 4*stride, m, d, size, ahead)
			ahead = &r[0] // once is enough
		}
	}
}

// encodeRow encodes the channels in whole units of the kernels in assembly, the rest in portable code.
func encodeRow(dst []byte, src []float32, f RowFormat) (overflow int) {
	n, at := 0, 0
	if d := len(src); CPU() >= AVX2 && d >= q8Group {
		switch f {
		case RowF16:
			n, at = d&^7, 2*(d&^7)
			overflow = encodeF16AVX2(&dst[0], &src[0], n)
		case RowBF16:
			n, at = d&^7, 2*(d&^7)
			encodeBF16AVX2(&dst[0], &src[0], n)
		case RowQ8:
			n, at = d&^(q8Group-1), d/q8Group*(2+q8Group)
			overflow = encodeQ8AVX2(&dst[0], &src[0], d/q8Group)
		}
	}
	return overflow + encodeRowGeneric(dst[at:], src[n:], f)
}

// decodeRow is the inverse of encodeRow.
func decodeRow(dst []float32, src []byte, f RowFormat) {
	n, at := 0, 0
	if d := len(dst); CPU() >= AVX2 && d >= q8Group {
		switch f {
		case RowF16:
			n, at = d&^7, 2*(d&^7)
			decodeF16AVX2(&dst[0], &src[0], n)
		case RowBF16:
			n, at = d&^7, 2*(d&^7)
			decodeBF16AVX2(&dst[0], &src[0], n)
		case RowQ8:
			n, at = d&^(q8Group-1), d/q8Group*(2+q8Group)
			decodeQ8AVX2(&dst[0], &src[0], d/q8Group)
		}
	}
	decodeRowGeneric(dst[n:], src[at:], f)
}

func prefetch(b []byte) {
	if CPU() >= AVX2 {
		prefetchAVX2(&b[0], (min(len(b), 4096)+63)/64)
	}
}

// rowsAhead is how many rows ahead copyRows asks for: the lines of that many are on their way at a time.
const rowsAhead = 16

func copyRows(dst []byte, rows []*byte, n, rowBytes int) {
	if CPU() < AVX2 || rowBytes < 32 {
		copyRowsGeneric(dst, rows, n, rowBytes)
		return
	}
	ahead := rows[min(rowsAhead, len(rows)-1):]
	copyRowsAVX2(&dst[0], &rows[0], n, &ahead[0], len(ahead), rowBytes)
}
