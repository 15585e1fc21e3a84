package method

import "pith/policy"

// recency scores an entry by its position: the newer, the more it matters. With a few sinks pinned this is StreamingLLM
// (arXiv 2309.17453, section 3.2): the first tokens take up attention that has nowhere else to go, and the newest carry the text.
// Keys stay rotated at their original positions; the paper's rotation by cache slot is not done.
// Cost: none.
type recency struct{ pins }

// Signals implements policy.Scorer.
func (recency) Signals() policy.Signals { return policy.Signals{} }

// Score implements policy.Scorer.
func (recency) Score(l *policy.Layer) ([][]float32, error) {
	scores := make([][]float32, l.KVHeads)
	for h := range scores {
		scores[h] = make([]float32, l.Tokens)
		for j := range scores[h] {
			scores[h][j] = float32(j)
		}
	}
	return scores, nil
}

func init() {
	policy.Register(policy.Method{
		Name:   "streamingllm",
		Title:  "StreamingLLM",
		Paper:  "Xiao et al., Efficient Streaming Language Models with Attention Sinks, arXiv 2309.17453, section 3.2",
		Good:   "endless streams at constant cost; fluent text",
		Bad:    "forgets everything in between: no retrieval outside the newest entries",
		Params: append(pinParams("4", "0"), whenParam()),
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Score: recency{pinsOf(a)}, When: whenOf(a)}, nil
		},
	})
}
