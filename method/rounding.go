package method

import (
	"math"

	"pith/kernel"
	"pith/kvcache"
	"pith/policy"
)

// rounding chooses the codes of grouped keys by what they do to scores (see [kernel.KeyRounding]). The queries to come are those of the prompt
// before rotation, turned to positions after it:
//
//	H = mean over p of R_p (Σ + μμᵀ) R_pᵀ, added over the query group
//
// Nothing is stored beside the codes, and reading them costs nothing more. Cost: QHeads·64·d² operations a layer, d² for each stored key.
type rounding struct{ future int }

// roundingPositions is the number of future positions that are averaged over.
const roundingPositions = 64

// Signals implements policy.Fitter.
func (rounding) Signals() policy.Signals { return policy.Signals{Moments: true} }

// Retains implements policy.Fitter.
func (rounding) Retains(_, _, kvHeads, headDim int) int64 { return 4 * int64(kvHeads*headDim*headDim) }

// Works implements policy.Fitter.
func (rounding) Works(_, _, _, _ int) int64 { return 0 }

// Fit implements policy.Fitter.
func (r rounding) Fit(l *policy.Layer) (policy.Fit, error) {
	d := l.HeadDim
	rounders, err := policy.Once(l, r, func() ([]*kernel.KeyRounding, error) { return r.rounders(l), nil })
	return func(h int, keys, _ []float32, st kvcache.Storage) {
		if st.Keys.Grouped() {
			rounders[h].Round(keys, len(keys)/d, kernel.GroupFormat{Bits: st.Keys.Bits(), Group: st.Keys.GroupTokens()})
		}
	}, err
}

func (r rounding) rounders(l *policy.Layer) []*kernel.KeyRounding {
	d, g := l.HeadDim, l.Group()
	moments := l.Moments(min(4, l.Tokens-1))
	rounders := make([]*kernel.KeyRounding, l.KVHeads)
	l.Do(l.KVHeads, func(h int) {
		var sum = make([]float64, d*d)
		for q := h * g; q < (h+1)*g; q++ {
			m := moments[q]
			for i := range d {
				for j := range d {
					sum[i*d+j] += float64(m.Covariance[i*d+j]) + float64(m.Mean[i])*float64(m.Mean[j])
				}
			}
		}
		rounders[h] = kernel.NewKeyRounding(r.turned(l, sum), spread(l.Keys[h], d), d)
	})
	return rounders
}

// turned averages R_p m R_pᵀ over future positions.
func (r rounding) turned(l *policy.Layer, m []float64) []float64 {
	d := l.HeadDim
	out, turn := make([]float64, d*d), make([]float64, d*d)
	first := float64(l.Positions[len(l.Positions)-1]) + 1
	for p := range roundingPositions {
		at := first + float64(p)*float64(r.future)/roundingPositions
		copy(turn, m)
		for i, f := range l.Rotation.InvFreq {
			a, b := l.Rotation.Pair(i)
			sin, cos := math.Sincos(at * float64(f))
			for c := range d { // rows
				x, y := turn[a*d+c], turn[b*d+c]
				turn[a*d+c], turn[b*d+c] = x*cos-y*sin, x*sin+y*cos
			}
			for c := range d { // columns
				x, y := turn[c*d+a], turn[c*d+b]
				turn[c*d+a], turn[c*d+b] = x*cos-y*sin, x*sin+y*cos
			}
		}
		for i, v := range turn {
			out[i] += v / roundingPositions
		}
	}
	return out
}

// spread is the standard deviation of each channel.
func spread(x []float32, d int) []float64 {
	n := len(x) / d
	sum, squares := make([]float64, d), make([]float64, d)
	for i, v := range x {
		sum[i%d] += float64(v)
		squares[i%d] += float64(v) * float64(v)
	}
	for c := range d {
		mean := sum[c] / float64(n)
		squares[c] = math.Sqrt(max(squares[c]/float64(n)-mean*mean, 0))
	}
	return squares
}

func init() {
	policy.Register(policy.Method{
		Name:  "rounding",
		Title: "Query-aware rounding",
		Paper: "our own: GPTQ's error feedback (arXiv 2210.17323) on keys, weighted by the queries to come",
		Good:  "less loss at the same bytes with q4, q3 and q2; nothing is stored beside the codes",
		Bad:   "nothing to do for storage of 8 bits and more",
		Params: []policy.Param{
			{Name: "future", Default: "1024", Min: 1, Max: 1 << 20, Whole: true, Meaning: "positions after the prompt that queries will come from"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Fit: rounding{a.Int("future")}}, nil
		},
	})
}
