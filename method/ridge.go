package method

import (
	"cmp"
	"math"
	"slices"

	"pith/kernel"
)

// Least squares with a ridge: D = argmin ‖P·D - R‖² + λ‖D‖² for weights P [m, n], a few right sides R, in f32. D solves the smaller of two systems
// that have the same solution,
//
//	D = (PᵀP + λ)⁻¹·PᵀR = Pᵀ·(PPᵀ + λ)⁻¹·R
//
// by Cholesky, or the second by conjugate gradients where that takes fewer operations. Attention has a few heavy columns and many light ones, whose
// squares together are no more than λ or a few times that. So W = (HHᵀ + λ)⁻¹ of the heavy columns H alone, which is a small system, is nearly the
// inverse: the eigenvalues of W·(PPᵀ + λ) lie between 1 and κ = 1 + (sum of the squares of the light columns)/λ, and each step leaves at most
// (√κ-1)/(√κ+1) of the error. Most of them lie near 1, and a third of the steps are enough.
type ridge struct {
	s      *kernel.Scratch
	p, pt  []float32 // [m, n] and its transpose
	m, n   int
	lambda float32
}

// ridgeError is the residual at which conjugate gradients end, relative to the right side.
const ridgeError = 1e-3

// ridgeBytes is what a solution works in at most, P included: P and its heavy columns, both twice, a system with its factor, and the vectors.
func ridgeBytes(m, n, sides int) int64 {
	k := min(m, n)
	return 4 * int64(2*m*(n+k)+2*k*(k+matchBlock)+8*(m+n)*sides)
}

// solve returns D [n, sides] for R given transposed, [sides, m].
func (r *ridge) solve(right []float32) []float32 {
	sides := len(right) / r.m
	if heavy := r.heavy(sides); heavy != nil {
		y := r.gradients(right, heavy)
		out := make([]float32, r.n*sides)
		product(r.s, out, r.pt, y, r.m)
		return out
	}
	if r.n <= r.m {
		x := r.times(r.pt, right, r.m)
		factorRidge(r.s, gramOf(r.s, r.pt, r.m), r.n, r.lambda).solve(r.s, x)
		return transposed(x, sides, r.n)
	}
	x := slices.Clone(right)
	factorRidge(r.s, gramOf(r.s, r.p, r.n), r.m, r.lambda).solve(r.s, x)
	out := make([]float32, r.n*sides)
	product(r.s, out, r.pt, x, r.m)
	return out
}

// heavy returns the columns whose system is solved apart, as many as cost least with a third of the steps of the bound; nil where conjugate gradients would take
// longer than the whole.
func (r *ridge) heavy(sides int) []int32 {
	squares, order, light := make([]float32, r.n), make([]int32, r.n), 0.0
	for j := range squares {
		squares[j], order[j] = kernel.SumSquares(r.pt[j*r.m:(j+1)*r.m]), int32(j)
		light += float64(squares[j])
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(squares[b], squares[a]), cmp.Compare(a, b))
	})
	direct := func(n, m float64) float64 { return n*n*m/2 + n*n*n/6 + n*n*float64(sides) }
	m, n := float64(r.m), float64(r.n)
	least, best := direct(min(m, n), max(m, n)), -1
	for b := 0; b < min(r.m, r.n); b += matchBlock {
		root := math.Sqrt(1 + max(0, light)/float64(r.lambda))
		steps := math.Ceil(math.Log(ridgeError) / math.Log((root-1)/(root+1)) / 3)
		heavy := float64(b)
		if cost := direct(heavy, m) + steps*float64(sides)*(2*m*n+2*m*heavy+heavy*heavy); cost < least {
			least, best = cost, b
		}
		for _, j := range order[b:min(b+matchBlock, r.n)] {
			light -= float64(squares[j])
		}
	}
	if best < 0 {
		return nil
	}
	return order[:best]
}

