// Package policy is the contract between compression methods and the engine: what a method is made of, what it may ask to see,
// and what it may order.
//
// A recipe is put together from parts, one for each question of the taxonomy in "Key, Value, Compress" (arXiv 2503.11816):
// how much does each entry matter (Scorer), how many may each layer and head keep (Allocator), in what units are they taken
// (Selector), which tokens go on to deeper layers (Propagator), what becomes of the rest and how the kept entries lie in memory
// (Store). A method is one file that registers a constructor of one or more parts; methods combine by "+" in a spec string.
//
// The package knows neither models nor engines. It sees one layer at a time, as plain slices, and answers with a Plan; who
// computed the slices and who executes the plan is not its concern. That makes every method testable from stored keys,
// values and queries.
//
// Guarantees of every Plan: entries ascend and are unique; ties go to the lower index; sinks and recent entries are in; the sum
// over heads and layers never exceeds the budget. Deciding a layer of n entries costs the score plus O(n log n) per head.
package policy

import "pith/kvcache"

// Signals names what a part wants to see of a layer beyond its keys and values. The engine computes only the union of what the
// parts of a recipe ask for.
type Signals struct {
	Window      int  // rotated queries of the last Window rows
	Moments     bool // mean and covariance of the queries before rotation
	ColumnSums  bool // attention that every entry received from all rows
	OutputNorms bool // norm of what each entry's value adds to the residual stream
	Hidden      bool // normed input of the attention block, every row
	Queries     bool // rotated queries of every row
	Masses      bool // log-sum-exp of the scores of every row
	Positions   bool // where entries stand and how their keys are rotated; keys without their rotation follow from it
}

// Union returns the signals that either asks for.
func (s Signals) Union(o Signals) Signals {
	return Signals{
		Window:      max(s.Window, o.Window),
		Moments:     s.Moments || o.Moments,
		ColumnSums:  s.ColumnSums || o.ColumnSums,
		OutputNorms: s.OutputNorms || o.OutputNorms,
		Hidden:      s.Hidden || o.Hidden,
		Queries:     s.Queries || o.Queries,
		Masses:      s.Masses || o.Masses,
		Positions:   s.Positions || o.Positions,
	}
}

// A Forgetter is a Scorer of column sums that forgets: every row counts Forget, in (0, 1], times as much as the next.
type Forgetter interface{ Forget() float64 }

// A Scorer says how much each entry matters: the larger, the more.
type Scorer interface {
	Signals() Signals
	// Score returns one value per KV head and entry, [KVHeads][Tokens], in memory of its own. Values of pinned entries are not
	// looked at.
	Score(l *Layer) ([][]float32, error)
	// Pinned returns how many of the first and of the newest entries are kept whatever their score, for l.Base entries a head.
	Pinned(l *Layer) (sinks, recent int)
}

// A Refiner looks at the scores again once each head's count is known (CriticalKV's second stage).
type Refiner interface {
	Signals() Signals
	// Refine changes s.Scores so that the top counts[h] of each head are the ones to keep.
	Refine(l *Layer, s *Scored, counts []int) error
}

// An Allocator distributes the budget over layers and heads.
type Allocator interface {
	// Span is the number of consecutive layers that are decided together: 1, or m, or All.
	Span() int
	// Hold is how many entries a head of a layer may hold until the layer is decided. With a span of 1 it is not asked.
	Hold(s *Scored) int
	// Allocate returns the counts per head of every layer scored so far, pinned entries included. It may give heads pins of their own.
	Allocate(a *Allocation) [][]int
}

// EvenHeads is what an Allocator adds that gives every head of a layer the same count.
type EvenHeads interface{ EvenHeads() bool }

// All as an Allocator's span: nothing is decided before the last layer.
const All = 0

// An Allocation is what an Allocator looks at.
type Allocation struct {
	Scored []*Scored // the layers seen so far, in order
	Layers int       // that the recipe will decide in the end
	Base   int       // entries per head and layer on average
}

