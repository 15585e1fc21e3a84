package method

import (
	"slices"

	"pith/kernel"
	"pith/policy"
)

// think prunes key channels that the last queries hardly use (ThinK, arXiv 2407.21018, section 3). A channel matters as much as query and
// key vary in it together:
//
//	score[c] = mean over the group of ( mean_rows q_c² ) × mean_tokens k_c²;   the lowest ⌊λ·d⌋ channels of each KV head go
//
// Stored keys are shorter by these channels; the query is gathered to match once a step. Values are untouched, so λ saves λ/2.
// Cost: (W + n)·d per head.
type think struct {
	lambda float64
	window int
}

// Signals implements policy.Thinner.
func (t think) Signals() policy.Signals { return policy.Signals{Window: t.window} }

// Channels implements policy.Thinner.
func (t think) Channels(l *policy.Layer) ([][]uint16, error) {
	d, g := l.HeadDim, l.Group()
	width := l.QHeads * d
	rows := len(l.LastQueries) / width
	channels := make([][]uint16, l.KVHeads)
	for h := range channels {
		queries, keys := make([]float32, d), make([]float32, d)
		for r := max(0, rows-t.window); r < rows; r++ {
			for c := range g * d {
				q := l.LastQueries[r*width+h*g*d+c]
				queries[c%d] += q * q
			}
		}
		for j := range l.Tokens {
			for c, k := range l.Keys[h][j*d : (j+1)*d] {
				keys[c] += k * k
			}
		}
		kernel.Mul(queries, keys)
		for _, c := range policy.Largest(queries, d-int(t.lambda*float64(d)), nil) {
			channels[h] = append(channels[h], uint16(c))
		}
		slices.Sort(channels[h])
	}
	return channels, nil
}

func init() {
	policy.Register(policy.Method{
		Name:  "think",
		Title: "ThinK",
		Paper: "Xu et al., ThinK: Thinner Key Cache by Query-Driven Pruning, arXiv 2407.21018, section 3; channels of all prompt tokens",
		Good:  "a fifth of the bytes on top of any other method",
		Bad:   "saves half of lambda at most; falls off a cliff above 0.5",
		Params: []policy.Param{
			{Name: "lambda", Default: "0.4", Min: 0, Max: 0.95, Meaning: "share of the key channels that go"},
			{Name: "window", Default: "32", Min: 1, Max: 4096, Whole: true, Meaning: "newest rows whose queries judge the channels"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Thin: think{a.Float("lambda"), a.Int("window")}}, nil
		},
	})
}
