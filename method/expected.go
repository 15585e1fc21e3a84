package method

import (
	"fmt"
	"math"

	"pith/kernel"
	"pith/kvcache"
	"pith/policy"
)

// expected is Expected Attention (arXiv 2510.00636): the attention that queries of the next positions will pay on average, from the
// mean and covariance of the queries seen, before rotation, and the mean rotation R̄ over the future positions.
//
//	μ' = R̄μ,  Σ' = R̄ΣR̄ᵀ,  z[j] = μ'·k_j/√d + k_jᵀΣ'k_j/(2d),  a = softmax_j(z) per query head, mean over the group
//	s[j] = (a[j] + ε)·‖v_j‖₂;  sinks are pinned and outside the softmax, their queries outside the statistics
//
// Cost: QHeads·n·d² operations a layer, and QHeads·n·d² for the statistics. Question-independent; needs no attention matrix.
type expected struct {
	pins
	future     int
	epsilon    float32
	covariance bool
	valueNorm  bool
}

// Signals implements policy.Scorer.
func (expected) Signals() policy.Signals { return policy.Signals{Moments: true} }

// Score implements policy.Scorer.
func (e expected) Score(l *policy.Layer) ([][]float32, error) {
	if l.Tokens <= e.sinks {
		return eachEntry(l, func(h, j int) float32 { return 0 }), nil
	}
	mean := meanRotation(l, e.future)
	moments := l.Moments(e.sinks)
	g := l.Group()
	attention := make([][]float32, l.QHeads) // [QHeads][Tokens]
	l.Do(l.QHeads, func(q int) { attention[q] = e.head(l, l.Keys[q/g], mean.turn(moments[q])) })
	scores := make([][]float32, l.KVHeads)
	l.Do(l.KVHeads, func(h int) {
		s := make([]float32, l.Tokens)
		for i := range g {
			kernel.Add(s, attention[h*g+i])
		}
		kernel.Scale(s, 1/float32(g))
		if e.valueNorm {
			for j := e.sinks; j < l.Tokens; j++ {
				s[j] = (s[j] + e.epsilon) * float32(length(l.Values[h][j*l.HeadDim:(j+1)*l.HeadDim]))
			}
		}
		scores[h] = s
	})
	return scores, nil
}

// head is the expected attention of one query head over the entries after the sinks.
func (e expected) head(l *policy.Layer, keys []float32, m policy.Moments) []float32 {
	d := l.HeadDim
	z := make([]float32, l.Tokens)
	var spread []float32 // [Tokens - sinks, HeadDim], Σ'k
	if e.covariance {
		spread = make([]float32, (l.Tokens-e.sinks)*d)
		product(kernel.NewScratch(), spread, keys[e.sinks*d:], m.Covariance, d)
	}
	for j := e.sinks; j < l.Tokens; j++ {
		key := keys[j*d : (j+1)*d]
		z[j] = l.Scale * kernel.Dot(m.Mean, key)
		if e.covariance {
			z[j] += kernel.Dot(spread[(j-e.sinks)*d:][:d], key) * l.Scale * l.Scale / 2
		}
	}
	kernel.Softmax(z[e.sinks:])
	return z
}

// A rotationMean is the average of the rotations over a range of positions: pair i is turned by an angle and shortened.
type rotationMean struct {
	policy.Rotation
	cos, sin []float64
}

// meanRotation averages over the future positions after the prompt's last.
func meanRotation(l *policy.Layer, future int) rotationMean {
	r := rotationMean{Rotation: l.Rotation, cos: make([]float64, len(l.Rotation.InvFreq)), sin: make([]float64, len(l.Rotation.InvFreq))}
	scale := float64(r.Scale)
	if scale == 0 {
		scale = 1
	}
	first := l.Positions[len(l.Positions)-1] + 1
	for i, f := range r.InvFreq {
		for p := range future {
			angle := float64(first+kvcache.Position(p)) * float64(f)
			r.cos[i] += scale * math.Cos(angle) / float64(future)
			r.sin[i] += scale * math.Sin(angle) / float64(future)
		}
	}
	return r
}

// turn applies the mean rotation to mean and covariance: R̄μ and R̄ΣR̄ᵀ.
func (r rotationMean) turn(m policy.Moments) policy.Moments {
	d := len(m.Mean)
	out := policy.Moments{Mean: append([]float32(nil), m.Mean...), Covariance: append([]float32(nil), m.Covariance...)}
	r.pairs(out.Mean, 0, 1)
	for c := range d { // rows, then columns
		r.pairs(out.Covariance[c*d:], 0, 1)
	}
	for c := range d {
		r.pairs(out.Covariance, c, d)
	}
	return out
}

// pairs turns the pairs of a vector that starts at offset and steps by stride.
func (r rotationMean) pairs(x []float32, offset, stride int) {
	for i := range r.cos {
		a, b := r.Pair(i)
		xa, xb := float64(x[offset+a*stride]), float64(x[offset+b*stride])
		x[offset+a*stride] = float32(xa*r.cos[i] - xb*r.sin[i])
		x[offset+b*stride] = float32(xa*r.sin[i] + xb*r.cos[i])
	}
}

func init() {
	policy.Register(policy.Method{
		Name:  "expected",
		Title: "Expected Attention",
		Paper: "Devoto et al., Expected Attention: KV Cache Compression by Estimating Attention from Future Queries Distribution, arXiv 2510.00636",
		Good:  "fluent continuation at half the cache; question-independent, one pass",
		Bad:   "needles: facts that nothing has asked for yet score low",
		Params: append([]policy.Param{
			{Name: "future", Default: "512", Min: 1, Max: 1 << 16, Whole: true, Meaning: "positions after the prompt over which queries are averaged"},
			{Name: "epsilon", Default: "0", Min: 0, Max: 1, Meaning: "added to the attention before the value norm; larger favours long values"},
			{Name: "covariance", Default: "yes", Choices: []string{"yes", "no"}, Meaning: "whether the spread of the queries counts"},
			{Name: "norm", Default: "value", Choices: []string{"value", "none"}, Meaning: "what the attention is multiplied by"},
		}, pinParams("4", "0")...),
		New: func(a policy.Args) (policy.Parts, error) {
			p := pinsOf(a)
			if p.sinks > policy.MaxMomentsSkip {
				return policy.Parts{}, fmt.Errorf("sinks=%d; the statistics can leave out at most %d", p.sinks, policy.MaxMomentsSkip)
			}
			return policy.Parts{Score: expected{pins: p, future: a.Int("future"), epsilon: float32(a.Float("epsilon")),
				covariance: a.Word("covariance") == "yes", valueNorm: a.Word("norm") == "value"}}, nil
		},
	})
}
