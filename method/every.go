package method

import "pith/policy"

// whenParam lets a method act after every generated token as well.
func whenParam() policy.Param {
	return policy.Param{Name: "when", Default: "prefill", Choices: []string{"prefill", "decode"},
		Meaning: "prefill: once, after the prefill of each layer; decode: after every generated token too"}
}

func whenOf(a policy.Args) policy.When {
	if a.Word("when") == "decode" {
		return policy.When{Steps: 1}
	}
	return policy.When{}
}

func init() {
	policy.Register(policy.Method{
		Name:  "every",
		Title: "Eviction every n steps",
		Paper: "decode-time eviction as in H2O (arXiv 2306.14048) and TOVA (arXiv 2401.06104), over any score that needs no statistics of the prompt",
		Good:  "constant memory however much is generated",
		Bad:   "what was generated competes with the prompt for one budget",
		Params: []policy.Param{
			{Name: "steps", Default: "64", Min: 1, Max: 1 << 20, Whole: true, Meaning: "generated tokens between two decisions"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{When: policy.When{Steps: a.Int("steps")}}, nil
		},
	})
}
