package method

import "pith/policy"

// auto picks the composition that lost least on our windows at a budget in bytes (shared by no published method: at equal bytes the gain
// lies in combining them):
//
//	one pass:    the union of expected attention and reach, Ada-KV across heads, in 8 bits where there is room for them, in 4 below
//	two passes:  KVzip's reconstruction, budgets across the whole model, in 4 bits, in 3 for the smallest budgets
//
// A share is one of the f16 cache's bytes. Cost: that of the parts.
type auto struct{ passes int }

// The fractions of the f16 cache's bytes at which auto changes the storage.
const (
	autoEverything = 1.0
	autoEightBits  = 0.30 // below, 4 bits; above they would keep nearly everything
	autoThreeBits  = 0.025
)

// Recipe implements policy.Adapter.
func (a auto) Recipe(fraction float64) string {
	store := "q4"
	switch {
	case fraction >= autoEverything:
		return "f16"
	case fraction >= autoEightBits:
		store = "q8"
	case fraction < autoThreeBits && a.passes == 2:
		store = "q3"
	}
	if a.passes == 2 {
		return "kvzip+" + store + "+bytes"
	}
	return "union+adakv+" + store + "+bytes"
}

func init() {
	policy.Register(policy.Method{
		Name:  "auto",
		Title: "Automatic",
		Paper: "our own: the composition that lost least at a budget in bytes",
		Good:  "the least loss for the memory without knowing the literature",
		Bad:   "chosen on small models; a second pass is far better for questions that come later, and has to be asked for",
		Params: []policy.Param{
			{Name: "pass", Default: "1", Choices: []string{"1", "2"}, Meaning: "2 allows a reconstruction pass: two to three prefills"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			choice := auto{a.Int("pass")}
			recipe, err := policy.Parse(choice.Recipe(0.1))
			if err != nil {
				return policy.Parts{}, err
			}
			parts := recipe.Parts
			parts.Adapt = choice
			return parts, nil
		},
	})
}
