package method

import "pith/policy"

// tova keeps what the last row looks at: s[j] = its attention averaged over all query heads, one set for the whole layer (arXiv
// 2401.06104, section 4). The newest entry is pinned; the paper may drop it.
// Cost: one row of attention a layer.
type tova struct{ pins }

// Signals implements policy.Scorer.
func (tova) Signals() policy.Signals { return policy.Signals{Window: 1} }

// Pinned implements policy.Scorer.
func (t tova) Pinned(*policy.Layer) (sinks, recent int) { return t.sinks, max(t.recent, 1) }

// Score implements policy.Scorer.
func (tova) Score(l *policy.Layer) ([][]float32, error) {
	mean := make([]float32, l.Tokens)
	for h := range l.KVHeads {
		probs, err := l.WindowProbs(h, 1)
		if err != nil {
			return nil, err
		}
		for i, p := range probs {
			mean[i%l.Tokens] += p / float32(l.QHeads)
		}
	}
	scores := make([][]float32, l.KVHeads)
	for h := range scores {
		scores[h] = append([]float32(nil), mean...)
	}
	return scores, nil
}

func init() {
	policy.Register(policy.Method{
		Name:   "tova",
		Title:  "TOVA",
		Paper:  "Oren et al., Transformers are Multi-State RNNs, arXiv 2401.06104, section 4",
		Good:   "one row of attention decides; good when the last token asks",
		Bad:    "one set for all heads; blind to what the next question needs",
		Params: append(pinParams("0", "1"), whenParam()),
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Score: tova{pinsOf(a)}, When: whenOf(a)}, nil
		},
	})
}