// Scored is a layer with its scores, kept until the layer is decided.
type Scored struct {
	Layer         int         // the model's layer
	Ordinal       int         // of it among those that the recipe decides
	Tokens        int         // entries that reached it
	Prompt        int         // tokens of the prompt
	Base          int         // entries per head that the budget allows
	Sinks, Recent int         // pinned at either end
	Scores        [][]float32 // [KVHeads][Tokens]
	Held          []int       // entries that each head may still choose from; Tokens before the first decision
	Profile       []float32   // [KVHeads], what a Profiler saw; nil without one
	Pins          []Pins      // [KVHeads], where an allocator sets them; nil: Sinks and Recent for every head
	Low           [][]bool    // [KVHeads][Tokens], of the layer
}

// A Selector takes counts[h] entries of each head, in its own units.
type Selector interface {
	// Select returns the entries kept by each head, ascending; it may leave less than one unit unused.
	Select(s *Scored, counts []int) ([][]int32, error)
}

// A Propagator decides after which layer only some rows go on.
type Propagator interface {
	// Propagate returns the rows of this layer that go on, ascending, nil for all of them.
	Propagate(l *Layer, s *Scored) ([]int32, error)
	// Restricts reports whether any layer of a model with so many layers may lose rows: such a recipe cannot share a prefill.
	Restricts(layers int) bool
}

// A Rest says what becomes of the entries that are not kept, where they are not simply dropped.
type Rest interface {
	Signals() Signals
	// Dispose adds merges or demotions to a final decision about l.
	Dispose(l *Layer, s *Scored, k *LayerKeep) error
}

// A Fitter changes kept entries before they are stored, so that what is stored does its work better.
type Fitter interface {
	Signals() Signals
	// Fit looks at a layer, before it is known which entries stay, and returns what will change them.
	Fit(l *Layer) (Fit, error)
	// Retains is the number of bytes that a Fit holds until its layer is decided.
	Retains(tokens, qHeads, kvHeads, headDim int) int64
	// Works is the number of bytes that a Fit works in at most while it changes what one head keeps of so many tokens; what is small beside
	// the keys of a layer does not count.
	Works(tokens, qHeads, kvHeads, headDim int) int64
}

// Fit changes what one head keeps, keys and values [kept, HeadDim] in order, in place; it may be called after the layer is gone, and for
// several heads at once.
type Fit func(head int, keys, values []float32, st kvcache.Storage)

// A Demoter is a Rest that keeps every entry, some of them in fewer bits. Where a recipe with one decides again while tokens are generated, the
// entries that still lie in more bits are ranked anew, and those below the cut go down. None comes up: what rounding took is lost.
type Demoter interface {
	Rest
	DemotesTo() kvcache.Storage
}

// A Thinner says which channels of its keys a lane holds.
type Thinner interface {
	Signals() Signals
	// Channels returns the channels kept by each KV head, ascending.
	Channels(l *Layer) ([][]uint16, error)
}

// When says at which points a recipe acts beside the end of each layer of the prefill. The zero value: at no other.
type When struct {
	Steps int // generated tokens between two decisions
	Block int // entries of the prompt between two decisions about a layer
}

// A Store says in what precision entries lie. The zero value leaves the engine's default.
type Store struct {
	Storage kvcache.Storage
	Given   bool
}

// A Plan is what a recipe orders after a layer.
type Plan struct {
	Keep      []LayerKeep // this layer, and earlier ones that are cut down further
	Propagate []int32     // rows that go on; nil for all
}

// LayerKeep orders the entries that one layer keeps, as indices among the rows that reached the layer.
type LayerKeep struct {
	Layer int
	Heads [][]int32 // [KVHeads], ascending
	Final bool      // nothing of this layer will be ordered again

	Merges   [][]kvcache.Merge // [KVHeads] what dropped entries add to kept ones, before they are stored; nil: nothing
	Demoted  [][]int32         // [KVHeads] entries that stay in fewer bits, ascending and apart from Heads; nil: none
	DemoteTo kvcache.Storage
	Fit      Fit        // what changes entries before they are stored; nil: nothing
	Channels [][]uint16 // [KVHeads] key channels that are stored; nil: all
}
