package method

import (
	"math"

	"pith/kernel"
	"pith/policy"
)

// reach keeps what was looked up from afar: the largest attention that an entry has received from any row more than distance tokens later,
// by any query head of the group.
//
//	s[h,j] = max over group and rows t > j + distance of A[t,j]
//
// Neighbours always look at each other and say little; one strong look from afar shows an entry that is being retrieved. A sum would
// drown it in a thousand weak ones. The newest entries have nobody after them: pin some. Cost: the products of a second pass over the scores,
// QHeads·n²·d operations a layer, half of the attention itself; the sums of exponentials are those of the first pass.
type reach struct {
	pins
	distance int
}

// reachRows is the number of rows that meet a block of keys together; reachTasks how many tasks share the rows of a head.
const (
	reachRows  = 256
	reachTasks = 8
)

// Signals implements policy.Scorer.
func (reach) Signals() policy.Signals { return policy.Signals{Queries: true, Masses: true} }

// Score implements policy.Scorer.
func (r reach) Score(l *policy.Layer) ([][]float32, error) {
	parts := make([][]float32, l.KVHeads*reachTasks)
	l.Do(len(parts), func(i int) { parts[i] = r.part(l, i/reachTasks, i%reachTasks) })
	return eachEntry(l, func(h, j int) float32 {
		best := parts[h*reachTasks][j]
		for _, part := range parts[h*reachTasks+1 : (h+1)*reachTasks] {
			best = max(best, part[j])
		}
		return float32(math.Exp2(min(float64(best), 0)))
	}), nil
}

// part takes every reachTasks-th block of rows of one head; the order does not matter to a maximum. It gives logarithms to base 2.
func (r reach) part(l *policy.Layer, h, part int) []float32 {
	n, d, g := l.Tokens, l.HeadDim, l.Group()
	width := l.QHeads * d
	best := make([]float32, n)
	for j := range best {
		best[j] = float32(math.Inf(-1))
	}
	scratch := kernel.NewAttentionScratch()
	for from := part * reachRows; from < n; from += reachTasks * reachRows {
		rows := min(reachRows, n-from)
		a := kernel.Attention{HeadDim: d, Group: g, Scale: l.Scale, SoftCap: l.SoftCap, Keys: l.Keys[h], First: from, BF16: l.BF16}
		queries := l.AllQueries[from*width+h*g*d:]
		if l.Masses != nil {
			a.LSE = l.Masses[h][from*g:]
		} else {
			a.LSE, a.Values = make([]float32, rows*g), a.Keys
			a.Rows(make([]float32, rows*g*d), queries, g*d, width, rows, scratch)
		}
		a.First -= r.distance + 1 // entries more than distance before the row
		a.TopProbs(best, queries, width, rows, scratch)
	}
	return best
}

func init() {
	policy.Register(policy.Method{
		Name:  "reach",
		Title: "Attention from afar",
		Paper: "our own: the largest attention received from more than a few tokens away; the maximum of KVzip (arXiv 2505.23416) without its second pass",
		Good:  "question-independent; what the text itself refers back to; complements expected attention (union)",
		Bad:   "facts that nothing refers to score low; costs a second pass of attention",
		Params: append([]policy.Param{
			{Name: "distance", Default: "16", Min: 0, Max: 1 << 20, Whole: true, Meaning: "rows this close after an entry do not count"},
		}, pinParams("4", "32")...),
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Score: reach{pinsOf(a), a.Int("distance")}}, nil
		},
	})
}
