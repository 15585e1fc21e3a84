package method

import "pith/policy"

// auto picks the composition that lost least on our windows at a budget in bytes (shared by no published method: at equal bytes the gain
// lies in combining them):
//
//	one pass:    a score learnt for the model (gate); without a calibration the union of expected attention and reach, Ada-KV across heads
//	two passes:  KVzip's reconstruction, budgets across the whole model
//
// in 8 bits where there is room for them, below in 4 bits for keys and 4 or 3 for values, which bear it better, with what is kept matched to the
// attention over the whole prompt.
// A share is one of the f16 cache's bytes. Cost: that of the parts.
type auto struct{ passes int }

// The fractions of the f16 cache's bytes at which auto changes the storage.
const (
	autoEverything = 1.0
	autoEightBits  = 0.30 // below, 4 bits; above they would keep nearly everything
	autoThreeBits  = 0.03 // below, 3 bits for values
)

// Recipe implements policy.Adapter.
func (a auto) Recipe(fraction float64, c *policy.Calibration) string {
	store := "q4+match"
	switch {
	case fraction >= autoEverything:
		return "f16"
	case fraction >= autoEightBits:
		store = "q8"
	case fraction < autoThreeBits:
		store = "q4(values=q3)+match"
	}
	score := "union(first=expected,second=reach,weight=1)+adakv"
	switch {
	case a.passes == 2:
		score = "kvzip(recent=32)"
	case gate{signals: true}.Ready(c) == nil:
		score = "gate"
	}
	return score + "+" + store + "+bytes"
}

func init() {
	policy.Register(policy.Method{
		Name:  "auto",
		Title: "Automatic",
		Paper: "our own: the composition that lost least at a budget in bytes",
		Good:  "the least loss for the memory without knowing the literature",
		Bad:   "chosen on small models; a second pass is better for questions that come later, and has to be asked for",
		Params: []policy.Param{
			{Name: "pass", Default: "1", Choices: []string{"1", "2"}, Meaning: "2 allows a reconstruction pass: two to three prefills"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			choice := auto{a.Int("pass")}
			recipe, err := policy.Parse(choice.Recipe(0.1, nil))
			if err != nil {
				return policy.Parts{}, err
			}
			parts := recipe.Parts
			parts.Adapt = choice
			return parts, nil
		},
	})
}
