package method

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"pith/kernel"
	"pith/policy"
	"pith/quant"
)

// gate predicts what KVzip's second pass would say from what one pass shows, with weights learnt for the model by calibration:
//
//	s[h,j] = w_h·x_j,  x_j = [normed input of the layer | 1]                                             kvzap (arXiv 2601.07891, linear)
//	x_j    = [the same | log expected attention | log attention from afar | log ‖k_j‖ | log ‖v_j‖]      gate (our own)
//
// The prediction is of log(score + floor). Cost: KVHeads·n·Dim operations a layer; with all inputs the cost of both scores on top.
type gate struct {
	pins
	signals bool // all inputs
}

const (
	gateFloor   = 1e-3
	gateSignals = 4
	gateColumns = gateSignals + 1 // of a head in the normal equations: its signals, then its target
	gateFuture  = 512             // of expected attention
	gateAfar    = 16              // of reach
)

// Signals implements policy.Scorer.
func (g gate) Signals() policy.Signals {
	s := policy.Signals{Hidden: true}
	if g.signals {
		s = s.Union(expected{}.Signals()).Union(reach{}.Signals())
	}
	return s
}

// Ready implements policy.Learner.
func (g gate) Ready(c *policy.Calibration) error {
	if c == nil || g.weights(c) == nil {
		return errors.New("its weights have not been learnt for this model; pith calibrate does that")
	}
	return nil
}

func (g gate) weights(c *policy.Calibration) *policy.Gate {
	if g.signals {
		return c.Gate
	}
	return c.KVzap
}

// Score implements policy.Scorer.
func (g gate) Score(l *policy.Layer) ([][]float32, error) {
	if err := g.Ready(l.Calibration); err != nil {
		return nil, err
	}
	g.pins = pins{} // of no matter here
	scores, err := policy.Once(l, g, func() ([][]float32, error) { return g.predict(l) })
	own := make([][]float32, len(scores))
	for h := range scores {
		own[h] = slices.Clone(scores[h])
	}
	return own, err
}

func (g gate) predict(l *policy.Layer) ([][]float32, error) {
	w := g.weights(l.Calibration)
	n, dim := l.Tokens, len(l.HiddenRows)/l.Tokens
	inputs := dim + 1
	if g.signals {
		inputs += gateSignals
	}
	if l.Ordinal >= len(w.Layers) || w.Inputs != inputs || len(w.Layers[l.Ordinal].Weights) != inputs*l.KVHeads {
		return nil, fmt.Errorf("policy: layer %d: the gate was learnt for %d layers of %d inputs; this one has %d: calibrate again", l.Index, len(w.Layers), w.Inputs, inputs)
	}
	weights := w.Layers[l.Ordinal].Weights
	plain := make([]float32, l.KVHeads*dim)
	for h := range l.KVHeads {
		copy(plain[h*dim:(h+1)*dim], weights[h*inputs:])
	}
	rows := make([]float32, n*l.KVHeads)
	const block = 256
	l.Do((n+block-1)/block, func(i int) {
		from, to := i*block, min(n, (i+1)*block)
		kernel.MatMul(nil, kernel.NewScratch(), rows[from*l.KVHeads:], l.HiddenRows[from*dim:to*dim], to-from, matrixOf(plain, l.KVHeads, dim), kernel.Prefill, true)
	})
	var extra [][]float32
	if g.signals {
		var err error
		if extra, err = gateInputs(l); err != nil {
			return nil, err
		}
	}
	return eachEntry(l, func(h, j int) float32 {
		own := weights[h*inputs+dim : (h+1)*inputs]
		s := rows[j*l.KVHeads+h] + own[0]
		for i, w := range own[1:] {
			s += w * extra[h][j*gateSignals+i]
		}
		return s
	}), nil
}

