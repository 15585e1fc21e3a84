package method

import (
	"math/rand/v2"

	"pith/policy"
)

// random is the baseline that every method must beat: a seeded draw for each layer, head and entry.
type random struct {
	pins
	seed uint64
}

// Signals implements policy.Scorer.
func (random) Signals() policy.Signals { return policy.Signals{} }

// Score implements policy.Scorer.
func (r random) Score(l *policy.Layer) ([][]float32, error) {
	scores := make([][]float32, l.KVHeads)
	for h := range scores {
		draw := rand.New(rand.NewPCG(r.seed, uint64(l.Index)<<32|uint64(h)))
		scores[h] = make([]float32, l.Tokens)
		for j := range scores[h] {
			scores[h][j] = draw.Float32()
		}
	}
	return scores, nil
}

func init() {
	policy.Register(policy.Method{
		Name:  "random",
		Title: "Random",
		Paper: "baseline",
		Good:  "tells what a budget is worth without any method",
		Bad:   "everything",
		Params: append([]policy.Param{
			{Name: "seed", Default: "0", Min: 0, Max: 1 << 52, Whole: true, Meaning: "of the draw"},
		}, pinParams("0", "0")...),
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Score: random{pinsOf(a), uint64(a.Int("seed"))}}, nil
		},
	})
}
