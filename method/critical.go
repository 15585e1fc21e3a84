package method

import (
	"pith/kernel"
	"pith/policy"
)

// critical is CriticalKV's second look (arXiv 2502.03805, section 4): half of each head's budget goes to the highest scores, the other
// half to the highest products of score and the size of what the value adds to the output.
//
//	first ⌊first·B⌋ by s (pins among them);  the rest by (s + ε)·mean over the group of ‖W_O v_j‖₁
//
// Cost: QHeads·n·d·Dim operations a layer, by far the dearest of the wrappers.
type critical struct {
	epsilon float32
	first   float64
}

// Signals implements policy.Refiner.
func (critical) Signals() policy.Signals { return policy.Signals{OutputNorms: true} }

// Refine implements policy.Refiner.
func (c critical) Refine(l *policy.Layer, s *policy.Scored, counts []int) error {
	norms := l.OutputNorms()
	g := l.Group()
	for h, values := range s.Scores {
		certain := policy.Largest(values, int(c.first*float64(counts[h]))-min(s.Sinks+s.Recent, counts[h]), s.IsPinned)
		mean := make([]float32, l.Tokens)
		for i := range g {
			kernel.Add(mean, norms[h*g+i])
		}
		for j := range values {
			values[j] = (values[j] + c.epsilon) * mean[j] / float32(g)
		}
		for _, j := range certain {
			values[j] = infinite
		}
	}
	return nil
}

func init() {
	policy.Register(policy.Method{
		Name:  "critical",
		Title: "CriticalKV",
		Paper: "Feng et al., Identify Critical KV Cache in LLM Inference from an Output Perturbation Perspective, arXiv 2502.03805, section 4",
		Good:  "smaller change of the output at the same budget, over any attention score",
		Bad:   "costs a projection of every value; not over scores that already contain a value norm",
		Params: []policy.Param{
			{Name: "epsilon", Default: "0.0001", Min: 0, Max: 1, Meaning: "added to the score before the product"},
			{Name: "first", Default: "0.5", Min: 0, Max: 1, Meaning: "share of the budget that the plain score decides"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Refine: critical{float32(a.Float("epsilon")), a.Float("first")}}, nil
		},
	})
}
