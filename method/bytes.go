package method

import "pith/policy"

func init() {
	policy.Register(policy.Method{
		Name:  "bytes",
		Title: "Share of bytes",
		Paper: "our own: --keep counts bytes of the f16 cache; lanes of different length get whole pages (the pool's unit) and fill them",
		Good:  "recipes with different storage compared, and chosen, at the same memory",
		Bad:   "prompts so short that a lane's share is less than a page: it gets one all the same",
		New: func(policy.Args) (policy.Parts, error) {
			return policy.Parts{InBytes: true}, nil
		},
	})
}
