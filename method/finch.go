package method

import (
	"pith/kernel"
	"pith/policy"
)

// finch is Finch's score (TACL 2024, section 3): the question's rows vote without pooling, and each row's vote is multiplied by the number
// of keys it sees, so that a row that divides its attention among more keys counts as much as the others.
//
//	s[h,j] = mean over group and rows of A[row,j]·visible(row);  the window is pinned
//
// The window is the question: give its length in tokens. Two things of the paper are left out: the delimiter that marks where the
// question begins, and the re-rotation of kept keys to the first B positions; positions stay original here, as for every method.
// Cost: as SnapKV.
type finch struct{ windowScore }

// Score implements policy.Scorer.
func (f *finch) Score(l *policy.Layer) ([][]float32, error) {
	rows, g, n := f.rows(l), l.Group(), l.Tokens
	scores := make([][]float32, l.KVHeads)
	errs := make([]error, l.KVHeads)
	l.Do(l.KVHeads, func(h int) {
		probs, err := l.WindowProbs(h, rows)
		if err != nil {
			errs[h] = err
			return
		}
		s := make([]float32, n)
		for r := range rows {
			visible := float32(n - rows + r + 1)
			for i := range g {
				kernel.AddScaled(s, probs[(r*g+i)*n:][:n], visible/float32(rows*g))
			}
		}
		scores[h] = s
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return scores, nil
}

func init() {
	policy.Register(policy.Method{
		Name:  "finch",
		Title: "Finch",
		Paper: "Corallo and Papotti, FINCH: Prompt-guided Key-Value Cache Compression, TACL 2024, section 3; positions stay original",
		Good:  "the question stands at the end and its length is known",
		Bad:   "strictly question-aware; without pooling, facts of several tokens are torn apart",
		Params: []policy.Param{
			{Name: "window", Default: "64", Min: 1, Max: 4096, Whole: true, Meaning: "tokens of the question at the end of the prompt; they are kept"},
			{Name: "sinks", Default: "0", Min: 0, Max: 1 << 20, Whole: true, Meaning: "first entries that are always kept"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Score: &finch{windowScore{window: a.Int("window"), sinks: a.Int("sinks")}}}, nil
		},
	})
}
