package method

import (
	"cmp"
	"math"
	"slices"

	"pith/policy"
)

// duo tells heads that retrieve from heads that stream (DuoAttention, arXiv 2410.10819, section 2): the latter need only sinks and recent
// entries, the former get everything that is left of the budget, whole where it suffices. The paper trains a gate per head; here heads
// are ranked on this very prompt by a proxy that needs no training: with the mean query q̄ and the mean key k̄ before rotation,
//
//	a = softmax over distances δ = 0 … length-1 of q̄ᵀR(-δ)k̄/√d;   profile = Σ_δ a[δ]·(δ+1)/length, mean over the group,
//
// the area under the cumulated attention of the last query: large where position alone does not pull the head to its neighbourhood.
// The lowest heads of the whole model stream, as many as quantile says. A streaming window larger than the budget shrinks to half of it.
// Unlike the paper's, streaming heads still see everything during the prefill. Cost: QHeads·length·d operations a layer.
type duo struct {
	sinks, recent int
	quantile      float64
	length        int
}

// Signals implements policy.Profiler.
func (duo) Signals() policy.Signals { return policy.Signals{Moments: true, Positions: true} }

// Profile implements policy.Profiler.
func (u duo) Profile(l *policy.Layer) ([]float32, error) {
	moments, g, d := l.Moments(0), l.Group(), l.HeadDim
	profile := make([]float32, l.KVHeads)
	l.Do(l.KVHeads, func(h int) {
		mean := make([]float64, d)
		for i, v := range l.Unrotated(h) {
			mean[i%d] += float64(v) / float64(l.Tokens)
		}
		var area float64
		for i := range g {
			area += u.area(l, moments[h*g+i].Mean, mean) / float64(g)
		}
		profile[h] = float32(area)
	})
	return profile, nil
}

// area is the profile of one query head.
func (u duo) area(l *policy.Layer, query []float32, key []float64) float64 {
	r := l.Rotation
	scale := float64(r.Scale)
	if scale == 0 {
		scale = 1
	}
	rotated := make([]bool, l.HeadDim)
	for i := range r.InvFreq {
		a, b := r.Pair(i)
		rotated[a], rotated[b] = true, true
	}
	var still float64 // of the channels that do not turn
	for c, q := range query {
		if !rotated[c] {
			still += float64(q) * key[c]
		}
	}
	z := make([]float64, u.length)
	most := math.Inf(-1)
	for delta := range z {
		sum := still
		for i, f := range r.InvFreq {
			a, b := r.Pair(i)
			sin, cos := math.Sincos(float64(delta) * float64(f))
			qa, qb := float64(query[a])*scale, float64(query[b])*scale
			sum += scale * (qa*(key[a]*cos+key[b]*sin) + qb*(key[b]*cos-key[a]*sin))
		}
		z[delta] = sum * float64(l.Scale)
		if c := float64(l.SoftCap); c > 0 {
			z[delta] = c * math.Tanh(z[delta]/c)
		}
		most = max(most, z[delta])
	}
	var total, area float64
	for delta, v := range z {
		e := math.Exp(v - most)
		total += e
		area += e * float64(delta+1) / float64(u.length)
	}
	return area / total
}

// Span implements policy.Allocator.
func (duo) Span() int { return policy.All }

// Hold implements policy.Allocator.
func (duo) Hold(s *policy.Scored) int { return s.Tokens }

// Allocate implements policy.Allocator.
func (u duo) Allocate(a *policy.Allocation) [][]int {
	heads := flatten(a)
	order := make([]int, len(heads))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(heads[i].profile(), heads[j].profile()) })
	streams := int(u.quantile*float64(len(heads)) + 0.5)
	for rank, i := range order {
		heads[i].streams = rank < streams
	}
	return stream(a, heads, u.sinks, u.recent)
}

// flatHead is one head of a model in an allocation over all layers.
type flatHead struct {
	scored  *policy.Scored
	head    int
	streams bool
}

func (f *flatHead) profile() float32 { return f.scored.Profile[f.head] }

