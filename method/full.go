package method

import "pith/policy"

func init() {
	policy.Register(policy.Method{
		Name:  "full",
		Title: "Full cache",
		Paper: "the uncompressed cache, what every method is measured against",
		Good:  "exact by definition",
		Bad:   "memory and decode time grow with every token",
		New:   func(policy.Args) (policy.Parts, error) { return policy.Parts{}, nil },
	})
}
