package method

import (
	"math"
	"math/rand/v2"

	"pith/kernel"
	"pith/kvcache"
	"pith/policy"
)

// valueMerge folds the values of dropped entries into the kept entry whose key is most alike; keys stay as they are, since keys at
// different positions are rotated differently and have no mean.
//
//	w = cos(k_e, k_t)·‖v_e‖/(‖v_e‖+‖v_t‖), t the nearest kept key;  v_t ← (v_t + Σ w·v_e)/(1 + Σ w)
//
// Cost: dropped · kept · d operations per KV head.
type valueMerge struct{ most int }

// Signals implements policy.Rest.
func (valueMerge) Signals() policy.Signals { return policy.Signals{} }

// Dispose implements policy.Rest.
func (m valueMerge) Dispose(l *policy.Layer, s *policy.Scored, k *policy.LayerKeep) error {
	k.Merges = make([][]kvcache.Merge, len(k.Heads))
	l.Do(len(k.Heads), func(h int) {
		near := nearest(l, h, k.Heads[h])
		sum := map[int32]float32{}
		count := map[int32]int{}
		var merges []kvcache.Merge
		for _, n := range near {
			if n.cosine <= 0 || count[n.to] == m.most {
				continue
			}
			ve, vt := length(l.Values[h][int(n.from)*l.HeadDim:][:l.HeadDim]), length(l.Values[h][int(n.to)*l.HeadDim:][:l.HeadDim])
			w := float32(float64(n.cosine) * ve / max(ve+vt, 1e-12))
			sum[n.to] += w
			count[n.to]++
			merges = append(merges, kvcache.Merge{From: n.from, To: n.to, Value: w})
		}
		for i := range merges {
			merges[i].Value /= 1 + sum[merges[i].To]
		}
		for _, to := range k.Heads[h] {
			if w, ok := sum[to]; ok {
				merges = append(merges, kvcache.Merge{From: to, To: to, Key: 1, Value: 1 / (1 + w)})
			}
		}
		k.Merges[h] = merges
	})
	return nil
}

// neighbour is a dropped entry and the kept one whose key is nearest by cosine.
type neighbour struct {
	from, to int32
	cosine   float32
}

// nearest finds for each dropped entry of head h its kept neighbour.
func nearest(l *policy.Layer, h int, kept []int32) []neighbour {
	d := l.HeadDim
	unit := make([]float32, l.Tokens*d)
	copy(unit, l.Keys[h])
	for j := range l.Tokens {
		row := unit[j*d : (j+1)*d]
		kernel.Scale(row, float32(1/max(length(row), 1e-12)))
	}
	var out []neighbour
	at := 0
	for j := range int32(l.Tokens) {
		if at < len(kept) && kept[at] == j {
			at++
			continue
		}
		best := neighbour{from: j, to: -1, cosine: -2}
		for _, t := range kept {
			if c := kernel.Dot(unit[int(j)*d:int(j+1)*d], unit[int(t)*d:int(t+1)*d]); c > best.cosine {
				best.to, best.cosine = t, c
			}
		}
		if best.to >= 0 {
			out = append(out, best)
		}
	}
	return out
}

// d2o is D2O's compensation (arXiv 2406.13035, section 3.3): a dropped entry whose nearest kept key is more alike than a threshold is merged
// into its value, weighted by the cosine among all that are; the threshold is the mean similarity of the prompt. The paper merges keys
// too; on rotated keys that only hurts, and here they stay.
type d2o struct{}

// Signals implements policy.Rest.
func (d2o) Signals() policy.Signals { return policy.Signals{} }

// Dispose implements policy.Rest.
func (d2o) Dispose(l *policy.Layer, s *policy.Scored, k *policy.LayerKeep) error {
	k.Merges = make([][]kvcache.Merge, len(k.Heads))
	l.Do(len(k.Heads), func(h int) {
		near := nearest(l, h, k.Heads[h])
		var mean float64
		for _, n := range near {
			mean += float64(n.cosine) / float64(len(near))
		}
		total := map[int32]float64{}
		for _, n := range near {
			if float64(n.cosine) >= mean && n.cosine > 0 {
				total[n.to] += math.Exp(float64(n.cosine))
			}
		}
		var merges []kvcache.Merge
		for _, n := range near {
			if float64(n.cosine) >= mean && n.cosine > 0 {
				merges = append(merges, kvcache.Merge{From: n.from, To: n.to,
					Value: float32(math.Exp(float64(n.cosine)) / (total[n.to] + math.E))})
			}
		}
		for _, to := range k.Heads[h] {
			if w, ok := total[to]; ok {
				merges = append(merges, kvcache.Merge{From: to, To: to, Key: 1, Value: float32(math.E / (w + math.E))})
			}
		}
		k.Merges[h] = merges
	})
	return nil
}

