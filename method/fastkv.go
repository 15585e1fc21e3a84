package method

import "pith/policy"

func init() {
	policy.Register(policy.Method{
		Name:   "fastkv",
		Title:  "FastKV",
		Paper:  "Jo et al., FastKV: KV Cache Compression for Fast Long-Context Processing with Token-Selective Propagation, arXiv 2502.01068, section 4",
		Good:   "first token of long prompts nearly twice as soon, and a small cache",
		Bad:    "questions that come after compression; hard key-value look-ups may need a deeper layer",
		Params: append(windowParams("8", "7"), propagationParams()...),
		// Per-head retention by the summed window score (the reference adds over rows and over the group), propagation over the same score.
		New: func(a policy.Args) (policy.Parts, error) {
			score, err := newWindowScore(a)
			if err != nil {
				return policy.Parts{}, err
			}
			score.sum = !score.maxGroup
			return policy.Parts{Score: score, Propagate: newPropagation(a)}, nil
		},
	})
}
