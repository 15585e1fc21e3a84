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
	integer := false
	for _, q := range products {
		if q.M.Cols != cols {
			panic(fmt.Sprintf("kernel: product: matrices of %d and %d columns in one call", cols, q.M.Cols))
		}
		if len(q.Dst) < n*q.M.Rows {
			panic(fmt.Sprintf("kernel: product: result of %d elements, want %d x %d", len(q.Dst), n, q.M.Rows))
		}
		integer = integer || !exact && q.M.integer()
	}
	x = x[:n*cols]
	s.threads(w.Threads())
	k := kernels()
	tiles := k != nil && min(n, chunkRows) <= tileRows && tileable(cols)
	for first := 0; first < n; first += chunkRows {
		rows := min(chunkRows, n-first)
		chunk := x[first*cols:][:rows*cols]
		if integer {
			s.encodeRows(w, k, chunk, rows, cols, tiles)
		}
		s.product.prepare(s, tiles, chunk, first, rows, p, exact, products)
		w.Run(s.product.pieces, &s.product)
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
	case strips > 0:
		extra = amxGroups(cols / block)
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

// productTask is one chunk of rows times every matrix of a call. A piece is a run of output rows of one matrix.
type productTask struct {
	s      *Scratch
	x      []float32 // [rows, cols]
	rows   int
	phase  Phase
	tiles  bool // few rows, and activations continued for tiles
	pieces int
	n      int
	parts  [maxProducts]part
}

// part is one matrix of a productTask.
type part struct {
	m     *Matrix
	dst   []float32 // [rows, m.Rows]
	step  int       // output rows a piece
	end   int       // index of the piece after the last
	exact bool      // f32 arithmetic
}

func (t *productTask) prepare(s *Scratch, tiles bool, x []float32, first, rows int, p Phase, exact bool, products []Product) {
	t.s, t.tiles, t.x, t.rows, t.phase, t.pieces, t.n = s, tiles, x, rows, p, 0, len(products)
	for i, q := range products {
		a := &t.parts[i]
		*a = part{m: q.M, dst: q.Dst[first*q.M.Rows:][:rows*q.M.Rows], step: pieceRows(q.M, rows), exact: exact || !q.M.integer()}
		t.pieces += (q.M.Rows + a.step - 1) / a.step
		a.end = t.pieces
	}
}

// pieceWeightBytes is about the size of the weights in a piece when few rows share them: some microseconds of reading.
const pieceWeightBytes = 24 << 10

// pieceRows is the number of output rows in a piece, a multiple of a panel's.
func pieceRows(m *Matrix, rows int) int {
	if rows > tileRows {
		return panelRows
	}
	return max(1, pieceWeightBytes/m.rowBytes/panelRows) * panelRows
}

// release drops the references to the caller's memory.
func (t *productTask) release() {
	clear(t.parts[:t.n])
	t.x = nil
}

func (t *productTask) Do(worker, i int) {
	which, start := 0, 0
	for i >= t.parts[which].end {
		start = t.parts[which].end
		which++
	}
	a := &t.parts[which]
	lo := (i - start) * a.step
	hi := min(a.m.Rows, lo+a.step)
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
