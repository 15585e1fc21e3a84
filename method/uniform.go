package method

import "pith/policy"

// uniform gives every head of every layer the same number of entries: what a recipe without an allocation does, under a name for lists that
// compare allocations.
//
//	b[l,h] = B
type uniform struct{}

// Span implements policy.Allocator.
func (uniform) Span() int { return 1 }

// Hold implements policy.Allocator.
func (uniform) Hold(s *policy.Scored) int { return s.Base }

// EvenHeads implements policy.EvenHeads.
func (uniform) EvenHeads() bool { return true }

// Allocate implements policy.Allocator.
func (uniform) Allocate(a *policy.Allocation) [][]int {
	s := a.Scored[0]
	counts := make([]int, len(s.Scores))
	for h := range counts {
		counts[h] = s.Base
	}
	return [][]int{counts}
}

func init() {
	policy.Register(policy.Method{
		Name:  "uniform",
		Title: "Uniform allocation",
		Paper: "the default of SnapKV and most others, over any score",
		Good:  "nothing to calibrate, nothing to get wrong; lanes of equal length waste no pages",
		Bad:   "heads that need much get as little as those that need nothing",
		New: func(policy.Args) (policy.Parts, error) {
			return policy.Parts{Allocate: uniform{}}, nil
		},
	})
}
