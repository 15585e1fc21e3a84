package method

import (
	"math"

	"pith/kernel"
	"pith/policy"
)

// relevance keeps everything until the pool, or the sequence's cap, runs short (paging by relevance). The relevance of an entry is the
// attention that it receives, a moving average in which every row counts decay times as much as the next:
//
//	r[h,j] = Σ_rows decay^age · Σ_group softmax(q·k/√d)[j]
//
// It begins with the newest rows of the prompt and goes on with every decode step. Every row has the same attention to give in every head, so
// relevance means the same in all layers and sequences. Cost: that of SnapKV's score, and a side column of 4 bytes an entry.
type relevance struct {
	pins
	decay         float64
	window, block int
}

// Signals implements policy.Scorer.
func (r relevance) Signals() policy.Signals { return policy.Signals{Window: r.window} }

// Decay implements policy.Yielder.
func (r relevance) Decay() float32 { return float32(r.decay) }

// Block implements policy.Yielder.
func (r relevance) Block() int { return r.block }

// Score implements policy.Scorer.
func (r relevance) Score(l *policy.Layer) ([][]float32, error) {
	rows, g, n := min(r.window, l.Tokens), l.Group(), l.Tokens
	scores, errs := make([][]float32, l.KVHeads), make([]error, l.KVHeads)
	l.Do(l.KVHeads, func(h int) {
		var probs []float32
		if probs, errs[h] = l.WindowProbs(h, rows); errs[h] != nil {
			return
		}
		scores[h] = make([]float32, n)
		for row := range rows {
			weight := float32(math.Pow(r.decay, float64(rows-1-row)))
			for i := range g {
				kernel.AddScaled(scores[h], probs[(row*g+i)*n:][:n], weight)
			}
		}
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
		Name:  "relevance",
		Title: "Allocation by relevance",
		Paper: "our own: a paged cache (arXiv 2309.06180, section 4) whose least relevant blocks go first, by a moving average of H2O's attention sums (arXiv 2306.14048)",
		Good:  "nothing is dropped before memory runs short; more sequences share a bounded pool than would fit",
		Bad:   "what a sequence gives up depends on its neighbours: replies under pressure are not reproducible",
		Params: append(pinParams("4", "64"), []policy.Param{
			{Name: "decay", Default: "0.98", Min: 0, Max: 1, Meaning: "how much a row's attention counts beside that of the next row"},
			{Name: "window", Default: "128", Min: 1, Max: 4096, Whole: true, Meaning: "newest rows of the prompt whose attention is the first relevance"},
			{Name: "block", Default: "16", Min: 1, Max: 4096, Whole: true, Meaning: "entries that are judged and taken together"},
		}...),
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Yield: relevance{pinsOf(a), a.Float("decay"), a.Int("window"), a.Int("block")}}, nil
		},
	})
}