// gradients solves (PPᵀ + λ)·Y = R for every row of right.
func (r *ridge) gradients(right []float32, heavy []int32) []float32 {
	m, n, sides := r.m, r.n, len(right)/r.m
	ht := make([]float32, 0, len(heavy)*m)
	for _, j := range heavy {
		ht = append(ht, r.pt[int(j)*m:int(j+1)*m]...)
	}
	h := transposed(ht, len(heavy), m)
	var small *factored
	if len(heavy) > 0 {
		small = factorRidge(r.s, gramOf(r.s, ht, m), len(heavy), r.lambda)
	}
	near := func(z, x []float32) { // z = W·x = (x - H·(HᵀH + λ)⁻¹·Hᵀx)/λ
		copy(z, x)
		if small != nil {
			u := r.times(ht, x, m)
			small.solve(r.s, u)
			kernel.Axpy(z, -1, r.times(h, u, len(heavy)))
		}
		kernel.Scale(z, 1/r.lambda)
	}
	rest, y, z := slices.Clone(right), make([]float32, len(right)), make([]float32, len(right))
	near(z, rest)
	p, v := slices.Clone(z), slices.Clone(rest) // the direction and W⁻¹ of it
	norms, squares := make([]float32, sides), make([]float32, sides)
	for i := range sides {
		norms[i], squares[i] = kernel.Dot(rest[i*m:(i+1)*m], z[i*m:(i+1)*m]), kernel.SumSquares(right[i*m:(i+1)*m])
	}
	for range m {
		through := make([]float32, n*sides)
		product(r.s, through, r.pt, p, m)
		for _, j := range heavy { // W has them
			clear(through[int(j)*sides : int(j+1)*sides])
		}
		q := r.times(r.p, transposed(through, n, sides), n)
		kernel.Add(q, v)
		done := true
		for i := range sides {
			at, to := i*m, (i+1)*m
			if curve := kernel.Dot(p[at:to], q[at:to]); curve > 0 {
				step := norms[i] / curve
				kernel.Axpy(y[at:to], step, p[at:to])
				kernel.Axpy(rest[at:to], -step, q[at:to])
			}
			done = done && kernel.SumSquares(rest[at:to]) <= ridgeError*ridgeError*squares[i]
		}
		if done {
			break
		}
		near(z, rest)
		for i := range sides {
			at, to := i*m, (i+1)*m
			now, by := kernel.Dot(rest[at:to], z[at:to]), float32(0)
			if norms[i] > 0 {
				by = now / norms[i]
			}
			norms[i] = now
			turn(p[at:to], by, z[at:to])
			turn(v[at:to], by, rest[at:to])
		}
	}
	return y
}

// turn replaces x by y + by·x.
func turn(x []float32, by float32, y []float32) {
	kernel.Scale(x, by)
	kernel.Add(x, y)
}

// times returns rows [n, cols] times every row of x [sides, cols]: [sides, n].
func (r *ridge) times(rows, x []float32, cols int) []float32 {
	n, sides := len(rows)/cols, len(x)/cols
	out := make([]float32, n*sides)
	product(r.s, out, rows, x, cols)
	return transposed(out, n, sides)
}

// product writes x·yᵀ, x [len(dst)/(len(y)/cols), cols], y [len(y)/cols, cols].
func product(s *kernel.Scratch, dst, x, y []float32, cols int) {
	kernel.MatMul(nil, s, dst, x, len(x)/cols, matrixOf(y, len(y)/cols, cols), kernel.Prefill, true)
}

// matchBlock is the number of rows of a symmetric matrix that are computed together.
const matchBlock = 128

// gramOf returns x·xᵀ for x [n, cols], [n, n]; what lies right of the diagonal's blocks is not filled in.
func gramOf(s *kernel.Scratch, x []float32, cols int) []float32 {
	n := len(x) / cols
	out, part := make([]float32, n*n), make([]float32, matchBlock*n)
	for from := 0; from < n; from += matchBlock {
		to := min(n, from+matchBlock)
		product(s, part[:(to-from)*to], x[from*cols:to*cols], x[:to*cols], cols)
		for i := from; i < to; i++ {
			copy(out[i*n:i*n+to], part[(i-from)*to:])
		}
	}
	return out
}

// transposed returns the transpose of x [rows, cols].
func transposed(x []float32, rows, cols int) []float32 {
	out := make([]float32, len(x))
	kernel.Transpose(out, x, rows, cols)
	return out
}

// factored is the Cholesky factor of a symmetric matrix [n, n], a block of columns at a time, so that all that is quadratic in n is a product of
// matrices.
type factored struct {
	n      int
	blocks []factoredBlock
}

type factoredBlock struct {
	inverse []float32 // [cols, cols] of the block on the diagonal
	below   []float32 // [rows below it, cols]
}

