package method

import (
	"pith/kernel"
	"pith/policy"
)

// observed scores an entry by the attention that it has received from every row so far, streamed as column sums: never an n x n
// matrix.
//
//	h2o:      s[j] = Σ_rows φ^age A[row,j], mean over the group, pooled along positions; the newest entries are pinned (arXiv 2306.14048,
//	          section 4; the forgetting factor φ, 1 there, is A2SF's, arXiv 2407.20485, section 3)
//	observed: s[j] with φ = 1 divided by the number of rows that see j, which takes away the advantage of being old
//
// Cost: a second pass over the scores, 2·QHeads·n²·d operations a layer, as much as the attention itself.
type observed struct {
	sinks, recent int
	share         float64 // of the budget that is pinned as newest
	normalise     bool
	forget        float64 // a row counts so much beside the next
	kernel        int     // width of the pooling
}

// h2o is the score of the paper: nothing is forgotten or pooled.
func h2o(sinks int, recent float64) observed {
	return observed{sinks: sinks, share: recent, forget: 1, kernel: 1}
}

// Signals implements policy.Scorer.
func (observed) Signals() policy.Signals { return policy.Signals{ColumnSums: true} }

// Forget implements policy.Forgetter.
func (o observed) Forget() float64 { return o.forget }

// Pinned implements policy.Scorer.
func (o observed) Pinned(l *policy.Layer) (sinks, recent int) {
	return o.sinks, max(o.recent, int(o.share*float64(l.Base)))
}

// Score implements policy.Scorer.
func (o observed) Score(l *policy.Layer) ([][]float32, error) {
	g := l.Group()
	scores := make([][]float32, l.KVHeads)
	sums := l.ColumnSums(o.forget)
	l.Do(l.KVHeads, func(h int) {
		s := make([]float32, len(sums[h]))
		pool(s, sums[h], o.kernel, false)
		kernel.Scale(s, 1/float32(g))
		if o.normalise {
			for j := range s {
				s[j] /= float32(l.Tokens - j)
			}
		}
		scores[h] = s
	})
	return scores, nil
}

func init() {
	policy.Register(policy.Method{
		Name:  "h2o",
		Title: "H2O",
		Paper: "Zhang et al., H2O: Heavy-Hitter Oracle for Efficient Generative Inference, arXiv 2306.14048, section 4",
		Good:  "fluent continuation; heavy hitters and recency together",
		Bad:   "sums favour old entries, and a question's few rows do not count among all: forget=0.95,kernel=21 finds what it asks for; costs a second pass of attention",
		Params: []policy.Param{
			{Name: "recent", Default: "0.5", Min: 0, Max: 1, Meaning: "share of the budget that the newest entries get"},
			{Name: "sinks", Default: "0", Min: 0, Max: 1 << 20, Whole: true, Meaning: "first entries that are always kept"},
			{Name: "forget", Default: "1", Min: 0.01, Max: 1, Meaning: "how much a row's attention counts beside that of the next row (A2SF)"},
			kernelParam("1"),
			whenParam(),
		},
		New: func(a policy.Args) (policy.Parts, error) {
			o := h2o(a.Int("sinks"), a.Float("recent"))
			var err error
			o.forget = a.Float("forget")
			o.kernel, err = kernelOf(a)
			return policy.Parts{Score: o, When: whenOf(a)}, err
		},
	})
	policy.Register(policy.Method{
		Name:   "observed",
		Title:  "Observed attention",
		Paper:  "accumulated attention of H2O (arXiv 2306.14048), divided by the number of rows that see the entry",
		Good:   "fluent continuation at small budgets",
		Bad:    "the newest entries have few observers; costs a second pass of attention",
		Params: pinParams("0", "0"),
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Score: observed{sinks: a.Int("sinks"), recent: a.Int("recent"), normalise: true, forget: 1, kernel: 1}}, nil
		},
	})
}
