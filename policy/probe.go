package policy

import "fmt"

// A Prober is a Scorer that needs a second pass: after the whole prompt has been read and held, rows of its own choosing ride through
// the model, see everything that is held, are looked at in each layer and leave nothing behind (KVzip's repetition). Its Score is
// never called.
type Prober interface {
	Scorer
	// Probes returns the passes to make over a prompt.
	Probes(p Prompt) ([]Probe, error)
	// Tap returns what one pass tells about the entries [From, To) of one layer, [KVHeads][To-From].
	Tap(l *ProbeLayer) ([][]float32, error)
}

// A ProbeWatcher is a Prober that wants to see more of its passes than queries and keys.
type ProbeWatcher interface {
	Prober
	// ProbeSignals returns what a pass should show: Hidden and OutputNorms mean something there.
	ProbeSignals() Signals
}

// A ProbeSharer is a Prober whose passes serve others too: those that return the same value.
type ProbeSharer interface {
	Prober
	ProbeKey() any
}

// A Prompt is what is known of the text beside the layers.
type Prompt struct {
	Tokens []int32
	Prefix int     // leading tokens that belong to the frame of a chat (system turn, user header), not to the context
	Suffix []int32 // what ends the user's turn and begins the reply; nil for plain text: a newline
	Encode func(text string) ([]int32, error)
}

// A Probe is one pass: rows at the positions after the prompt, each of which sees the whole prompt and the rows before it.
type Probe struct {
	Tokens   []int32
	From, To int // entries that it scores
}

// A ProbeLayer is one layer of one pass.
type ProbeLayer struct {
	Probe
	Rows                     int // of the pass
	QHeads, KVHeads, HeadDim int
	Scale, SoftCap           float32
	Queries                  []float32          // [Rows][QHeads*HeadDim], rotated
	Keys                     [][]float32        // [KVHeads][n*HeadDim] of the prompt, then [Rows*HeadDim] of the pass, rotated
	Tokens                   int                // n
	Hidden                   []float32          // [Rows][Dim], normed input of the attention block; nil unless asked for
	OutputNorms              func() [][]float32 // [QHeads][To-From], L1 norm of W_O v of the prompt's entries; nil unless asked for
	Parallel                 func(n int, f func(i int))
}

// Prober returns the recipe's second pass, nil where it has none.
func (r *Recipe) Prober() Prober {
	p, _ := r.Score.(Prober)
	return p
}

// ProbeKey tells recipes apart that need passes of their own.
func (r *Recipe) ProbeKey() any {
	if s, ok := r.Score.(ProbeSharer); ok {
		return s.ProbeKey()
	}
	return r.scoreTerm.String()
}

// Probed decides every layer from the scores of a second pass, [layer seen, in order][KVHeads][Tokens].
func (run *Run) Probed(scores [][][]float32) (Plan, error) {
	if len(scores) != len(run.pending) {
		return Plan{}, fmt.Errorf("policy: %s: scores of %d layers, %d were read", run.recipe, len(scores), len(run.pending))
	}
	for i, s := range run.pending {
		s.Scores = scores[i]
	}
	counts := make([][]int, 0, len(run.pending))
	if run.recipe.span() == 1 {
		for _, s := range run.pending {
			counts = append(counts, run.allocate(&Allocation{Scored: []*Scored{s}, Layers: run.layers, Base: run.base})[0])
		}
	} else {
		counts = run.allocate(&Allocation{Scored: run.pending, Layers: run.layers, Base: run.base})
	}
	var plan Plan
	for i, s := range run.pending {
		heads, err := run.selection(s, counts[i])
		if err != nil {
			return Plan{}, err
		}
		plan.Keep = append(plan.Keep, LayerKeep{Layer: s.Layer, Heads: heads, Final: true})
		if run.Observe != nil {
			run.Observe(s)
		}
	}
	run.fitted(&plan)
	return plan, nil
}
