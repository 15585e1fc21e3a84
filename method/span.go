package method

import (
	"slices"

	"pith/policy"
)

// span gives each head the reach that it uses (after adaptive attention span, arXiv 1905.07799, section 2.2, whose spans are trained). Here
// they are measured on this prompt by its last rows:
//
//	span[h] = smallest s with  mean over rows and group of mass(sinks ∪ newest s) ≥ 1 - ε
//
// A head keeps its sinks and the newest entries of its span, all spans shortened in proportion where the budget is less. The share exempt
// of the budget, and what the spans leave of it, goes to the highest scores outside, equally over heads: a fact that only the score
// remembers survives however short the span is. exempt=0 keeps nothing but the newest.
// Cost: as SnapKV's score.
type span struct {
	sinks, window   int
	epsilon, exempt float64
}

// Signals implements policy.Profiler.
func (p span) Signals() policy.Signals { return policy.Signals{Window: p.window} }

// Profile implements policy.Profiler: the span of each head.
func (p span) Profile(l *policy.Layer) ([]float32, error) {
	profile := make([]float32, l.KVHeads)
	errs := make([]error, l.KVHeads)
	l.Do(l.KVHeads, func(h int) {
		var s int
		s, errs[h] = p.head(l, h)
		profile[h] = float32(s)
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return profile, nil
}

func (p span) head(l *policy.Layer, h int) (int, error) {
	n, g := l.Tokens, l.Group()
	rows := min(p.window, n)
	probs, err := l.WindowProbs(h, rows)
	if err != nil {
		return 0, err
	}
	sinks := 0.0
	byAge := make([]float64, n) // mass of the entry so many rows back
	for r := range rows {
		row := n - rows + r
		for i := range g {
			for j, v := range probs[(r*g+i)*n:][:row+1] {
				if j < p.sinks {
					sinks += float64(v)
				} else {
					byAge[row-j] += float64(v)
				}
			}
		}
	}
	left := p.epsilon * float64(rows*g) // mass that may be out of reach
	s := n
	for s > 1 && left >= byAge[s-1] {
		s--
		left -= byAge[s]
	}
	return s, nil
}

// Span implements policy.Allocator.
func (span) Span() int { return policy.All }

// Hold implements policy.Allocator.
func (span) Hold(s *policy.Scored) int { return s.Tokens }

// Allocate implements policy.Allocator.
func (p span) Allocate(a *policy.Allocation) [][]int {
	heads := flatten(a)
	reach, room, all := make([]int, len(heads)), make([]int, len(heads)), make([]int, len(heads))
	weights, low := make([]float64, len(heads)), make([]int, len(heads))
	total, needed := 0, 0
	for i, f := range heads {
		n := f.scored.Tokens
		reach[i] = min(int(f.profile())+p.sinks, n)
		weights[i], all[i] = float64(reach[i]), i
		total += f.scored.Base
		needed += reach[i]
	}
	counts := waterFill(weights, low, reach, min(needed, total-int(p.exempt*float64(total))))
	left := total
	for i, f := range heads {
		s := f.scored
		if s.Pins == nil {
			s.Pins = slices.Repeat([]policy.Pins{{}}, len(s.Scores))
		}
		sinks := min(p.sinks, counts[i])
		s.Pins[f.head] = policy.Pins{Sinks: sinks, Recent: counts[i] - sinks}
		if p.exempt == 0 {
			s.Pins[f.head].Recent = s.Tokens
		}
		left -= counts[i]
		room[i] = s.Tokens - counts[i]
	}
	level(counts, room, all, left)
	return unflatten(a, counts)
}

func init() {
	policy.Register(policy.Method{
		Name:  "span",
		Title: "Adaptive span",
		Paper: "after Sukhbaatar et al., Adaptive Attention Span in Transformers, arXiv 1905.07799, section 2.2; spans measured on the prompt, not trained; over any score, KeyDiff where none is given",
		Good:  "fluent text: most heads look back only a little",
		Bad:   "facts out of reach live only by the exempted share",
		Params: []policy.Param{
			{Name: "epsilon", Default: "0.01", Min: 0, Max: 1, Meaning: "mass of attention that a span may leave out"},
			{Name: "exempt", Default: "0.25", Min: 0, Max: 1, Meaning: "share of the budget for high scores outside the spans"},
			{Name: "sinks", Default: "4", Min: 0, Max: 1 << 20, Whole: true, Meaning: "first entries that are always kept"},
			{Name: "window", Default: "64", Min: 1, Max: 4096, Whole: true, Meaning: "newest rows on which spans are measured"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			standard, err := policy.Parse("keydiff")
			if err != nil {
				return policy.Parts{}, err
			}
			return policy.Parts{Standard: standard.Score,
				Allocate: span{a.Int("sinks"), a.Int("window"), a.Float("epsilon"), a.Float("exempt")}}, nil
		},
	})
}
