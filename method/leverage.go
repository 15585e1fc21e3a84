package method

import (
	"math"
	"math/rand/v2"

	"pith/policy"
)

// leverage keeps the keys that no combination of the others can stand in for: the statistical leverage of the unrotated, centred keys, on
// a Gaussian sketch of their channels (Compactor, arXiv 2507.08143, section 3.1).
//
//	X = (K - mean K)·Φ, Φ [d, sketch] of N(0, 1/sketch);  s[j] = x_jᵀ(XᵀX + εI)⁻¹x_j, z-normalised over the layer
//
// The inverse is a Cholesky factor, the form a triangular solve per entry. A sketch as wide as the head or wider says no more than the
// keys themselves: sketch=0 leaves it away and is exact. Cost: n·(d·sketch + 2·sketch²) operations per KV head.
type leverage struct {
	pins
	sketch int
	seed   uint64
}

// leverageJitter is added to the diagonal, so that fewer entries than channels still have an inverse.
const leverageJitter = 1e-2

// Signals implements policy.Scorer.
func (leverage) Signals() policy.Signals { return policy.Signals{Positions: true} }

// Score implements policy.Scorer.
func (s leverage) Score(l *policy.Layer) ([][]float32, error) {
	scores := make([][]float32, l.KVHeads)
	l.Do(l.KVHeads, func(h int) {
		x, k := s.sketched(l.Unrotated(h), l.HeadDim, rand.New(rand.NewPCG(s.seed, uint64(l.Index)<<32|uint64(h))))
		scores[h] = leverages(x, k)
	})
	standardise(scores)
	return scores, nil
}

// sketched returns the centred rows times the sketch, [n, k], and k.
func (s leverage) sketched(keys []float32, d int, draw *rand.Rand) ([]float64, int) {
	n := len(keys) / d
	mean := make([]float64, d)
	for i, v := range keys {
		mean[i%d] += float64(v)
	}
	centred := make([]float64, len(keys))
	for i, v := range keys {
		centred[i] = float64(v) - mean[i%d]/float64(n)
	}
	if s.sketch == 0 {
		return centred, d
	}
	phi := make([]float64, d*s.sketch)
	for i := range phi {
		phi[i] = draw.NormFloat64() / math.Sqrt(float64(s.sketch))
	}
	x := make([]float64, n*s.sketch)
	for j := range n {
		row := x[j*s.sketch : (j+1)*s.sketch]
		for c, v := range centred[j*d : (j+1)*d] {
			for i, p := range phi[c*s.sketch : (c+1)*s.sketch] {
				row[i] += v * p
			}
		}
	}
	return x, s.sketch
}

// leverages returns x_jᵀ(XᵀX + εI)⁻¹x_j of the rows of X [n, k].
func leverages(x []float64, k int) []float32 {
	gram := make([]float64, k*k) // lower triangle
	for j := 0; j < len(x); j += k {
		row := x[j : j+k]
		for a, v := range row {
			for b, w := range row[:a+1] {
				gram[a*k+b] += v * w
			}
		}
	}
	for a := range k {
		gram[a*k+a] += leverageJitter
	}
	cholesky(gram, k)
	out := make([]float32, len(x)/k)
	y := make([]float64, k)
	for j := range out {
		var sum float64
		for a := range k {
			v := x[j*k+a]
			for b, w := range gram[a*k : a*k+a] {
				v -= w * y[b]
			}
			y[a] = v / gram[a*k+a]
			sum += y[a] * y[a]
		}
		out[j] = float32(sum)
	}
	return out
}

// cholesky turns the lower triangle of a positive definite matrix into its factor L, in place. A pivot that rounding has made
// non-positive counts as the smallest one allowed.
func cholesky(m []float64, k int) {
	for a := range k {
		for b := range a + 1 {
			v := m[a*k+b]
			for i := range b {
				v -= m[a*k+i] * m[b*k+i]
			}
			if a == b {
				m[a*k+a] = math.Sqrt(max(v, 1e-12))
			} else {
				m[a*k+b] = v / m[b*k+b]
			}
		}
	}
}

// leverageParams are the parameters of the leverage score.
func leverageParams() []policy.Param {
	return []policy.Param{
		{Name: "sketch", Default: "48", Min: 0, Max: 1024, Whole: true, Meaning: "channels of the Gaussian sketch; 0: the keys themselves"},
		{Name: "seed", Default: "0", Min: 0, Max: 1 << 52, Whole: true, Meaning: "of the sketch"},
	}
}

func init() {
	policy.Register(policy.Method{
		Name:   "leverage",
		Title:  "Leverage scores",
		Paper:  "Chari and Van Durme, Compactor, arXiv 2507.08143, section 3.1",
		Good:   "question-independent, needs nothing but the keys; finds what is unlike the rest",
		Bad:    "being unusual is not being useful: best blended with attention, as compactor does",
		Params: append(leverageParams(), pinParams("0", "0")...),
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Score: leverage{pinsOf(a), a.Int("sketch"), uint64(a.Int("seed"))}}, nil
		},
	})
}
