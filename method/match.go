package method

import (
	"math"

	"pith/kernel"
	"pith/kvcache"
	"pith/policy"
)

// match changes what is kept so that it does the work of the whole (after attention matching, arXiv 2602.16284). A sample of the prompt's
// queries q, turned to positions after it, stands for the queries to come. With p(q) the attention over the kept entries, o(q) the output
// over the whole prompt, and z(q) the log of the mass (the sum of the exponentials) of the whole, z'(q) of what is kept:
//
//	mass    k_j += s for every kept j,  s = argmin Σ_q (q·s/√d + z'(q) - z(q))² + λ‖s‖²
//	keys    codes by what they do to scores (see rounding)
//	values  V += argmin_D Σ_q ‖p(q)(V+D) - o(q)‖² + λ‖D‖²,  λ = ridge·B/M·mean ‖p(q)‖²,  p over the keys as they are stored
//
// A shift that all keys share leaves the attention among them as it is and gives them the mass of what was dropped, against what is read
// and generated later; in grouped storage it moves minima and costs nothing. The published method has a bias for each entry instead.
// The more entries B there are for the M queries, the more of D would fit the sample and not what it stands for: hence B/M.
// Cost: for M = Group·rows queries 2·M·n·d + M·B·min(M, B)/2 + min(M, B)³/6 a head; M·(2·d+1) floats a head until the layer is decided.
type match struct {
	rounding
	rows        int
	mass, ridge float64
}

// Signals implements policy.Fitter.
func (m match) Signals() policy.Signals {
	return m.rounding.Signals().Union(policy.Signals{Queries: true})
}

// Retains implements policy.Fitter.
func (m match) Retains(tokens, qHeads, kvHeads, headDim int) int64 {
	return m.rounding.Retains(tokens, qHeads, kvHeads, headDim) + 4*int64(min(m.rows, tokens))*int64(qHeads)*int64(2*headDim+1)
}

// Fit implements policy.Fitter.
func (m match) Fit(l *policy.Layer) (policy.Fit, error) {
	round, err := m.rounding.Fit(l)
	if err != nil {
		return nil, err
	}
	type key struct{ rows, future int }
	samples, err := policy.Once(l, key{m.rows, m.future}, func() ([]*querySample, error) {
		all := make([]*querySample, l.KVHeads)
		l.Do(l.KVHeads, func(h int) { all[h] = m.sample(l, h) })
		return all, nil
	})
	if err != nil {
		return nil, err
	}
	tokens, d := l.Tokens, l.HeadDim
	return func(h int, keys, values []float32, st kvcache.Storage) {
		if n := len(keys) / d; n == 0 || n == tokens && !st.Keys.Grouped() && !st.Values.Grouped() {
			return // nothing is there, or nothing is missing
		}
		if m.mass > 0 {
			samples[h].shift(keys, m.mass)
		}
		round(h, keys, values, st)
		if m.ridge > 0 {
			samples[h].refit(keys, values, m.ridge)
		}
	}, nil
}

// A querySample is what the whole prompt answers to sampled queries of one KV head. To attention they are the heads of one row.
type querySample struct {
	kernel.Attention           // Group: the number of queries
	queries          []float32 // [Group, HeadDim]
	out              []float32 // [Group, HeadDim] attention over the whole prompt
	mass             []float32 // [Group] log-sum-exp of the scores
}

