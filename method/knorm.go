package method

import (
	"math"

	"pith/kernel"
	"pith/policy"
)

// keyNorm keeps the entries whose keys are short: s[j] = -‖k_j‖₂ (arXiv 2406.11430). Rotation does not change the norm.
// Cost: O(n·d) per KV head.
type keyNorm struct{ pins }

// Signals implements policy.Scorer.
func (keyNorm) Signals() policy.Signals { return policy.Signals{} }

// Score implements policy.Scorer.
func (keyNorm) Score(l *policy.Layer) ([][]float32, error) {
	return eachEntry(l, func(h, j int) float32 {
		return -float32(math.Sqrt(float64(kernel.SumSquares(l.Keys[h][j*l.HeadDim : (j+1)*l.HeadDim]))))
	}), nil
}

// eachEntry fills [KVHeads][Tokens] by a function of head and entry, heads in parallel.
func eachEntry(l *policy.Layer, f func(h, j int) float32) [][]float32 {
	scores := make([][]float32, l.KVHeads)
	l.Do(l.KVHeads, func(h int) {
		scores[h] = make([]float32, l.Tokens)
		for j := range scores[h] {
			scores[h][j] = f(h, j)
		}
	})
	return scores
}

func init() {
	policy.Register(policy.Method{
		Name:   "knorm",
		Title:  "KNorm",
		Paper:  "Devoto et al., A Simple and Effective L2 Norm-Based Strategy for KV Cache Compression, arXiv 2406.11430",
		Good:   "needs nothing but the keys; question-independent; cheapest of all",
		Bad:    "depends on the model: poor on SmolLM2 and Llama without sinks and a recent window",
		Params: pinParams("0", "0"),
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Score: keyNorm{pinsOf(a)}}, nil
		},
	})
}
