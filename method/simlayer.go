package method

import "pith/policy"

// simLayer finds lazy layers (SimLayerKV, arXiv 2410.13846, section 3): where the last row's attention to the first and the newest entries,
// averaged over all query heads, exceeds tau, the layer streams. The others keep everything, as far as the budget goes:
//
//	mass = mean over query heads of Σ_{j < sinks or j ≥ n-recent} A[n-1,j];  lazy: mass > τ
//
// Published budgets emerge; here the budget is what is asked for, lazy layers give up their part of it and the others choose by score.
// A window larger than the budget shrinks to half of it, and laziness is judged by the window that would really be kept.
// Cost: one row of attention a layer.
type simLayer struct {
	sinks, recent int
	tau           float64
}

// Signals implements policy.Profiler.
func (simLayer) Signals() policy.Signals { return policy.Signals{Window: 1} }

// Profile implements policy.Profiler: the same mass for every head of the layer.
func (m simLayer) Profile(l *policy.Layer) ([]float32, error) {
	sinks, recent := streamWindow(m.sinks, m.recent, l.Base)
	var mass float64
	for h := range l.KVHeads {
		probs, err := l.WindowProbs(h, 1)
		if err != nil {
			return nil, err
		}
		for i, p := range probs {
			if j := i % l.Tokens; j < sinks || j >= l.Tokens-recent {
				mass += float64(p) / float64(l.QHeads)
			}
		}
	}
	profile := make([]float32, l.KVHeads)
	for h := range profile {
		profile[h] = float32(mass)
	}
	return profile, nil
}

// Span implements policy.Allocator.
func (simLayer) Span() int { return policy.All }

// Hold implements policy.Allocator.
func (simLayer) Hold(s *policy.Scored) int { return s.Tokens }

// Allocate implements policy.Allocator.
func (m simLayer) Allocate(a *policy.Allocation) [][]int {
	heads := flatten(a)
	for i := range heads {
		heads[i].streams = float64(heads[i].profile()) > m.tau
	}
	return stream(a, heads, m.sinks, m.recent)
}

func init() {
	policy.Register(policy.Method{
		Name:  "simlayer",
		Title: "SimLayerKV",
		Paper: "Zhang et al., SimLayerKV: A Simple Framework for Layer-Level KV Cache Reduction, arXiv 2410.13846, section 3; within a budget, over any score, SnapKV where none is given",
		Good:  "one row of attention tells which layers need no memory; combines with storage in few bits",
		Bad:   "whole layers are too coarse for small budgets; tau depends on the model",
		Params: []policy.Param{
			{Name: "tau", Default: "0.9", Min: 0, Max: 1, Meaning: "mass on first and newest entries above which a layer is lazy"},
			{Name: "sinks", Default: "4", Min: 0, Max: 1 << 20, Whole: true, Meaning: "first entries that a lazy layer keeps"},
			{Name: "recent", Default: "1024", Min: 1, Max: 1 << 20, Whole: true, Meaning: "newest entries that a lazy layer keeps"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			standard, err := policy.Parse("snapkv")
			if err != nil {
				return policy.Parts{}, err
			}
			return policy.Parts{Standard: standard.Score, Allocate: simLayer{a.Int("sinks"), a.Int("recent"), a.Float("tau")}}, nil
		},
	})
}
