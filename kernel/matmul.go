package kernel

import "fmt"

// Phase says what a product is part of. It selects the order of accumulation of f32 products, never the row count.
type Phase uint8

const (
	Prefill Phase = iota // many rows of one prompt
	Decode               // one row of each of a few sequences
)

// chunkRows is the number of rows of x that go through a matrix at once; weights are unpacked once a chunk.
const chunkRows = 512

// maxProducts is the number of matrices that one call can multiply.
const maxProducts = 8

// Product is one matrix of a call and where its result goes.
type Product struct {
	Dst []float32 // [n, M.Rows]
	M   *Matrix
}

// MatMul computes dst[n, m.Rows] = x[n, m.Cols] times the transpose of m. With exact, or when the format has no integer
// form, weights are dequantised and multiplied with f32 activations; otherwise activations are rounded to 8 bits. dst
// must not overlap x. Slices that are too short panic.
func MatMul(w *Workers, s *Scratch, dst, x []float32, n int, m *Matrix, p Phase, exact bool) {
	MatMuls(w, s, x, n, p, exact, Product{dst, m})
}

// MatMuls is MatMul of up to 8 matrices of equal Cols with the same x: activations are rounded once and the threads meet
// once. The results are those of separate calls, bit for bit.
func MatMuls(w *Workers, s *Scratch, x []float32, n int, p Phase, exact bool, products ...Product) {
	if n <= 0 || len(products) == 0 {
		return
	}
	cols := products[0].M.Cols
	k := kernels()
	integer, stored := false, false
	for _, q := range products {
		if q.M.Cols != cols {
			panic(fmt.Sprintf("kernel: product: matrices of %d and %d columns in one call", cols, q.M.Cols))
		}
		if len(q.Dst) < n*q.M.Rows {
			panic(fmt.Sprintf("kernel: product: result of %d elements, want %d x %d", len(q.Dst), n, q.M.Rows))
		}
		if !exact && q.M.integer() {
			integer = true
			stored = stored || k != nil && k.packedFor(q.M).product == nil
		}
	}
	x = x[:n*cols]
	s.threads(w.Threads())
	tiles := k != nil && min(n, chunkRows) <= tileRows && tileable(cols)
	for first := 0; first < n; first += chunkRows {
		rows := min(chunkRows, n-first)
		chunk := x[first*cols:][:rows*cols]
		if integer {
			s.encodeRows(w, k, chunk, rows, cols, tiles && stored)
		}
		s.product.prepare(s, tiles, chunk, first, rows, p, exact, products)
		s.product.cut(w.Threads())
		w.Run(len(s.product.pieces), &s.product)
		s.product.release()
	}
}

// encodeTask rounds rows of x to 8 bits, a few rows a piece.
type encodeTask struct {
	act    *activations
	x      []float32
	rows   int
	strips int // whole strips of the AMX tier
}

// encodeStep is the number of rows in a piece of encodeTask, a strip of the AMX tier.
const encodeStep = amxRows

// encodeRows fills s.act from x [rows, cols], continued for tiles if asked.
func (s *Scratch) encodeRows(w *Workers, k *kernelSet, x []float32, rows, cols int, tiles bool) {
	extra, strips := 0, k.amxStripsOf(rows)
	switch {
	case tiles:
		extra = tileGroups
	case rows > tileRows:
		extra = spreadGroups(cols / block)
	}
	s.act.resize(rows, cols, extra)
	s.act.resizeStrips(strips)
	t := &s.encode
	*t = encodeTask{act: &s.act, x: x, rows: rows, strips: strips}
	if rows <= encodeStep {
		t.Do(0, 0) // waking a thread costs more
	} else {
		w.Run((rows+encodeStep-1)/encodeStep, t)
	}
	t.x = nil
	if tiles {
		s.act.wrap(k, rows)
	}
}

func (t *encodeTask) Do(_, i int) {
	cols := t.act.cols
	for r := i * encodeStep; r < min(t.rows, (i+1)*encodeStep); r++ {
		t.act.encode(r, t.x[r*cols:][:cols])
	}
	if i < t.strips {
		t.act.interleave(kernels(), i)
	}
}

// productTask is one chunk of rows times every matrix of a call.
type productTask struct {
	s      *Scratch
	x      []float32 // [rows, cols]
	rows   int
	phase  Phase
	tiles  bool // few rows, and activations continued for tiles
	n      int
	parts  [maxProducts]part
	pieces []piece
}

// part is one matrix of a productTask.
type part struct {
	m     *Matrix
	dst   []float32 // [rows, m.Rows]
	exact bool      // f32 arithmetic
}

// piece is a run of output rows of one part, a multiple of a panel's or the last.
type piece struct{ part, lo, hi int }

func (t *productTask) prepare(s *Scratch, tiles bool, x []float32, first, rows int, p Phase, exact bool, products []Product) {
	t.s, t.tiles, t.x, t.rows, t.phase, t.n = s, tiles, x, rows, p, len(products)
	for i, q := range products {
		t.parts[i] = part{m: q.M, dst: q.Dst[first*q.M.Rows:][:rows*q.M.Rows], exact: exact || !q.M.integer()}
	}
}

// minPieceBytes is about the size of the weights in the smallest piece when few rows share them: some microseconds of reading.
const minPieceBytes = 96 << 10

// cut makes the pieces. With many rows a piece is as many panels as go through a chunk together, fewer where threads would have less than four pieces each. With
// few, time goes into reading weights, and a thread reads fastest what lies in a row: two threads that took turns at pieces of 24 KiB got 25 GB/s where two that
// read half each got 35. So each thread gets two pieces, all alike so that the threads end together.
func (t *productTask) cut(threads int) {
	t.pieces = t.pieces[:0]
	bytes, panels := 0, 0
	for _, a := range t.parts[:t.n] {
		bytes += a.m.Rows * a.m.rowBytes
		panels += (a.m.Rows + panelRows - 1) / panelRows
	}
	for i, a := range t.parts[:t.n] {
		together := a.m.Rows
		switch {
		case t.rows > tileRows:
			together = min(panelsAtOnce, panels/(4*threads))
		case threads > 1:
			together = max(minPieceBytes, bytes/(2*threads)) / a.m.rowBytes / panelRows
		}
		step := panelRows * max(1, together)
		for lo := 0; lo < a.m.Rows; lo += step {
			t.pieces = append(t.pieces, piece{i, lo, min(a.m.Rows, lo+step)})
		}
	}
}

// release drops the references to the caller's memory.
func (t *productTask) release() {
	clear(t.parts[:t.n])
	t.x = nil
}

func (t *productTask) Do(worker, i int) {
	p := t.pieces[i]
	a, lo, hi := &t.parts[p.part], p.lo, p.hi
	b := &t.s.buffers[worker]
	k := kernels()
	switch {
	case k == nil && a.exact:
		t.floatGeneric(a, b, lo, hi)
	case k == nil:
		t.integerGeneric(a, b, lo, hi)
	case a.exact && t.phase == Decode:
		t.floatRows(k, a, b, lo, hi)
	case a.exact:
		t.floatPanels(k, a, b, lo, hi)
	case t.tiles:
		t.integerTiles(k, a, b, lo, hi)
	default:
		t.integerPanels(k, a, b, lo, hi)
	}
}