// gateInputs are the inputs that a linear map of the hidden state cannot make, [KVHeads][Tokens, gateSignals].
func gateInputs(l *policy.Layer) ([][]float32, error) {
	coming, err := expected{pins: pins{sinks: 4}, future: gateFuture, covariance: true, valueNorm: true}.Score(l)
	if err != nil {
		return nil, err
	}
	afar, err := reach{distance: gateAfar}.Score(l)
	if err != nil {
		return nil, err
	}
	d := l.HeadDim
	out := make([][]float32, l.KVHeads)
	l.Do(l.KVHeads, func(h int) {
		out[h] = make([]float32, l.Tokens*gateSignals)
		for j := range l.Tokens {
			x := out[h][j*gateSignals:]
			x[0] = logOf(float64(coming[h][j]) * float64(l.Tokens))
			x[1] = logOf(float64(afar[h][j]) + gateFloor)
			x[2] = logOf(length(l.Keys[h][j*d : (j+1)*d]))
			x[3] = logOf(length(l.Values[h][j*d : (j+1)*d]))
		}
	})
	return out, nil
}

func logOf(x float64) float32 { return float32(math.Log(max(x, 1e-9))) }

// matrixOf views floats as a matrix for products.
func matrixOf(x []float32, rows, cols int) *kernel.Matrix {
	m, err := kernel.NewMatrix(quant.F32, rows, cols, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*rows*cols))
	if err != nil {
		panic(err) // the caller's sizes are wrong
	}
	return m
}

// gateTrainer learns both gates by ridge regression: normal equations over all entries of all texts, solved per head.
type gateTrainer struct {
	layers []*gateSums
	shares []float64 // [grid][layers], added up over texts
	texts  int
	all    [][]float32 // scores of one text, per layer
	gate   *policy.Gate
	kvzap  *policy.Gate
}

// gateSums are the normal equations of one layer. Columns are [hidden | 1], then for each head its signals and its target.
type gateSums struct {
	dim, heads int
	gram       []float64     // [dim+1, dim+1]
	cross      []float64     // [dim+1, heads*(gateSignals+1)]
	own        []float64     // [heads][gateSignals+1, gateSignals+1]
	rest       [2][2]float64 // held out: squared error and variance, of kvzap and gate
}

// gateRidge is added to the diagonal, relative to it.
const gateRidge = 3e-3

var gateKept = []float64{0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.5, 0.7, 0.9}

// Teacher implements policy.Trainer.
func (t *gateTrainer) Teacher() string { return "kvzip" }

// Signals implements policy.Trainer.
func (t *gateTrainer) Signals() policy.Signals { return gate{signals: true}.Signals() }

// Learn implements policy.Trainer.
func (t *gateTrainer) Learn(l *policy.Layer, scores [][]float32, heldOut bool) error {
	n, dim := l.Tokens, len(l.HiddenRows)/l.Tokens
	extra, err := gateInputs(l)
	if err != nil {
		return err
	}
	for len(t.layers) <= l.Ordinal {
		t.layers = append(t.layers, newGateSums(dim, l.KVHeads))
	}
	a := t.layers[l.Ordinal]
	// The sinks and the last rows are pinned whatever a gate says.
	from, to := 4, n-32
	rows := to - from
	x := make([]float32, (dim+1)*rows) // transposed
	for j := range rows {
		for c, v := range l.HiddenRows[(from+j)*dim : (from+j+1)*dim] {
			x[c*rows+j] = v
		}
		x[dim*rows+j] = 1
	}
	z := make([]float32, l.KVHeads*gateColumns*rows)
	for h := range l.KVHeads {
		for j := range rows {
			for i := range gateSignals {
				z[(h*gateColumns+i)*rows+j] = extra[h][(from+j)*gateSignals+i]
			}
			z[(h*gateColumns+gateSignals)*rows+j] = logOf(float64(scores[h][from+j]) + gateFloor)
		}
	}
	if heldOut {
		return t.judge(a, l.Ordinal, x, z, rows)
	}
	if l.Ordinal == 0 {
		t.texts++
		t.all = t.all[:0]
	}
	for h := range l.KVHeads {
		t.all = append(t.all, scores[h][from:to])
	}
	if l.Ordinal == l.Decided-1 {
		t.share(l.KVHeads)
	}
	products(l, a.gram, x, dim+1, x, dim+1, rows)
	products(l, a.cross, x, dim+1, z, l.KVHeads*gateColumns, rows)
	for h := range l.KVHeads {
		products(l, a.own[h*gateColumns*gateColumns:(h+1)*gateColumns*gateColumns], z[h*gateColumns*rows:], gateColumns, z[h*gateColumns*rows:], gateColumns, rows)
	}
	return nil
}

