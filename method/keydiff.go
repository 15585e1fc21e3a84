package method

import (
	"math"

	"pith/kernel"
	"pith/policy"
)

// keyDiff keeps the keys that differ most from the average direction: s[j] = -cos(k_j, mean of unit keys), over the whole prompt at
// once (arXiv 2504.15364, section 3).
// Cost: O(n·d) per KV head.
type keyDiff struct{ pins }

// Signals implements policy.Scorer.
func (keyDiff) Signals() policy.Signals { return policy.Signals{} }

// Score implements policy.Scorer.
func (keyDiff) Score(l *policy.Layer) ([][]float32, error) {
	d := l.HeadDim
	anchors := make([][]float32, l.KVHeads)
	l.Do(l.KVHeads, func(h int) {
		sum := make([]float64, d)
		for j := range l.Tokens {
			key := l.Keys[h][j*d : (j+1)*d]
			norm := max(length(key), 1e-12)
			for c, v := range key {
				sum[c] += float64(v) / norm
			}
		}
		anchors[h] = make([]float32, d)
		for c, v := range sum {
			anchors[h][c] = float32(v / float64(l.Tokens))
		}
	})
	return eachEntry(l, func(h, j int) float32 {
		key := l.Keys[h][j*d : (j+1)*d]
		norms := max(length(key), 1e-8) * max(length(anchors[h]), 1e-8)
		return -float32(float64(kernel.Dot(key, anchors[h])) / norms)
	}), nil
}

// length is the Euclidean norm.
func length(x []float32) float64 { return math.Sqrt(float64(kernel.SumSquares(x))) }

func init() {
	policy.Register(policy.Method{
		Name:   "keydiff",
		Title:  "KeyDiff",
		Paper:  "Park et al., KeyDiff: Key Similarity-Based KV Cache Eviction, arXiv 2504.15364, section 3",
		Good:   "question-independent, no attention needed; strong on Llama",
		Bad:    "weak on Qwen, Gemma and fluent text",
		Params: pinParams("0", "0"),
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Score: keyDiff{pinsOf(a)}}, nil
		},
	})
}
