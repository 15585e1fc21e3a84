package method

import "pith/policy"

func init() {
	policy.Register(policy.Method{
		Name:  "blockwise",
		Title: "Block-wise eviction",
		Paper: "block prefill as in KeyDiff (arXiv 2504.15364, section 4), over any score that needs only keys, values and a window of queries; the prefill's attention still sees everything",
		Good:  "what a cache that never exceeds its budget would keep; the setting KeyDiff was made for",
		Bad:   "early entries are judged without knowing what follows; a window score sees many questions that nobody asked",
		Params: []policy.Param{
			{Name: "size", Default: "128", Min: 1, Max: 1 << 20, Whole: true, Meaning: "entries of a block"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{When: policy.When{Block: a.Int("size")}}, nil
		},
	})
}
