package method

import (
	"math"

	"pith/policy"
)

// progressive is DynamicKV's allocation (arXiv 2412.14838, section 4): layers hold up to radio_max times the average until it is known
// how the prompt distributes; after every m layers the whole model's budget is split among the layers seen so far by how many of their
// highest scores each holds, and what a layer holds too much is cut. The task decides the shape: code and questions differ.
//
//	base = B - pins;  hold = min(⌊radio_max·base⌋, n - pins)
//	c[l] = members of layer l in the top base·Heads·M of the M layers seen;  b = base·L·c/Σc, clamped to [radio_min·base, held], the
//	excess or deficit of the clamped ones shared by the others, rounded by largest remainder; heads of a layer share b[l]
//
// The engine rule replaces the published one, whose remainders pile up on the last layer and whose layers can grow again after they
// were cut. Cost: one selection over M·Heads·n per update; scores of all layers are kept until the end.
type progressive struct {
	most, least float64
	every       int
}

// Span implements policy.Allocator.
func (p progressive) Span() int { return p.every }

// Hold implements policy.Allocator.
func (p progressive) Hold(s *policy.Scored) int {
	pins := s.Sinks + s.Recent
	return min(int(p.most*float64(s.Base-pins)), s.Tokens-pins) + pins
}

// EvenHeads implements policy.EvenHeads.
func (progressive) EvenHeads() bool { return true }

// Allocate implements policy.Allocator.
func (p progressive) Allocate(a *policy.Allocation) [][]int {
	first := a.Scored[0]
	pins, heads, seen := first.Sinks+first.Recent, len(first.Scores), len(a.Scored)
	base := max(first.Base-pins, 0)
	var all []float32
	layerEnd := make([]int, seen)
	skip := make([]bool, 0)
	for l, s := range a.Scored {
		for _, values := range s.Scores {
			all = append(all, values...)
			for j := range values {
				skip = append(skip, s.IsPinned(j))
			}
		}
		layerEnd[l] = len(all)
	}
	members := make([]float64, seen)
	for _, i := range policy.Largest(all, base*heads*seen, func(i int) bool { return skip[i] }) {
		l := 0
		for int(i) >= layerEnd[l] {
			l++
		}
		members[l]++
	}
	low, high := make([]int, seen), make([]int, seen)
	total, room := base*a.Layers, 0
	for l, s := range a.Scored {
		high[l] = min(s.Held[0], s.Tokens) - pins
		low[l] = min(int(p.least*float64(base)), s.Tokens-pins, high[l])
		room += high[l]
	}
	budgets := waterFill(members, low, high, min(total, room))
	counts := make([][]int, seen)
	for l := range counts {
		counts[l] = make([]int, heads)
		for h := range counts[l] {
			counts[l][h] = budgets[l] + pins
		}
	}
	return counts
}

// waterFill splits total in proportion to weights within bounds: whoever falls outside is fixed at its bound, the larger side first, and
// the rest shares what is left.
func waterFill(weights []float64, low, high []int, total int) []int {
	out := make([]int, len(weights))
	var free []int
	for i := range weights {
		free = append(free, i)
	}
	share := make([]float64, len(weights))
	rest := float64(total)
	for len(free) > 0 {
		var sum float64
		for _, i := range free {
			sum += weights[i]
		}
		var excess, deficit float64
		for _, i := range free {
			share[i] = rest / float64(len(free))
			if sum > 0 {
				share[i] = rest * weights[i] / sum
			}
			excess += math.Max(0, share[i]-float64(high[i]))
			deficit += math.Max(0, float64(low[i])-share[i])
		}
		if excess == 0 && deficit == 0 {
			break
		}
		var still []int
		for _, i := range free {
			switch {
			case excess >= deficit && share[i] > float64(high[i]):
				out[i] = high[i]
				rest -= float64(high[i])
			case excess < deficit && share[i] < float64(low[i]):
				out[i] = low[i]
				rest -= float64(low[i])
			default:
				still = append(still, i)
			}
		}
		free = still
	}
	shares, limit := make([]float64, len(free)), make([]int, len(free))
	for k, i := range free {
		shares[k], limit[k] = share[i], high[i]
	}
	for k, n := range policy.LargestRemainder(shares, int(math.Round(rest)), limit) {
		out[free[k]] = n
	}
	return out
}

func init() {
	policy.Register(policy.Method{
		Name:  "dynamickv",
		Title: "DynamicKV",
		Paper: "Zhou et al., DynamicKV: Task-Aware Adaptive KV Cache Compression for Long Context LLMs, arXiv 2412.14838, section 4",
		Good:  "very small budgets over mixed tasks: layers get what this prompt needs",
		Bad:   "compares raw attention across layers, so diffuse ones lose; holds several layers until they are decided",
		Params: append(windowParams("8", "7"),
			policy.Param{Name: "radio_max", Default: "10", Min: 1, Max: 1000, Meaning: "largest budget of a layer before the update, in averages"},
			policy.Param{Name: "radio_min", Default: "0.1", Min: 0, Max: 1, Meaning: "smallest budget of a layer, in averages"},
			policy.Param{Name: "every", Default: "4", Min: 2, Max: 1000, Whole: true, Meaning: "layers between updates"}),
		New: func(a policy.Args) (policy.Parts, error) {
			score, err := newWindowScore(a)
			if err != nil {
				return policy.Parts{}, err
			}
			return policy.Parts{Score: score, Allocate: progressive{a.Float("radio_max"), a.Float("radio_min"), a.Int("every")}}, nil
		},
	})
}
