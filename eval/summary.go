package eval

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// A Summary condenses the rows of one case in one task: what a table shows in one line.
type Summary struct {
	Task   string `json:"task"` // TaskSummary
	Of     string `json:"of"`   // the task of the rows
	Set    string `json:"set,omitempty"`
	Mode   string `json:"mode,omitempty"`
	Length int    `json:"length,omitempty"`
	KV     string `json:"kv"`
	Keep   string `json:"keep"`
	Memory string `json:"kv_memory,omitempty"`

	// Score is the task's own figure (ScoreName): the higher, the better, except for perplexity. Its bounds are those of 95% of bootstrap
	// replicates over contexts; questions on one context count as one.
	Samples   int       `json:"samples"` // independent contexts
	ScoreName string    `json:"score_name"`
	Score     Interval  `json:"score"`
	Change    *Interval `json:"change,omitempty"` // of the score against the full cache, paired by sample
	KL        *Interval `json:"kl,omitempty"`
	Frac      *Interval `json:"frac,omitempty"`
	NLL       *Interval `json:"nll,omitempty"`
	DNLL      *Interval `json:"dnll,omitempty"`

	KVBytes         int64     `json:"kv_bytes"` // means over rows
	FullBytes       int64     `json:"full_bytes"`
	FirstToken      float64   `json:"first_token_seconds"`
	Shared          int       `json:"shared"` // most sequences that a pass fed; 1 means that the time is the recipe's own
	TokensPerSecond float64   `json:"tokens_per_second"`
	Peak            *Resident `json:"peak_resident,omitempty"` // largest
	Origin
}

// group is what rows must share to be summarised together.
type group struct {
	task, set, mode    string
	length             int
	kv, keep, memory   string
	digest, arithmetic string
}

func (r *Row) group() group {
	return group{r.Task, r.Set, r.Mode, r.Length, r.KV, r.Keep, r.Memory, r.Digest, r.Arithmetic}
}

// sampleID names the independent sample that a row belongs to, the same for every case.
func (r *Row) sampleID() string {
	k := r.Key
	k.KV, k.Keep, k.Memory, k.Question, k.Origin = "", "", "", nil, Origin{}
	if k.Sample != nil && r.Question != nil {
		k.Input = "" // differs between the questions on one context
	}
	return encode(k)
}

// score is the figure by which rows of a task are judged.
func (r *Row) score() (name string, value float64, ok bool) {
	switch {
	case r.Score != nil:
		return "score", *r.Score, true
	case r.OK != nil:
		if *r.OK {
			return "exact", 1, true
		}
		return "exact", 0, true
	case r.Top1 != nil:
		return "top-1", *r.Top1, true
	case r.NLL != nil:
		return "perplexity", *r.NLL, true
	}
	return "", 0, false
}

// Summarise condenses rows, in the order in which their groups first appear.
func Summarise(rows []Row) []Summary {
	var order []group
	members := map[group][]*Row{}
	for i := range rows {
		g := rows[i].group()
		if members[g] == nil {
			order = append(order, g)
		}
		members[g] = append(members[g], &rows[i])
	}
	var all []Summary
	for _, g := range order {
		full := g
		full.kv, full.keep, full.memory = "full", "", ""
		all = append(all, summarise(members[g], members[full]))
	}
	slices.SortStableFunc(all, func(a, b Summary) int {
		return cmp.Or(strings.Compare(a.Of, b.Of), strings.Compare(a.Set, b.Set), cmp.Compare(a.Length, b.Length), strings.Compare(a.Mode, b.Mode))
	})
	return all
}

func summarise(rows, full []*Row) Summary {
	first := rows[0]
	s := Summary{Task: TaskSummary, Of: first.Task, Set: first.Set, Mode: first.Mode, Length: first.Length, KV: first.KV, Keep: first.Keep, Memory: first.Memory, Origin: first.Origin}
	s.ScoreName, _, _ = first.score()
	scores := perSample(rows, func(r *Row) *float64 {
		if _, v, ok := r.score(); ok {
			return &v
		}
		return nil
	})
	s.Score = Bootstrap(values(scores))
	base := perSample(full, func(r *Row) *float64 {
		if _, v, ok := r.score(); ok {
			return &v
		}
		return nil
	})
	s.Samples = len(perSample(rows, func(*Row) *float64 { return new(float64) }))
	var changes []float64
	at := map[string]float64{}
	for _, v := range base {
		at[v.id] = v.value
	}
	for _, v := range scores {
		if b, ok := at[v.id]; ok {
			changes = append(changes, v.value-b)
		}
	}
	if len(changes) > 0 && first.KV != "full" {
		s.Change = some(Bootstrap(changes))
	}
	if s.ScoreName == "perplexity" {
		s.Score = exponential(s.Score)
	}
	interval := func(of func(r *Row) *float64) *Interval {
		if v := values(perSample(rows, of)); len(v) > 0 {
			return some(Bootstrap(v))
		}
		return nil
	}
	s.KL = interval(func(r *Row) *float64 { return r.KLMean })
	s.Frac = interval(func(r *Row) *float64 { return r.Frac })
	s.NLL = interval(func(r *Row) *float64 { return r.NLL })
	s.DNLL = interval(func(r *Row) *float64 { return r.DNLL })
	n := float64(len(rows))
	var kv, fullBytes float64
	for _, r := range rows {
		kv, fullBytes = kv+float64(r.KVBytes)/n, fullBytes+float64(r.FullBytes)/n
		s.FirstToken += r.FirstToken / n
		s.TokensPerSecond += r.TokensPerSecond / n
		s.Shared = max(s.Shared, r.Shared)
		if r.Peak != nil && (s.Peak == nil || r.Peak.Anonymous+r.Peak.File > s.Peak.Anonymous+s.Peak.File) {
			s.Peak = r.Peak
		}
	}
	s.KVBytes, s.FullBytes = int64(math.Round(kv)), int64(math.Round(fullBytes))
	return s
}

func some(i Interval) *Interval { return &i }

// exponential turns mean negative log-likelihoods into perplexities.
func exponential(i Interval) Interval {
	i.Mean, i.Low, i.High = math.Exp(i.Mean), math.Exp(i.Low), math.Exp(i.High)
	return i
}

// sampleValue is one figure of one independent sample.
type sampleValue struct {
	id    string
	value float64
}

// perSample averages a figure over the rows of each sample; rows without it do not count.
func perSample(rows []*Row, of func(r *Row) *float64) []sampleValue {
	var list []sampleValue
	index, count := map[string]int{}, map[string]float64{}
	for _, r := range rows {
		v := of(r)
		if v == nil {
			continue
		}
		id := r.sampleID()
		i, ok := index[id]
		if !ok {
			i = len(list)
			index[id] = i
			list = append(list, sampleValue{id: id})
		}
		list[i].value += *v
		count[id]++
	}
	for i := range list {
		list[i].value /= count[list[i].id]
	}
	return list
}

func values(list []sampleValue) []float64 {
	v := make([]float64, len(list))
	for i := range list {
		v[i] = list[i].value
	}
	return v
}
