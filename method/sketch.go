package method

import (
	"math"
	"strconv"

	"pith/kvcache"
	"pith/policy"
)

// sketched looks at a copy of every key in 2 bits, reads exactly the units of entries that get the most attention there, added over the group, and attends to the
// others by the sketch: their estimated weights, and the mean value of every 16 (package kvcache). It is hierarchical attention whose coarse level is read whole and
// whose fine level is single entries; selection by cheap copies of the keys is that of Double Sparsity (arXiv 2408.07092) and SparQ (arXiv 2312.04985, which also
// gives what is not read its mean value). Cost: the sketch, an eighth of the cache's bytes in f16, is read at every step.
type sketched struct {
	dense int // first layers that read everything
	unit  int // entries that are read or left together
}

// Levels implements policy.Reader.
func (sketched) Levels() []int { return nil }

// SketchUnit implements policy.Sketcher.
func (s sketched) SketchUnit() int { return s.unit }

// Read implements policy.Reader.
func (s sketched) Read(r *policy.Reading) []kvcache.Span {
	if r.Layer < s.dense || r.Budget >= r.Entries {
		return nil
	}
	mass, slots := r.Glance()
	// Masses are spread over many powers of two; in the order of their bits what divides their range gets far.
	ends, left := 0, r.Budget
	r.Values = r.Values[:0]
	for i, m := range mass {
		if m > float32(r.Group) { // no sketch
			ends++
			left -= slots[i].Hi - slots[i].Lo
		}
		mass[i] = float32(math.Float32bits(m) >> 8)
		r.Values = append(r.Values, mass[i])
	}
	least, ties := policy.KthLargest(r.Values, min(ends+max(1, left/s.unit), len(mass)))
	r.Spans = joinLargest(r.Spans[:0], 0, mass, slots, least, ties)
	return r.Spans
}

func init() {
	policy.Register(policy.Method{
		Name:  "sketch",
		Title: "Sketched attention",
		Paper: "our own: keys in 2 bits (KIVI, arXiv 2402.02750) choose the entries that are read, as the label cache of Double Sparsity does (arXiv 2408.07092), and stand for the others",
		Good:  "the closest of the reading recipes to the full cache: every entry counts at every step, an eighth of them exactly",
		Bad:   "an eighth more memory; steps are slower than those of quest, and with few threads than reading everything",
		Params: []policy.Param{
			{Name: "unit", Default: "1", Choices: []string{"1", "2", "4", "8", "16", "32"}, Meaning: "entries that are read or left together: more are read faster, and fewer of those that matter"},
			{Name: "dense", Default: "2", Min: 0, Max: 1000, Whole: true, Meaning: "first layers that read everything"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			unit, err := strconv.Atoi(a.Word("unit"))
			return policy.Parts{Read: sketched{dense: a.Int("dense"), unit: unit}}, err
		},
	})
}
