package method

import (
	"pith/kvcache"
	"pith/policy"
)

// sketched looks at a copy of every key in 2 bits, and reads exactly the entries without which the output would move the most: attention there, added over the group,
// times the distance of their value from the mean of 32. It attends to the others by the sketch: their estimated weights, and those means (package kvcache). It is hierarchical attention whose coarse level is read whole and
// whose fine level is single entries; selection by cheap copies of the keys is that of Double Sparsity (arXiv 2408.07092) and SparQ (arXiv 2312.04985, which also
// gives what is not read its mean value). Cost: the sketch, a tenth of the cache's bytes in f16, is read at every step.
type sketched struct {
	dense int // first layers that read everything
}

// Levels implements policy.Reader.
func (sketched) Levels() []int { return nil }

// Dense implements policy.Reader.
func (s sketched) Dense() int { return s.dense }

// Read implements policy.Reader.
func (sketched) Read(r *policy.Reading, q *kvcache.Query) {
	loss, bare := r.Loss() // what has no sketch is read in any case: nothing else stands for it
	r.Slots = policy.Heaviest(r.Slots[:0], loss, max(r.Budget, bare+1), &r.Values)
	q.Slots = r.Slots
}

func init() {
	policy.Register(policy.Method{
		Name:  "sketch",
		Title: "Sketched attention",
		Paper: "our own: keys in 2 bits, turned by a Hadamard matrix (QuaRot, arXiv 2404.00456), choose the entries that are read, as the label cache of Double Sparsity does (arXiv 2408.07092), and stand for the others",
		Good:  "the closest of the reading recipes to the full cache: every entry counts at every step, the share exactly",
		Bad:   "a tenth more memory; steps are slower than those of quest",
		Params: []policy.Param{
			{Name: "dense", Default: "1", Min: 0, Max: 1000, Whole: true, Meaning: "first layers that read everything"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Read: sketched{dense: a.Int("dense")}}, nil
		},
	})
}