func newGateSums(dim, heads int) *gateSums {
	return &gateSums{dim: dim, heads: heads, gram: make([]float64, (dim+1)*(dim+1)), cross: make([]float64, (dim+1)*heads*gateColumns), own: make([]float64, heads*gateColumns*gateColumns)}
}

// products adds a·bᵀ to sum [ra, rb], a [ra, n], b [rb, n].
func products(l *policy.Layer, sum []float64, a []float32, ra int, b []float32, rb, n int) {
	const block = 64
	m := matrixOf(b, rb, n)
	l.Do((ra+block-1)/block, func(i int) {
		from, to := i*block, min(ra, (i+1)*block)
		out := make([]float32, (to-from)*rb)
		kernel.MatMul(nil, kernel.NewScratch(), out, a[from*n:to*n], to-from, m, kernel.Prefill, true)
		for k, v := range out {
			sum[from*rb+k] += float64(v)
		}
	})
}

// share counts which layers the highest scores of the whole model lie in.
func (t *gateTrainer) share(heads int) {
	layers := len(t.all) / heads
	if t.shares == nil {
		t.shares = make([]float64, len(gateKept)*layers)
	}
	var flat []float32
	for _, s := range t.all {
		flat = append(flat, s...)
	}
	per := len(flat) / layers
	for g, kept := range gateKept {
		for _, i := range policy.Largest(flat, int(kept*float64(len(flat))), func(int) bool { return false }) {
			t.shares[g*layers+int(i)/per] += 1 / float64(per)
		}
	}
}

// solve returns the weights of head h, of the hidden state alone or with the signals.
func (a *gateSums) solve(h int, signals bool) []float32 {
	n := a.dim + 1
	size := n
	if signals {
		size += gateSignals
	}
	m, b := make([]float64, size*size), make([]float64, size)
	for i := range size {
		for j := range i + 1 {
			m[i*size+j] = a.at(h, i, j)
		}
		b[i] = a.at(h, n+gateSignals, i)
	}
	for i := range size {
		m[i*size+i] += gateRidge*m[i*size+i] + 1e-9
	}
	solvePositive(m, b, size)
	out := make([]float32, size)
	for i, v := range b {
		out[i] = float32(v)
	}
	return out
}

// at is an element i >= j of the normal equations of head h.
func (a *gateSums) at(h, i, j int) float64 {
	n := a.dim + 1
	switch {
	case i < n:
		return a.gram[i*n+j]
	case j < n:
		return a.cross[j*a.heads*gateColumns+h*gateColumns+i-n]
	}
	return a.own[h*gateColumns*gateColumns+(i-n)*gateColumns+j-n]
}

// solvePositive solves m x = b in place, m [n, n] symmetric and positive, its lower half given.
func solvePositive(m, b []float64, n int) {
	cholesky(m, n)
	for i := range n {
		for k := range i {
			b[i] -= m[i*n+k] * b[k]
		}
		b[i] /= m[i*n+i]
	}
	for i := n - 1; i >= 0; i-- {
		for k := i + 1; k < n; k++ {
			b[i] -= m[k*n+i] * b[k]
		}
		b[i] /= m[i*n+i]
	}
}

// learnt solves everything once the last text has been learnt.
func (t *gateTrainer) learnt() {
	if t.gate != nil {
		return
	}
	build := func(signals bool) *policy.Gate {
		g := &policy.Gate{Teacher: t.Teacher(), Floor: gateFloor, Layers: make([]policy.GateLayer, len(t.layers))}
		for i, a := range t.layers {
			for h := range a.heads {
				g.Layers[i].Weights = append(g.Layers[i].Weights, a.solve(h, signals)...)
			}
			g.Inputs = len(g.Layers[i].Weights) / a.heads
		}
		return g
	}
	t.kvzap, t.gate = build(false), build(true)
}

