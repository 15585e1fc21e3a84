package method

import (
	"math"

	"pith/kernel"
	"pith/policy"
)

// nonCausal lets every row of a block look at every key of the same block, the later ones too (Compactor, arXiv 2507.08143, section 3.2).
// Without the mask, being old is no advantage and being new no handicap; what draws the eyes of its surroundings stands out.
//
//	c[j] = Σ rows of the block of softmax over the block of q·k/√d, mean over the group
//	s[j] = pool_3(c[j]·‖v_j‖₂), z-normalised over the layer
//
// Queries and keys are rotated. The last block may be short; nothing is padded. The reference code leaves 1/√d out: scale=no does so
// too. Cost: 2·QHeads·n·chunk·d operations a layer, chunk/n of twice the attention; no n x n matrix.
type nonCausal struct {
	pins
	chunk  int
	scaled bool
}

// nonCausalKernel is the width of the average pooling.
const nonCausalKernel = 3

// Signals implements policy.Scorer.
func (nonCausal) Signals() policy.Signals { return policy.Signals{Queries: true} }

// Score implements policy.Scorer.
func (s nonCausal) Score(l *policy.Layer) ([][]float32, error) {
	n, d := l.Tokens, l.HeadDim
	blocks := (n + s.chunk - 1) / s.chunk
	scores := make([][]float32, l.KVHeads)
	for h := range scores {
		scores[h] = make([]float32, n)
	}
	l.Do(l.KVHeads*blocks, func(i int) {
		h, from := i/blocks, i%blocks*s.chunk
		s.block(l, h, from, scores[h][from:min(from+s.chunk, n)])
	})
	l.Do(l.KVHeads, func(h int) {
		for j := range scores[h] {
			scores[h][j] *= float32(length(l.Values[h][j*d : (j+1)*d]))
		}
		pooled := make([]float32, n)
		pool(pooled, scores[h], nonCausalKernel, false)
		scores[h] = pooled
	})
	standardise(scores)
	return scores, nil
}

// nonCausalRows is the number of rows whose probabilities are held at a time.
const nonCausalRows = 32

// block writes the column sums of one block, averaged over the group.
func (s nonCausal) block(l *policy.Layer, h, from int, sums []float32) {
	d, g, n := l.HeadDim, l.Group(), len(sums)
	width := l.QHeads * d
	a := kernel.Attention{HeadDim: d, Group: g, Scale: l.Scale, SoftCap: l.SoftCap, Keys: l.Keys[h][from*d : (from+n)*d], First: n}
	if !s.scaled {
		a.Scale = 1
	}
	scratch := kernel.NewAttentionScratch()
	probs := make([]float32, nonCausalRows*g*n)
	for row := 0; row < n; row += nonCausalRows {
		rows := min(nonCausalRows, n-row)
		a.WindowProbs(probs, l.AllQueries[(from+row)*width+h*g*d:], width, rows, scratch)
		for r := range rows * g {
			kernel.Add(sums, probs[r*n:(r+1)*n])
		}
	}
	kernel.Scale(sums, 1/float32(g))
}

// standardise subtracts the mean over the layer and divides by the standard deviation, so that scores of different kinds can be added.
func standardise(scores [][]float32) {
	var sum, squares, count float64
	for _, head := range scores {
		for _, v := range head {
			sum += float64(v)
			count++
		}
	}
	mean := sum / max(count, 1)
	for _, head := range scores {
		for _, v := range head {
			squares += (float64(v) - mean) * (float64(v) - mean)
		}
	}
	deviation := max(math.Sqrt(squares/max(count-1, 1)), 1e-6)
	for _, head := range scores {
		for j, v := range head {
			head[j] = float32((float64(v) - mean) / deviation)
		}
	}
}

// nonCausalParams are the parameters of the non-causal score.
func nonCausalParams() []policy.Param {
	return []policy.Param{
		{Name: "chunk", Default: "256", Min: 2, Max: 8192, Whole: true, Meaning: "rows and keys of a block that see each other"},
		{Name: "scale", Default: "yes", Choices: []string{"yes", "no"}, Meaning: "whether products are divided by the square root of the head's width"},
	}
}

func init() {
	policy.Register(policy.Method{
		Name:   "noncausal",
		Title:  "Non-causal attention",
		Paper:  "Chari and Van Durme, Compactor: Calibrated Query-Agnostic KV Cache Compression with Approximate Leverage Scores, arXiv 2507.08143, section 3.2",
		Good:   "question-independent; linear in the prompt; old and new entries judged alike",
		Bad:    "sees only its own block: what matters across blocks goes unnoticed",
		Params: append(nonCausalParams(), pinParams("0", "0")...),
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Score: nonCausal{pinsOf(a), a.Int("chunk"), a.Word("scale") == "yes"}}, nil
		},
	})
}
