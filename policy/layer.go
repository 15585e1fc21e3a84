package policy

import (
	"fmt"

	"pith/kernel"
	"pith/kvcache"
)

// Layer is what one layer of one prefill shows to the parts of a recipe. Slices are borrowed until the call returns, read only.
// Signals that nobody asked for are nil.
type Layer struct {
	Index   int // the model's layer
	Layers  int // of the model
	Decided int // layers that the recipe decides; fewer than Layers where some have a window of their own
	Ordinal int // of this one among them
	Tokens  int // rows that reached it
	Prompt  int // tokens of the prompt
	Base    int // entries per head that the budget allows

	QHeads, KVHeads, HeadDim int
	Scale, SoftCap           float32 // of the attention scores
	BF16                     bool    // whether attention rounded what it multiplied to bf16, where it could
	Positions                []kvcache.Position
	Calibration              *Calibration // what calibration has measured of the model; nil: nothing
	Rotation                 Rotation

	Keys, Values [][]float32 // [KVHeads][Tokens*HeadDim], keys rotated: as attention sees them
	Low          [][]bool    // [KVHeads][Tokens] what lies in fewer bits already: it is not ranked again; nil: nothing does

	LastQueries []float32                  // [Signals.Window or fewer][QHeads*HeadDim], rotated, of the newest rows
	AllQueries  []float32                  // [Tokens][QHeads*HeadDim], rotated
	Masses      [][]float32                // [KVHeads][Tokens, Group], log-sum-exp of the scores; nil also where rows saw more than Keys
	Moments     func(skip int) []Moments   // [QHeads], over all rows but the first skip (at most 64)
	ColumnSums  ColumnSums                 // attention received; nil: not known
	OutputNorms func() [][]float32         // [QHeads][Tokens], L1 norm of W_O v of that query head
	HiddenRows  []float32                  // [Tokens][Dim]
	ProbeScores [][]float32                // [KVHeads][Tokens], what a second pass left (see Prober)
	Parallel    func(n int, f func(i int)) // runs f(0..n-1) on the engine's threads; nil runs them here

	made map[any]any // by Once
}

// ColumnSums returns the attention that every entry received from all rows, [KVHeads][Tokens], added over the group, to be read only. A row counts
// forget times as much as the next, 1 as much. While tokens are generated sums have been made with the recipe's own Forget.
type ColumnSums func(forget float64) [][]float32

// Once returns what make returns, which is made only once for a layer however many recipes look at it. Key says what it is: a value of a type
// that belongs to the caller. Neither the layer's budget nor anything that a recipe changes later may be in it.
func Once[T any](l *Layer, key any, make func() (T, error)) (T, error) {
	if v, ok := l.made[key]; ok {
		return v.(T), nil
	}
	v, err := make()
	if err == nil {
		if l.made == nil {
			l.made = map[any]any{}
		}
		l.made[key] = v
	}
	return v, err
}

// MaxMomentsSkip is how many of the first rows the statistics can leave out.
const MaxMomentsSkip = 64

// Moments are the statistics of one query head before rotation.
type Moments struct {
	Mean       []float32 // [HeadDim]
	Covariance []float32 // [HeadDim, HeadDim], biased (divided by the count)
}

// Rotation tells how rotary embedding turns a head at a position: pair i by position*InvFreq[i].
type Rotation struct {
	InvFreq []float32 // [rotary/2]; empty where the layer does not rotate
	Halves  bool      // pair i is (i, i+rotary/2); otherwise (2i, 2i+1)
	Scale   float32   // of the rotated part (YaRN's and longrope's attention factor); 0 means 1
}

// Pair returns the channels that pair i turns.
func (r Rotation) Pair(i int) (a, b int) {
	if r.Halves {
		return i, i + len(r.InvFreq)
	}
	return 2 * i, 2*i + 1
}

// Group is the number of query heads that share a KV head.
func (l *Layer) Group() int { return l.QHeads / l.KVHeads }

// Do runs f(0) … f(n-1), in parallel where the engine offers it. Each call must write memory of its own.
func (l *Layer) Do(n int, f func(i int)) {
	if l.Parallel != nil {
		l.Parallel(n, f)
		return
	}
	for i := range n {
		f(i)
	}
}

// WindowProbs returns the attention of the last w rows, by each query head of KV head h, over all entries: [w][Group][Tokens],
// f32, softmax over every entry that the row sees. It is primitive P1 before anything is dropped, averaged or pooled.
func (l *Layer) WindowProbs(h, w int) ([]float32, error) {
	g, d, n := l.Group(), l.HeadDim, l.Tokens
	width := l.QHeads * d
	have := len(l.LastQueries) / width
	if w > have || w > n {
		return nil, fmt.Errorf("policy: layer %d: a window of %d rows, %d at hand", l.Index, w, min(have, n))
	}
	probs := make([]float32, g*w*n)
	a := kernel.Attention{HeadDim: d, Group: g, Scale: l.Scale, SoftCap: l.SoftCap, Keys: l.Keys[h], First: n - w}
	a.WindowProbs(probs, l.LastQueries[(have-w)*width+h*g*d:], width, w, kernel.NewAttentionScratch())
	return probs, nil
}