// judge predicts a text that was not learnt.
func (t *gateTrainer) judge(a *gateSums, ordinal int, x, z []float32, rows int) error {
	t.learnt()
	n := a.dim + 1
	for h := range a.heads {
		var mean, squares float64
		target := z[(h*gateColumns+gateSignals)*rows:][:rows]
		for _, v := range target {
			mean += float64(v) / float64(rows)
		}
		for _, v := range target {
			squares += (float64(v) - mean) * (float64(v) - mean)
		}
		for which, g := range []*policy.Gate{t.kvzap, t.gate} {
			w := g.Layers[ordinal].Weights[h*g.Inputs : (h+1)*g.Inputs]
			got := make([]float32, rows)
			for i, v := range w {
				if i < n {
					kernel.Axpy(got, v, x[i*rows:(i+1)*rows])
				} else {
					kernel.Axpy(got, v, z[(h*gateColumns+i-n)*rows:][:rows])
				}
			}
			var err float64
			for j, v := range got {
				err += float64(v-target[j]) * float64(v-target[j])
			}
			a.rest[which][0] += err
			a.rest[which][1] += squares
		}
	}
	return nil
}

// Finish implements policy.Trainer.
func (t *gateTrainer) Finish(c *policy.Calibration) error {
	t.learnt()
	for i, a := range t.layers {
		for which, g := range []*policy.Gate{t.kvzap, t.gate} {
			if a.rest[which][1] > 0 {
				g.Layers[i].R2 = 1 - a.rest[which][0]/a.rest[which][1]
			}
		}
	}
	s := &policy.LayerShares{Kept: gateKept}
	for g := range gateKept {
		row := t.shares[g*len(t.layers) : (g+1)*len(t.layers)]
		for i := range row {
			row[i] /= float64(t.texts)
		}
		s.Layers = append(s.Layers, row)
	}
	c.Gate, c.KVzap, c.Shares = t.gate, t.kvzap, s
	return nil
}

// measured gives every layer the share of the model's entries that calibration found there for the budget, and inside a layer follows
// Ada-KV.
type measured struct{ adaKV }

// LayerShares implements policy.LayerSharer: what each layer gets of the whole, adding up to 1; nil without a calibration.
func (measured) LayerShares(c *policy.Calibration, kept float64) []float64 {
	if c == nil || c.Shares == nil {
		return nil
	}
	shares := append([]float64(nil), c.Shares.At(kept)...)
	sum := 0.0
	for _, s := range shares {
		sum += s
	}
	for i := range shares {
		shares[i] /= sum
	}
	return shares
}

func init() {
	policy.RegisterTrainer(func() policy.Trainer { return &gateTrainer{} })
	policy.Register(policy.Method{
		Name:   "kvzap",
		Title:  "KVzap",
		Paper:  "Jegou et al., KVzap, arXiv 2601.07891: a linear map of the hidden state learnt from KVzip's scores",
		Good:   "a second pass's knowledge without the second pass",
		Bad:    "needs a calibration of the model; budgets instead of the paper's threshold",
		Params: pinParams("4", "32"),
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Score: gate{pins: pinsOf(a)}, Allocate: measured{adaKV{alpha: 0.1}}}, nil
		},
	})
	policy.Register(policy.Method{
		Name:   "gate",
		Title:  "Learnt gate",
		Paper:  "our own: KVzap with expected attention, attention from afar and the norms of key and value as further inputs",
		Good:   "the best one-pass score where the model has been calibrated",
		Bad:    "costs a second pass of attention",
		Params: pinParams("4", "32"),
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Score: gate{pinsOf(a), true}, Allocate: measured{adaKV{alpha: 0.1}}}, nil
		},
	})
}
