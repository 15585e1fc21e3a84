package method

import (
	"fmt"

	"pith/kernel"
	"pith/policy"
)

// kvzip keeps what the model needs to write the context down again (arXiv 2505.23416, section 3). After the prefill the context is cut
// into chunks; each is asked for ("Repeat …"), answered with the chunk itself, teacher-forced against the full cache, and an entry
// counts for the most attention that any of those rows pays to it:
//
//	s[h,j] = max over group and rows of softmax(q·k/√d over [sinks | chunk | own rows])[j]
//
// The budget goes to the highest scores across all layers and heads, without a safeguard unless alpha is given. The first sinks are pinned; the frame of a
// chat before the context scores nothing, as in the reference implementation.
// With plus (KVzip+ of arXiv 2601.07891) an attention counts for what it adds to the row's hidden state, before the maximum is taken:
//
//	s[h,j] = max of A[row,j]·‖W_O v_j‖₁/‖h_row‖₂, h the normed input of the attention block
//
// The published norm of W_O v is the Euclidean one.
// Cost: two to three prefills, with plus a projection of every value on top; the whole cache is held until the end; scratch is linear in
// the chunk.
type kvzip struct {
	chunk, sinks, recent int
	plus                 bool
}

// Repeat instructions and the number of tokens by which a later chunk is announced.
const (
	kvzipFirst    = "\n\nRepeat the previous context exactly."
	kvzipLater    = "\n\nRepeat the part of the previous context exactly, starting with"
	kvzipAnnounce = 8
)

// Signals implements policy.Scorer.
func (kvzip) Signals() policy.Signals { return policy.Signals{} }

// Pinned implements policy.Scorer.
func (k kvzip) Pinned(*policy.Layer) (sinks, recent int) { return k.sinks, k.recent }

// Score implements policy.Scorer; a second pass scores instead.
func (kvzip) Score(*policy.Layer) ([][]float32, error) {
	return nil, fmt.Errorf("policy: kvzip: scored without its second pass")
}

// ProbeKey implements policy.ProbeSharer: what is pinned is no matter of the passes.
func (k kvzip) ProbeKey() any { k.recent = 0; return k }

// ProbeSignals implements policy.ProbeWatcher.
func (k kvzip) ProbeSignals() policy.Signals {
	return policy.Signals{Hidden: k.plus, OutputNorms: k.plus}
}

// Probes implements policy.Prober.
func (k kvzip) Probes(p policy.Prompt) ([]policy.Probe, error) {
	suffix := p.Suffix
	if suffix == nil {
		var err error
		if suffix, err = p.Encode("\n"); err != nil {
			return nil, err
		}
	}
	first, err := p.Encode(kvzipFirst)
	if err != nil {
		return nil, err
	}
	later, err := p.Encode(kvzipLater)
	if err != nil {
		return nil, err
	}
	var probes []policy.Probe
	for from := p.Prefix; from < len(p.Tokens); from += k.chunk {
		to := min(from+k.chunk, len(p.Tokens))
		var rows []int32
		if from == p.Prefix {
			rows = append(rows, first...)
		} else {
			rows = append(append(rows, later...), p.Tokens[from-min(kvzipAnnounce, k.chunk):from]...)
		}
		rows = append(append(rows, suffix...), p.Tokens[from:to]...)
		probes = append(probes, policy.Probe{Tokens: rows, From: from, To: to})
	}
	return probes, nil
}

// kvzipRows is the number of rows whose probabilities are held at a time.
const kvzipRows = 32

// Tap implements policy.Prober.
func (k kvzip) Tap(l *policy.ProbeLayer) ([][]float32, error) {
	d, g := l.HeadDim, l.QHeads/l.KVHeads
	width := l.QHeads * d
	sinks, chunk := min(k.sinks, l.From), l.To-l.From
	scores := make([][]float32, l.KVHeads)
	blocks := (l.Rows + kvzipRows - 1) / kvzipRows
	parts := make([][]float32, l.KVHeads*blocks)
	keys := make([][]float32, l.KVHeads)
	for h := range keys {
		all := l.Keys[h]
		keys[h] = append(append(append([]float32(nil), all[:sinks*d]...), all[l.From*d:l.To*d]...), all[l.Tokens*d:]...)
	}
	var norms [][]float32
	var inverse []float32 // of each row's hidden state
	if k.plus {
		norms, inverse = l.OutputNorms(), make([]float32, l.Rows)
		dim := len(l.Hidden) / l.Rows
		for r := range inverse {
			inverse[r] = float32(1 / max(length(l.Hidden[r*dim:(r+1)*dim]), 1e-12))
		}
	}
	l.Parallel(len(parts), func(i int) {
		h, from := i/blocks, i%blocks*kvzipRows
		rows := min(kvzipRows, l.Rows-from)
		seen := sinks + chunk + from + rows
		a := kernel.Attention{HeadDim: d, Group: g, Scale: l.Scale, SoftCap: l.SoftCap, Keys: keys[h][:seen*d], First: seen - rows}
		probs := make([]float32, rows*g*seen)
		a.WindowProbs(probs, l.Queries[from*width+h*g*d:], width, rows, kernel.NewAttentionScratch())
		best := make([]float32, chunk)
		for r := range rows * g {
			row := probs[r*seen+sinks:][:chunk]
			if k.plus {
				kernel.Mul(row, norms[h*g+r%g])
				kernel.Scale(row, inverse[from+r/g])
			}
			for j, v := range row {
				best[j] = max(best[j], v)
			}
		}
		parts[i] = best
	})
	for h := range scores {
		scores[h] = parts[h*blocks]
		for _, part := range parts[h*blocks+1 : (h+1)*blocks] {
			for j, v := range part {
				scores[h][j] = max(scores[h][j], v)
			}
		}
	}
	return scores, nil
}

func init() {
	policy.Register(policy.Method{
		Name:  "kvzip",
		Title: "KVzip",
		Paper: "Kim et al., KVzip: Query-Agnostic KV Cache Compression with Context Reconstruction, arXiv 2505.23416, section 3; KVzip+: arXiv 2601.07891",
		Good:  "the best there is for questions that come later: a quarter of the cache at almost no loss",
		Bad:   "costs two to three prefills and holds the whole cache meanwhile",
		Params: []policy.Param{
			{Name: "chunk", Default: "2048", Min: 16, Max: 1 << 16, Whole: true, Meaning: "tokens that are repeated in one pass"},
			{Name: "sinks", Default: "4", Min: 0, Max: 1 << 20, Whole: true, Meaning: "first entries that are always kept"},
			{Name: "recent", Default: "0", Min: 0, Max: 1 << 20, Whole: true, Meaning: "newest entries that are always kept: what is written next leans on them, whatever a repetition asks for"},
			{Name: "alpha", Default: "0", Min: 0, Max: 1, Meaning: "share of the average budget that every head keeps for itself"},
			{Name: "plus", Default: "no", Choices: []string{"no", "yes"}, Meaning: "KVzip+: attention counts for what it adds to the row's hidden state"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Score: kvzip{a.Int("chunk"), a.Int("sinks"), a.Int("recent"), a.Word("plus") == "yes"}, Allocate: globally{a.Float("alpha")}}, nil
		},
	})
}