// factorRidge factors m + λ; m, its lower half given, is used up.
func factorRidge(s *kernel.Scratch, m []float32, n int, lambda float32) *factored {
	f := &factored{n: n}
	var part []float32
	for from := 0; from < n; from += matchBlock {
		to := min(n, from+matchBlock)
		cols := to - from
		square := make([]float32, cols*cols)
		for i := range cols {
			copy(square[i*cols:i*cols+i+1], m[(from+i)*n+from:])
			square[i*cols+i] += lambda
		}
		b := factoredBlock{inverse: inverseFactor(square, cols, lambda), below: make([]float32, (n-to)*cols)}
		if to < n {
			under := make([]float32, (n-to)*cols)
			for i := to; i < n; i++ {
				copy(under[(i-to)*cols:(i-to+1)*cols], m[i*n+from:])
			}
			product(s, b.below, under, b.inverse, cols)
			if part == nil {
				part = make([]float32, matchBlock*n)
			}
		}
		for rows := to; rows < n; rows += matchBlock { // the rest of the matrix, the lower half
			end := min(n, rows+matchBlock)
			product(s, part[:(end-rows)*(end-to)], b.below[(rows-to)*cols:(end-to)*cols], b.below[:(end-to)*cols], cols)
			for i := rows; i < end; i++ {
				kernel.Axpy(m[i*n+to:i*n+end], -1, part[(i-rows)*(end-to):][:end-to])
			}
		}
		f.blocks = append(f.blocks, b)
	}
	return f
}

// inverseFactor returns the inverse of the Cholesky factor of m [n, n], whose lower half is given and becomes the factor.
func inverseFactor(m []float32, n int, lambda float32) []float32 {
	out := make([]float32, n*n)
	for i := range n {
		row := m[i*n : i*n+i+1]
		for j := range i {
			row[j] = (row[j] - kernel.Dot(row[:j], m[j*n:j*n+j])) / m[j*n+j]
		}
		// What is left of a diagonal is at least λ, but for the rounding of f32.
		row[i] = float32(math.Sqrt(float64(max(row[i]-kernel.SumSquares(row[:i]), lambda/2))))
		own := out[i*n : i*n+i+1]
		for k, v := range row[:i] {
			kernel.Axpy(own[:k+1], -v, out[k*n:k*n+k+1])
		}
		own[i] = 1
		kernel.Scale(own, 1/row[i])
	}
	return out
}

// solve replaces every row x of [len(x)/n, n] by the solution of the system.
func (f *factored) solve(s *kernel.Scratch, x []float32) {
	n, sides := f.n, len(x)/f.n
	at := make([]float32, sides*matchBlock)
	solved, part := make([]float32, sides*matchBlock), make([]float32, sides*n)
	take := func(from, cols int) {
		for i := range sides {
			copy(at[i*cols:(i+1)*cols], x[i*n+from:])
		}
	}
	put := func(from, cols int) {
		for i := range sides {
			copy(x[i*n+from:i*n+from+cols], solved[i*cols:])
		}
	}
	for k, b := range f.blocks {
		from := k * matchBlock
		to := min(n, from+matchBlock)
		cols := to - from
		take(from, cols)
		product(s, solved[:sides*cols], at[:sides*cols], b.inverse, cols)
		put(from, cols)
		if to < n {
			product(s, part[:sides*(n-to)], solved[:sides*cols], b.below, cols)
			for i := range sides {
				kernel.Axpy(x[i*n+to:(i+1)*n], -1, part[i*(n-to):(i+1)*(n-to)])
			}
		}
	}
	for k := len(f.blocks) - 1; k >= 0; k-- {
		b, from := f.blocks[k], k*matchBlock
		to := min(n, from+matchBlock)
		cols := to - from
		take(from, cols)
		if to < n { // less the rows below
			rest := make([]float32, sides*(n-to))
			for i := range sides {
				copy(rest[i*(n-to):(i+1)*(n-to)], x[i*n+to:(i+1)*n])
			}
			product(s, part[:sides*cols], rest, transposed(b.below, n-to, cols), n-to)
			kernel.Axpy(at[:sides*cols], -1, part[:sides*cols])
		}
		product(s, solved[:sides*cols], at[:sides*cols], transposed(b.inverse, cols, cols), cols)
		put(from, cols)
	}
}
