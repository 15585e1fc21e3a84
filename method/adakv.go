package method

import (
	"math"

	"pith/policy"
)

// adaKV distributes a layer's budget over its heads by where the layer's highest scores lie (arXiv 2407.11550, section 3): the mass of
// attention that is kept bounds the loss, and heads with spread-out attention need more entries than peaky ones.
//
//	safeguard: every head keeps its own top ⌊α·B⌋ (pins first); the rest of Heads·B goes to the highest scores of the layer
//	paper:     c[h] = members of head h in the layer's top Heads·B;  b[h] = round((1-α)·c[h] + α·B)
//
// The first is the rule of the reference implementation and the default. Cost: one selection over Heads·n.
type adaKV struct {
	alpha float64
	paper bool
}

// Span implements policy.Allocator.
func (adaKV) Span() int { return 1 }

// Hold implements policy.Allocator.
func (adaKV) Hold(s *policy.Scored) int { return s.Tokens }

// Allocate implements policy.Allocator.
func (a adaKV) Allocate(al *policy.Allocation) [][]int {
	s := al.Scored[0]
	if a.paper {
		return [][]int{a.rounded(s)}
	}
	return [][]int{a.safeguarded(s)}
}

func (a adaKV) safeguarded(s *policy.Scored) []int {
	counts := make([]int, len(s.Scores))
	safe := make([]map[int32]bool, len(s.Scores))
	left := s.Base * len(s.Scores)
	for h := range s.Scores {
		least := max(int(a.alpha*float64(s.Base)+1e-9), min(s.Sinks+s.Recent, s.Base))
		safe[h] = map[int32]bool{}
		for _, j := range s.Top(h, least) {
			safe[h][j] = true
		}
		counts[h] = len(safe[h])
		left -= counts[h]
	}
	n := s.Tokens
	for _, i := range policy.Largest(flat(s.Scores), left, func(i int) bool { return safe[i/n][int32(i%n)] }) {
		counts[int(i)/n]++
	}
	return counts
}

func (a adaKV) rounded(s *policy.Scored) []int {
	n, heads := s.Tokens, len(s.Scores)
	pins := min(s.Sinks+s.Recent, s.Base)
	free := (s.Base - pins) * heads
	shares, limit := make([]float64, heads), make([]int, heads)
	members := make([]int, heads)
	for _, i := range policy.Largest(flat(s.Scores), free, func(i int) bool { return s.IsPinned(i % n) }) {
		members[int(i)/n]++
	}
	for h := range shares {
		shares[h] = (1-a.alpha)*float64(members[h]) + a.alpha*float64(s.Base-pins)
		limit[h] = n - pins
	}
	counts := policy.LargestRemainder(shares, free, limit)
	for h := range counts {
		counts[h] += pins
	}
	return counts
}

// flat puts the heads one after the other.
func flat(scores [][]float32) []float32 {
	out := make([]float32, 0, len(scores)*len(scores[0]))
	for _, s := range scores {
		out = append(out, s...)
	}
	return out
}

// globally distributes the whole model's budget over layers and heads by the highest scores anywhere, with an optional safeguard.
type globally struct{ alpha float64 }

// Span implements policy.Allocator.
func (globally) Span() int { return policy.All }

// Hold implements policy.Allocator.
func (globally) Hold(s *policy.Scored) int { return s.Tokens }

// Allocate implements policy.Allocator.
func (g globally) Allocate(al *policy.Allocation) [][]int {
	heads, left := 0, 0
	var all []float32
	var owner []int32 // layer·heads + head of each value
	var skip []bool
	counts := make([][]int, len(al.Scored))
	for i, s := range al.Scored {
		heads = len(s.Scores)
		counts[i] = make([]int, heads)
		left += s.Base * heads
		for h, values := range s.Scores {
			all = append(all, values...)
			least := max(int(g.alpha*float64(s.Base)+1e-9), min(s.Sinks+s.Recent, s.Base))
			counts[i][h] = least
			left -= least
			safe := make([]bool, s.Tokens)
			for _, j := range s.Top(h, least) {
				safe[j] = true
			}
			skip = append(skip, safe...)
			for range values {
				owner = append(owner, int32(i*heads+h))
			}
		}
	}
	for _, at := range policy.Largest(all, left, func(i int) bool { return skip[i] }) {
		counts[int(owner[at])/heads][int(owner[at])%heads]++
	}
	return counts
}

func init() {
	alpha := func(standard string) policy.Param {
		return policy.Param{Name: "alpha", Default: standard, Min: 0, Max: 1, Meaning: "share of the average budget that every head keeps for itself"}
	}
	policy.Register(policy.Method{
		Name:  "adakv",
		Title: "Ada-KV",
		Paper: "Feng et al., Ada-KV: Optimizing KV Cache Eviction by Adaptive Budget Allocation, arXiv 2407.11550, section 3",
		Good:  "better retrieval at the same bytes: heads get what they need",
		Bad:   "scores of different heads must be comparable; ragged lanes cost a page each",
		Params: []policy.Param{alpha("0.2"),
			{Name: "rule", Default: "safeguard", Choices: []string{"safeguard", "paper"}, Meaning: "how counts are made of the layer's highest scores"}},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Allocate: adaKV{a.Float("alpha"), a.Word("rule") == "paper"}}, nil
		},
	})
	policy.Register(policy.Method{
		Name:   "global",
		Title:  "Global allocation",
		Paper:  "the allocation of KVzip (arXiv 2505.23416, section 3) over any score: highest scores across layers and heads",
		Good:   "the smallest loss where scores mean the same everywhere (attention that was really paid)",
		Bad:    "diffuse layers lose everything unless a safeguard is given; all layers wait until the last",
		Params: []policy.Param{alpha("0")},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Allocate: globally{a.Float("alpha")}}, nil
		},
	})
}

// infinite marks entries that a refined score keeps for certain.
const infinite = math.MaxFloat32