// flatten lists the heads of all layers in order.
func flatten(a *policy.Allocation) []flatHead {
	var heads []flatHead
	for _, s := range a.Scored {
		for h := range s.Scores {
			heads = append(heads, flatHead{scored: s, head: h})
		}
	}
	return heads
}

// stream gives heads that stream their sinks and newest entries, and shares what is left of the budget equally among the others; what
// those cannot take goes to the newest entries of the first.
func stream(a *policy.Allocation, heads []flatHead, sinks, recent int) [][]int {
	counts, room := make([]int, len(heads)), make([]int, len(heads))
	first, then := make([]int, 0, len(heads)), make([]int, 0, len(heads))
	left := 0
	for i, f := range heads {
		s := f.scored
		if s.Pins == nil {
			s.Pins = slices.Repeat([]policy.Pins{{Sinks: s.Sinks, Recent: s.Recent}}, len(s.Scores))
		}
		left += s.Base
		if f.streams {
			own, newest := streamWindow(sinks, recent, s.Base)
			counts[i] = own + newest
			s.Pins[f.head] = policy.Pins{Sinks: own, Recent: s.Tokens}
			then = append(then, i)
		} else {
			first = append(first, i)
		}
		left -= counts[i]
		room[i] = s.Tokens - counts[i]
	}
	left = level(counts, room, first, left)
	level(counts, room, then, left)
	return unflatten(a, counts)
}

// streamWindow shrinks a streaming head's entries to half of a budget that does not hold them.
func streamWindow(sinks, recent, base int) (int, int) {
	if sinks+recent > base {
		half := max(1, base/2)
		sinks = half * sinks / (sinks + recent)
		recent = half - sinks
	}
	return sinks, recent
}

// level adds total to the counts of some heads, as equally as their room allows, and returns what did not fit.
func level(counts, room, heads []int, total int) int {
	limit, weights := make([]int, len(heads)), make([]float64, len(heads))
	all := 0
	for k, i := range heads {
		limit[k], weights[k] = room[i], 1
		all += room[i]
	}
	give := min(total, all)
	for k, n := range waterFill(weights, make([]int, len(heads)), limit, give) {
		counts[heads[k]] += n
		room[heads[k]] -= n
	}
	return total - give
}

// unflatten is the inverse of flatten for counts.
func unflatten(a *policy.Allocation, flat []int) [][]int {
	counts := make([][]int, len(a.Scored))
	for i, s := range a.Scored {
		counts[i], flat = flat[:len(s.Scores)], flat[len(s.Scores):]
	}
	return counts
}

func init() {
	policy.Register(policy.Method{
		Name:  "duo",
		Title: "DuoAttention",
		Paper: "Xiao et al., DuoAttention: Efficient Long-Context LLM Inference with Retrieval and Streaming Heads, arXiv 2410.10819, section 2; heads ranked on the prompt instead of by training; over any score, expected attention where none is given",
		Good:  "half the cache at almost no loss, question-independent: half of the heads only look around themselves",
		Bad:   "below that, heads that retrieve are starved; the proxy is no trained gate",
		Params: []policy.Param{
			{Name: "sinks", Default: "64", Min: 0, Max: 1 << 20, Whole: true, Meaning: "first entries that a streaming head keeps"},
			{Name: "recent", Default: "256", Min: 1, Max: 1 << 20, Whole: true, Meaning: "newest entries that a streaming head keeps"},
			{Name: "quantile", Default: "0.5", Min: 0, Max: 1, Meaning: "share of the model's heads that stream"},
			{Name: "length", Default: "500", Min: 2, Max: 1 << 16, Whole: true, Meaning: "distances over which the proxy looks"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			standard, err := policy.Parse("expected")
			if err != nil {
				return policy.Parts{}, err
			}
			return policy.Parts{Standard: standard.Score,
				Allocate: duo{a.Int("sinks"), a.Int("recent"), a.Float("quantile"), a.Int("length")}}, nil
		},
	})
}
