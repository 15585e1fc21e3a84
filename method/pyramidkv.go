package method

import "pith/policy"

// pyramid gives lower layers more and higher layers less, linearly (PyramidKV, arXiv 2406.02069, section 3.2): deep layers gather what
// they need into few entries.
//
//	min = B/β,  max = 2B - min;  if max > n - W: max = n - W, min = 2B - max;  b[l] = max - l·(max-min)/(L-1)
//
// Budgets are rounded so that they sum to B·L exactly. Where the smallest would fall under the window, every layer gets B: the rule of
// the reference implementation.
type pyramid struct{ beta float64 }

// Span implements policy.Allocator.
func (pyramid) Span() int { return 1 }

// Hold implements policy.Allocator.
func (pyramid) Hold(s *policy.Scored) int { return s.Tokens }

// EvenHeads implements policy.EvenHeads.
func (pyramid) EvenHeads() bool { return true }

// Allocate implements policy.Allocator.
func (p pyramid) Allocate(a *policy.Allocation) [][]int {
	s := a.Scored[0]
	counts := make([]int, len(s.Scores))
	for h := range counts {
		counts[h] = p.budgets(s, a.Layers)[s.Ordinal]
	}
	return [][]int{counts}
}

// budgets returns the entries per head of every layer.
func (p pyramid) budgets(s *policy.Scored, layers int) []int {
	base, n, window := float64(s.Base), float64(s.Prompt), float64(s.Recent)
	least := base / p.beta
	most := 2*base - least
	if most >= n-window {
		most = n - window
		least = 2*base - most
	}
	shares, limit := make([]float64, layers), make([]int, layers)
	for l := range shares {
		shares[l], limit[l] = base, s.Prompt
		if most >= least && least >= window && layers > 1 {
			shares[l] = most - float64(l)*(most-least)/float64(layers-1)
		}
	}
	return policy.LargestRemainder(shares, s.Base*layers, limit)
}

func init() {
	beta := policy.Param{Name: "beta", Default: "20", Min: 1, Max: 1000, Meaning: "steepness: the last layer gets 1/beta of the average"}
	policy.Register(policy.Method{
		Name:   "pyramid",
		Title:  "Pyramid allocation",
		Paper:  "Cai et al., PyramidKV, arXiv 2406.02069, section 3.2, over any score",
		Good:   "very small budgets on models whose deep layers attend to little",
		Bad:    "a fixed shape: wrong where deep layers need more",
		Params: []policy.Param{beta},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Allocate: pyramid{a.Float("beta")}}, nil
		},
	})
	policy.Register(policy.Method{
		Name:   "pyramidkv",
		Title:  "PyramidKV",
		Paper:  "Cai et al., PyramidKV: Dynamic KV Cache Compression based on Pyramidal Information Funneling, arXiv 2406.02069, section 3.2",
		Good:   "classification and in-context examples at under 2% of the cache",
		Bad:    "retrieval: deep layers keep little more than the window",
		Params: append(windowParams("8", "7"), beta),
		New: func(a policy.Args) (policy.Parts, error) {
			score, err := newWindowScore(a)
			return policy.Parts{Score: score, Allocate: pyramid{a.Float("beta")}}, err
		},
	})
}