// sample turns queries of rows that are spread over the prompt to positions after it, spread too, and reads the prompt with them.
func (m match) sample(l *policy.Layer, h int) *querySample {
	d, g := l.HeadDim, l.Group()
	rows := min(m.rows, l.Tokens)
	n := rows * g
	a := &querySample{Attention: kernel.Attention{HeadDim: d, Group: n, Scale: l.Scale, SoftCap: l.SoftCap},
		queries: make([]float32, n*d), out: make([]float32, n*d), mass: make([]float32, n)}
	last := l.Positions[l.Tokens-1]
	for i := range rows {
		row := (2*i + 1) * l.Tokens / (2 * rows)
		_, part := math.Modf(float64(i) * (math.Sqrt(5) - 1) / 2) // of the golden ratio: evenly spread, whatever the number of rows
		by := float64(last-l.Positions[row]) + 1 + math.Floor(part*float64(m.future))
		q := a.queries[i*g*d : (i+1)*g*d]
		copy(q, l.AllQueries[(row*l.QHeads+h*g)*d:])
		for c, f := range l.Rotation.InvFreq {
			sin, cos := math.Sincos(by * float64(f))
			for x, y := l.Rotation.Pair(c); y < len(q); x, y = x+d, y+d {
				qx, qy := float64(q[x]), float64(q[y])
				q[x], q[y] = float32(qx*cos-qy*sin), float32(qx*sin+qy*cos)
			}
		}
	}
	a.read(l.Keys[h], l.Values[h], a.out, a.mass)
	return a
}

// over is the attention of all queries over keys, each of which they see.
func (a *querySample) over(keys, values, mass []float32) *kernel.Attention {
	o := a.Attention
	o.Keys, o.Values, o.LSE, o.First = keys, values, mass, len(keys)/a.HeadDim-1
	return &o
}

// read writes what the queries read and the mass that they meet.
func (a *querySample) read(keys, values, out, mass []float32) {
	width := len(a.queries)
	a.over(keys, values, mass).Rows(out, a.queries, width, width, 1, kernel.NewAttentionScratch())
}

// shift adds to all keys what gives them the mass of the whole.
func (a *querySample) shift(keys []float32, ridge float64) {
	d := a.HeadDim
	mass := make([]float32, a.Group)
	a.read(keys, keys, make([]float32, len(a.out)), mass)
	gram, s := make([]float64, d*d), make([]float64, d)
	for i, kept := range mass {
		q := a.queries[i*d : (i+1)*d]
		missing := float64(a.mass[i]-kept) * float64(a.Scale)
		for c, v := range q {
			s[c] += float64(v) * missing
			for e, w := range q[:c+1] {
				gram[c*d+e] += float64(v*a.Scale) * float64(w*a.Scale)
			}
		}
	}
	trace := 0.0
	for c := range d {
		trace += gram[c*d+c]
	}
	for c := range d {
		gram[c*d+c] += ridge*trace/float64(d) + 1e-9
	}
	solvePositive(gram, s, d)
	for j := 0; j < len(keys); j += d {
		for c, v := range s {
			keys[j+c] += float32(v)
		}
	}
}

// refit changes values so that the queries read from the keys what they read from the whole. It solves the smaller of the two systems that
// have the same solution, of the entries or of the queries: D = (PᵀP + λ)⁻¹PᵀR = Pᵀ(PPᵀ + λ)⁻¹R, R what is missing.
func (a *querySample) refit(keys, values []float32, ridge float64) {
	d, m, n := a.HeadDim, a.Group, len(keys)/a.HeadDim
	p := make([]float32, m*n)
	a.over(keys, nil, nil).WindowProbs(p, a.queries, m*d, 1, kernel.NewAttentionScratch())
	s := kernel.NewScratch()
	rest := make([]float32, m*d)
	product(s, rest, p, transposed(values, n, d), n)
	for i, v := range a.out {
		rest[i] = v - rest[i]
	}
	lambda := float32(ridge * float64(n) / float64(m) * float64(kernel.SumSquares(p)) / float64(m))
	pt, delta := transposed(p, m, n), make([]float32, n*d)
	if n <= m {
		product(s, delta, pt, transposed(rest, m, d), m)
		x := transposed(delta, n, d)
		solveRidge(s, gramOf(s, pt, m), x, n, lambda)
		delta = transposed(x, d, n)
	} else {
		x := transposed(rest, m, d)
		solveRidge(s, gramOf(s, p, n), x, m, lambda)
		product(s, delta, pt, x, m)
	}
	kernel.Add(values, delta)
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
	const block = 32 // squares that stay in the first cache
	for r0 := 0; r0 < rows; r0 += block {
		for c0 := 0; c0 < cols; c0 += block {
			for r := r0; r < min(rows, r0+block); r++ {
				for c := c0; c < min(cols, c0+block); c++ {
					out[c*rows+r] = x[r*cols+c]
				}
			}
		}
	}
	return out
}

