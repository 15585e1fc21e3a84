package model

import "pith/kernel"

// pass is one set of rows on its way through one layer. Its methods are the steps that forward passes are composed of;
// what they return are buffers of the workspace, overwritten by the next call of the same step.
type pass struct {
	m      *Model
	c      *Config
	ws     *Workspace
	layer  int
	rows   *Rows
	n      int
	x      []float32 // [n, dim] residual stream
	attend Attend
}

// norm returns RMSNorm(x)*weight for every row of x, [n, dim].
func (p *pass) norm(x, weight []float32) []float32 {
	dst := p.ws.norm[:p.n*p.c.Dim]
	p.each(rowTask{do: normRow, dst: dst, src: x, weight: weight, width: p.c.Dim, s: p.c.NormEps})
	return dst
}

// normInPlace norms every row of x where it lies, len(weight) elements a row. With a head's weight it norms heads.
func (p *pass) normInPlace(x, weight []float32) {
	p.each(rowTask{do: normRow, dst: x, src: x, weight: weight, width: len(weight), s: p.c.NormEps})
}

// linear writes x·Wᵀ + bias to dst, [rows, outputs].
func (p *pass) linear(dst, x []float32, w *projection) {
	p.matmul(dst, x, w.weight)
	p.bias(dst, w)
}

// bias adds a projection's bias to every row of dst, if it has one.
func (p *pass) bias(dst []float32, w *projection) {
	if w.bias != nil {
		p.each(rowTask{do: biasRow, dst: dst, weight: w.bias, width: len(w.bias)})
	}
}

// matmul writes x·Wᵀ to dst for as many rows as dst has.
func (p *pass) matmul(dst, x []float32, w *kernel.Matrix) {
	p.matmuls(x, len(dst)/w.Rows, kernel.Product{Dst: dst, M: w})
}

// matmuls multiplies n rows of x by several matrices at once.
func (p *pass) matmuls(x []float32, n int, products ...kernel.Product) {
	kernel.MatMuls(p.m.workers, p.ws.scratch, x, n, p.rows.Phase, p.m.exact, products...)
}

// add adds y, scaled by the architecture's residual multiplier, to the residual stream.
func (p *pass) add(y []float32) {
	do := addRow
	if p.c.ResidualScale != 1 {
		do = addScaledRow
	}
	p.each(rowTask{do: do, dst: p.x, src: y, width: p.c.Dim, s: p.c.ResidualScale})
}

// projection is a linear map with an optional bias.
type projection struct {
	weight *kernel.Matrix // [outputs, inputs]
	bias   []float32      // [outputs] or nil
}

// projection binds NAME.weight and, where the file has it, NAME.bias.
func (b *binder) projection(name string, rows, cols int) projection {
	return projection{b.matrix(name+".weight", rows, cols), b.vectorIf(name+".bias", rows)}
}

// rowTask is an elementwise step over the rows of a matrix. It lives in the workspace, so that handing it to the workers
// does not allocate; do is one of the package's functions, never a closure.
type rowTask struct {
	do     func(t *rowTask, i int)
	dst    []float32 // [rows, width]
	src    []float32 // [rows, width] or nil
	weight []float32
	width  int
	s      float32
	pass   *pass

	rows, block int
}

// row is row i of x.
func (t *rowTask) row(x []float32, i int) []float32 { return x[i*t.width : (i+1)*t.width] }

// Do works on one block of rows.
func (t *rowTask) Do(_, block int) {
	for i := block * t.block; i < min((block+1)*t.block, t.rows); i++ {
		t.do(t, i)
	}
}

// parallelWork is the number of elements from which on a step is worth the workers' attention: some microseconds.
const parallelWork = 1 << 14

// each runs the task over the rows of t.dst.
func (p *pass) each(t rowTask) { p.eachOf(t, len(t.dst)/t.width) }

// eachOf runs the task over rows 0..rows-1, which are independent: no result depends on how they are shared out.
func (p *pass) eachOf(t rowTask, rows int) {
	w := p.m.workers
	t.rows, t.block, t.pass = rows, rows, p
	if rows*t.width >= parallelWork && w.Threads() > 1 {
		t.block = max(1, rows/(4*w.Threads()))
	}
	p.ws.task = t
	if t.block == rows {
		p.ws.task.Do(0, 0)
	} else {
		w.Run((rows+t.block-1)/t.block, &p.ws.task)
	}
	p.ws.task = rowTask{}
}

func normRow(t *rowTask, i int)      { kernel.RMSNorm(t.row(t.dst, i), t.row(t.src, i), t.weight, t.s) }
func biasRow(t *rowTask, i int)      { kernel.Add(t.row(t.dst, i), t.weight) }
func addRow(t *rowTask, i int)       { kernel.Add(t.row(t.dst, i), t.row(t.src, i)) }
func addScaledRow(t *rowTask, i int) { kernel.AddScaled(t.row(t.dst, i), t.row(t.src, i), t.s) }
