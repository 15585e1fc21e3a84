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
// Cost: for M = Group·rows queries 2·M·n·d + M·B·min(M, B)/2 + min(M, B)³/6 a head, less where few entries are heavy (see ridge): then the steps of
// conjugate gradients, two or three as a rule, are 2·M·B·d each; M·(2·d+1) floats a head until the layer is decided.
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

// Works implements policy.Fitter: the least squares of values.
func (m match) Works(tokens, qHeads, kvHeads, headDim int) int64 {
	if m.ridge == 0 {
		return 0
	}
	return ridgeBytes(min(m.rows, tokens)*qHeads/kvHeads, tokens, headDim)
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
		missing := float64(a.mass[i]-kept) * float64(a.Scale)
		for c, v := range a.queries[i*d : (i+1)*d] {
			s[c] += float64(v) * missing
		}
	}
	for i, v := range gramOf(kernel.NewScratch(), transposed(a.queries, a.Group, d), a.Group) {
		gram[i] = float64(v) * float64(a.Scale) * float64(a.Scale)
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

// refit changes values so that the queries read from the keys what they read from the whole.
func (a *querySample) refit(keys, values []float32, ridged float64) {
	d, m, n := a.HeadDim, a.Group, len(keys)/a.HeadDim
	r := &ridge{s: kernel.NewScratch(), p: make([]float32, m*n), m: m, n: n}
	a.over(keys, nil, nil).WindowProbs(r.p, a.queries, m*d, 1, kernel.NewAttentionScratch())
	rest := make([]float32, m*d)
	product(r.s, rest, r.p, transposed(values, n, d), n)
	for i, v := range a.out {
		rest[i] = v - rest[i]
	}
	r.pt = transposed(r.p, m, n)
	r.lambda = float32(ridged * float64(n) / float64(m) * float64(kernel.SumSquares(r.p)) / float64(m))
	kernel.Add(values, r.solve(transposed(rest, m, d)))
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