// solveRidge solves (m + λ) y = x in place for every row of x [len(x)/n, n]; m [n, n] is symmetric, its lower half given, and becomes its factor.
func solveRidge(s *kernel.Scratch, m, x []float32, n int, lambda float32) {
	for i := range n {
		m[i*n+i] += lambda
	}
	part, panel := make([]float32, matchBlock*n), make([]float32, matchBlock*n)
	for from := 0; from < n; from += matchBlock {
		to := min(n, from+matchBlock)
		for i := from; i < n; i++ {
			row := m[i*n+from : i*n+n]
			for j := from; j < min(i, to); j++ {
				row[j-from] = (row[j-from] - kernel.Dot(row[:j-from], m[j*n+from:j*n+j])) / m[j*n+j]
			}
			if i < to { // what is left of a diagonal is at least λ, but for the rounding of f32
				row[i-from] = float32(math.Sqrt(float64(max(row[i-from]-kernel.SumSquares(row[:i-from]), lambda/2))))
			}
			copy(panel[(i-from)*(to-from):], row[:to-from])
		}
		for rows := to; rows < n; rows += matchBlock { // the rest of the matrix, the lower half
			end, cols := min(n, rows+matchBlock), to-from
			product(s, part[:(end-rows)*(end-to)], panel[(rows-from)*cols:(end-from)*cols], panel[(to-from)*cols:(end-from)*cols], cols)
			for i := rows; i < end; i++ {
				kernel.Axpy(m[i*n+to:i*n+end], -1, part[(i-rows)*(end-to):])
			}
		}
	}
	for i := range n { // all rows of x at each step: the factor is large, and passes once
		for y := x; len(y) > 0; y = y[n:] {
			y[i] = (y[i] - kernel.Dot(y[:i], m[i*n:i*n+i])) / m[i*n+i]
		}
	}
	for i := n - 1; i >= 0; i-- {
		for y := x; len(y) > 0; y = y[n:] {
			y[i] /= m[i*n+i]
			kernel.Axpy(y[:i], -y[i], m[i*n:i*n+i])
		}
	}
}

func init() {
	policy.Register(policy.Method{
		Name:  "match",
		Title: "Attention matching",
		Paper: "after Zweiger et al., Fast KV Compaction via Attention Matching, arXiv 2602.16284: the values by least squares, the mass by a shift of all keys; with query-aware rounding",
		Good:  "what is kept does the work of what is dropped: most at the smallest budgets; nothing is stored beside it, and reading costs nothing more",
		Bad:   "nothing for questions unlike anything in the prompt; a prefill takes a third longer at the smallest budgets, twice as long at large ones",
		Params: []policy.Param{
			{Name: "future", Default: "1024", Min: 1, Max: 1 << 20, Whole: true, Meaning: "positions after the prompt that queries will come from"},
			{Name: "rows", Default: "512", Min: 1, Max: 1 << 16, Whole: true, Meaning: "rows of the prompt whose queries are asked"},
			{Name: "mass", Default: "0.1", Min: 0, Max: 1e6, Meaning: "what a shift of the keys costs; 0: none"},
			{Name: "ridge", Default: "0.1", Min: 0, Max: 1e6, Meaning: "what a change of the values costs; 0: none"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Fit: match{rounding{a.Int("future")}, a.Int("rows"), a.Float("mass"), a.Float("ridge")}}, nil
		},
	})
}
