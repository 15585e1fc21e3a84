package method

import (
	"cmp"
	"math"
	"slices"

	"pith/policy"
)

// lagKV compares each partition of keys and values with the next one (arXiv 2504.04704, section 3): after the sinks, the prompt is cut
// into partitions of lag entries; channels are scaled by the range of the partition that follows, and an entry whose scaled channels
// vary most stands out.
//
//	x̄ = (x - min')/(max' - min') per channel, min' and max' over the next partition
//	u = softmax over the partition of std(x̄ over channels), for keys and for values;  s = rank of their mean, divided by lag
//
// Ranks give every partition the same quota. The last whole partition and the remainder have nothing after them and are pinned.
// Cost: O(n·d) per KV head; no attention, streams naturally.
type lagKV struct{ sinks, lag int }

// Signals implements policy.Scorer.
func (lagKV) Signals() policy.Signals { return policy.Signals{} }

// Pinned implements policy.Scorer.
func (k lagKV) Pinned(l *policy.Layer) (sinks, recent int) {
	if l.Tokens < k.sinks+2*k.lag {
		return k.sinks, 0
	}
	return k.sinks, k.lag + (l.Tokens-k.sinks)%k.lag
}

// Score implements policy.Scorer. A prompt shorter than two partitions is scored by recency.
func (k lagKV) Score(l *policy.Layer) ([][]float32, error) {
	if l.Tokens < k.sinks+2*k.lag {
		return recency{}.Score(l)
	}
	scores := make([][]float32, l.KVHeads)
	l.Do(l.KVHeads, func(h int) {
		scores[h] = make([]float32, l.Tokens)
		for j := range scores[h] {
			scores[h][j] = 1
		}
		_, recent := k.Pinned(l)
		for from := k.sinks; from < l.Tokens-recent; from += k.lag {
			u, v := k.standOut(l.Keys[h], from, l.HeadDim), k.standOut(l.Values[h], from, l.HeadDim)
			order := make([]int, k.lag)
			for i := range order {
				order[i] = i
				u[i] = (u[i] + v[i]) / 2
			}
			slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(u[a], u[b]) })
			for rank, i := range order {
				scores[h][from+i] = float32(rank) / float32(k.lag)
			}
		}
	})
	return scores, nil
}

// standOut is u for one partition of keys or values.
func (k lagKV) standOut(x []float32, from, d int) []float32 {
	low, high := make([]float32, d), make([]float32, d)
	copy(low, x[(from+k.lag)*d:])
	copy(high, x[(from+k.lag)*d:])
	for t := 1; t < k.lag; t++ {
		for c, v := range x[(from+k.lag+t)*d:][:d] {
			low[c], high[c] = min(low[c], v), max(high[c], v)
		}
	}
	u := make([]float32, k.lag)
	for t := range u {
		var sum, squares float64
		row := x[(from+t)*d:][:d]
		for c, v := range row {
			scaled := 0.0
			if span := high[c] - low[c]; span > 0 { // a channel that does not vary tells nothing
				scaled = float64((v - low[c]) / span)
			}
			sum += scaled
			squares += scaled * scaled
		}
		n := float64(d)
		u[t] = float32(math.Sqrt(max(0, (squares-sum*sum/n)/max(n-1, 1))))
	}
	softmax64(u)
	return u
}

// softmax64 is a softmax accumulated in float64.
func softmax64(x []float32) {
	m := slices.Max(x)
	var sum float64
	for i, v := range x {
		e := math.Exp(float64(v - m))
		x[i] = float32(e)
		sum += e
	}
	for i := range x {
		x[i] = float32(float64(x[i]) / sum)
	}
}

func init() {
	policy.Register(policy.Method{
		Name:  "lagkv",
		Title: "LagKV",
		Paper: "Liang et al., LagKV: Lag-Relative Information of the KV Cache Tells Which Tokens Are Important, arXiv 2504.04704, section 3",
		Good:  "question-independent retrieval without attention; equal quota all along the text",
		Bad:   "equal quota also where nothing matters; a no-op under two partitions",
		Params: []policy.Param{
			{Name: "sinks", Default: "4", Min: 0, Max: 1 << 20, Whole: true, Meaning: "first entries that are always kept"},
			{Name: "lag", Default: "128", Min: 2, Max: 1 << 16, Whole: true, Meaning: "entries of a partition"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Score: lagKV{a.Int("sinks"), a.Int("lag")}}, nil
		},
	})
}
