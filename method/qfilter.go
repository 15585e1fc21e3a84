package method

import (
	"math"

	"pith/kernel"
	"pith/policy"
)

// qFilter keeps the keys that lie along the direction which the queries of a head have in common (Q-Filters, arXiv 2503.02812, section 3):
// queries are far from isotropic, and what a key has along their dominant direction tells on average how much attention it draws.
//
//	u = first right singular vector of the matrix of queries before rotation, turned so that u·μ ≥ 0;  f = mean of u over the group
//	s[j] = k_j·f, keys before rotation too
//
// The paper computes u once per model from calibration texts; this is the form without calibration: from the second moments of this very
// prompt, Σ + μμᵀ, by power iteration. Cost: QHeads·n·d² operations for the moments, d² per iteration and head.
type qFilter struct{ pins }

// Signals implements policy.Scorer.
func (qFilter) Signals() policy.Signals { return policy.Signals{Moments: true, Positions: true} }

// Score implements policy.Scorer.
func (qFilter) Score(l *policy.Layer) ([][]float32, error) {
	moments, g, d := l.Moments(0), l.Group(), l.HeadDim
	scores := make([][]float32, l.KVHeads)
	l.Do(l.KVHeads, func(h int) {
		filter := make([]float32, d)
		for i := range g {
			for c, v := range dominant(moments[h*g+i]) {
				filter[c] += float32(v / float64(g))
			}
		}
		keys := l.Unrotated(h)
		scores[h] = make([]float32, l.Tokens)
		for j := range scores[h] {
			scores[h][j] = kernel.Dot(filter, keys[j*d:(j+1)*d])
		}
	})
	return scores, nil
}

// qFilterSteps bounds the power iteration. Each step shrinks the error by the ratio of the second to the first eigenvalue, a fifth or
// less where a head has a dominant direction at all.
const qFilterSteps = 200

// dominant returns the unit eigenvector of Σ + μμᵀ with the largest eigenvalue, on the side of μ.
func dominant(m policy.Moments) []float64 {
	d := len(m.Mean)
	u, next := make([]float64, d), make([]float64, d)
	for c, v := range m.Mean {
		u[c] = float64(v) + 1e-6 // a mean of zero must not be a fixed point
	}
	normalise(u)
	for range qFilterSteps {
		var along float64
		for c, v := range m.Mean {
			along += float64(v) * u[c]
		}
		var change float64
		for a := range next {
			sum := float64(m.Mean[a]) * along
			for b, v := range m.Covariance[a*d : (a+1)*d] {
				sum += float64(v) * u[b]
			}
			next[a] = sum
		}
		normalise(next)
		for c := range u {
			change = max(change, math.Abs(next[c]-u[c]))
		}
		u, next = next, u
		if change < 1e-9 {
			break
		}
	}
	var side float64
	for c, v := range m.Mean {
		side += float64(v) * u[c]
	}
	if side < 0 {
		for c := range u {
			u[c] = -u[c]
		}
	}
	return u
}

// normalise scales a vector to length 1; a zero vector stays.
func normalise(x []float64) {
	var sum float64
	for _, v := range x {
		sum += v * v
	}
	if sum == 0 {
		return
	}
	for c := range x {
		x[c] /= math.Sqrt(sum)
	}
}

func init() {
	policy.Register(policy.Method{
		Name:   "qfilter",
		Title:  "Q-Filters",
		Paper:  "Godey et al., Q-Filters: Leveraging QK Geometry for Efficient KV Cache Compression, arXiv 2503.02812, section 3; directions from this prompt instead of calibration",
		Good:   "one product per key; question-independent; better than key norm at the same cost",
		Bad:    "one direction is little: far below expected attention, which takes mean and covariance",
		Params: pinParams("0", "0"),
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Score: qFilter{pinsOf(a)}}, nil
		},
	})
}