// cam spreads the value of a dropped entry over the next kept ones (CaM, ICML 2024, section 4): with probability p = min(1, s/mean of
// the next m kept scores) a value is divided by m and added to each of them. The draw is seeded. The paper drops one entry a step; where a whole
// prompt is cut at once thousands may lie before the same kept ones, as before H2O's recent half, so an entry takes in no more than most of them.
type cam struct {
	spread, most int
	seed         uint64
}

// Signals implements policy.Rest.
func (cam) Signals() policy.Signals { return policy.Signals{} }

// Dispose implements policy.Rest.
func (c cam) Dispose(l *policy.Layer, s *policy.Scored, k *policy.LayerKeep) error {
	k.Merges = make([][]kvcache.Merge, len(k.Heads))
	for h, kept := range k.Heads {
		draw := rand.New(rand.NewPCG(c.seed, uint64(l.Index)<<32|uint64(h)))
		count := map[int32]int{}
		at := 0
		for j := range int32(s.Tokens) {
			if at < len(kept) && kept[at] == j {
				at++
				continue
			}
			next := kept[at:min(at+c.spread, len(kept))]
			if len(next) == 0 {
				break
			}
			var mean float64
			for _, t := range next {
				mean += float64(s.Scores[h][t]) / float64(len(next))
			}
			p := 1.0
			if mean > 0 {
				p = math.Min(1, math.Max(0, float64(s.Scores[h][j])/mean))
			}
			if draw.Float64() >= p {
				continue
			}
			for _, t := range next {
				if count[t] < c.most {
					count[t]++
					k.Merges[h] = append(k.Merges[h], kvcache.Merge{From: j, To: t, Value: 1 / float32(len(next))})
				}
			}
		}
	}
	return nil
}

func init() {
	policy.Register(policy.Method{
		Name:  "merge",
		Title: "Value merging",
		Paper: "MergingPress of kvpress: values of dropped entries folded into the nearest kept key's, over any score",
		Good:  "mends scores that know nothing of values, key norm above all",
		Bad:   "hurts scores that already choose well at small budgets; quadratic in the prompt",
		Params: []policy.Param{
			{Name: "most", Default: "64", Min: 1, Max: 1 << 20, Whole: true, Meaning: "dropped entries that one kept entry takes in at most"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Rest: valueMerge{a.Int("most")}}, nil
		},
	})
	policy.Register(policy.Method{
		Name:  "d2o",
		Title: "D2O",
		Paper: "Wan et al., D2O: Dynamic Discriminative Operations for Efficient Long-Context Inference, arXiv 2406.13035, section 3; over H2O's sums, values merged, keys not",
		Good:  "fluent continuation at small budgets",
		Bad:   "quadratic in the prompt; costs a second pass of attention",
		Params: []policy.Param{
			{Name: "recent", Default: "0.5", Min: 0, Max: 1, Meaning: "share of the budget that the newest entries get"},
			{Name: "sinks", Default: "4", Min: 0, Max: 1 << 20, Whole: true, Meaning: "first entries that are always kept"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Score: h2o(a.Int("sinks"), a.Float("recent")), Rest: d2o{}}, nil
		},
	})
	policy.Register(policy.Method{
		Name:  "cam",
		Title: "CaM",
		Paper: "Zhang et al., CaM: Cache Merging for Memory-efficient LLMs Inference, ICML 2024, section 4, at the end of the prefill, over any score",
		Good:  "keeps a trace of dropped values near where they stood",
		Bad:   "adds noise where the neighbours have nothing to do with the dropped entry",
		Params: []policy.Param{
			{Name: "spread", Default: "32", Min: 1, Max: 4096, Whole: true, Meaning: "kept entries that share a dropped value"},
			{Name: "most", Default: "4", Min: 1, Max: 1 << 20, Whole: true, Meaning: "dropped entries that one kept entry takes in at most"},
			{Name: "seed", Default: "0", Min: 0, Max: 1 << 52, Whole: true, Meaning: "of the draw"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Rest: cam{a.Int("spread"), a.Int("most"), uint64(a.Int("seed"))}}, nil
		},
	})
}
