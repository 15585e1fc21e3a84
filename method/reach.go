package method

import (
	"pith/kernel"
	"pith/policy"
)

// reach keeps what was looked up from afar: the largest attention that an entry has received from any row more than distance tokens later,
// by any query head of the group.
//
//	s[h,j] = max over group and rows t > j + distance of A[t,j]
//
// Neighbours always look at each other and say little; one strong look from afar shows an entry that is being retrieved. A sum would
// drown it in a thousand weak ones. The newest entries have nobody after them: pin some. Cost: a second pass over the scores,
// 2·QHeads·n²·d operations a layer, as much as the attention itself; no n x n matrix.
type reach struct {
	pins
	distance int
}

// reachRows is the number of rows whose probabilities are held at a time; reachTasks how many tasks share the rows of a head.
const (
	reachRows  = 32
	reachTasks = 8
)

// Signals implements policy.Scorer.
func (reach) Signals() policy.Signals { return policy.Signals{Queries: true} }

// Score implements policy.Scorer.
func (r reach) Score(l *policy.Layer) ([][]float32, error) {
	parts := make([][]float32, l.KVHeads*reachTasks)
	l.Do(len(parts), func(i int) { parts[i] = r.part(l, i/reachTasks, i%reachTasks) })
	scores := make([][]float32, l.KVHeads)
	for h := range scores {
		scores[h] = parts[h*reachTasks]
		for _, part := range parts[h*reachTasks+1 : (h+1)*reachTasks] {
			for j, v := range part {
				scores[h][j] = max(scores[h][j], v)
			}
		}
	}
	return scores, nil
}

// part takes every reachTasks-th block of rows of one head; the order does not matter to a maximum.
func (r reach) part(l *policy.Layer, h, part int) []float32 {
	n, d, g := l.Tokens, l.HeadDim, l.Group()
	width := l.QHeads * d
	best := make([]float32, n)
	scratch := kernel.NewAttentionScratch()
	var probs []float32
	for from := part * reachRows; from < n; from += reachTasks * reachRows {
		rows := min(reachRows, n-from)
		seen := from + rows
		if len(probs) < rows*g*seen {
			probs = make([]float32, rows*g*seen)
		}
		a := kernel.Attention{HeadDim: d, Group: g, Scale: l.Scale, SoftCap: l.SoftCap, Keys: l.Keys[h][:seen*d], First: from}
		a.WindowProbs(probs, l.AllQueries[from*width+h*g*d:], width, rows, scratch)
		for row := range rows * g {
			far := max(0, from+row/g-r.distance) // entries more than distance before the row
			for j, v := range probs[row*seen:][:far] {
				best[j] = max(best[j], v)
			}
		}
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
