package policy

import "pith/kvcache"

// A Reader says what of a lane a decode step reads, where that is less than everything: all entries stay, little is touched. It decides
// from bounds that the cache keeps over blocks of slots, or from a sketch of every entry; by a sketch what is not read exactly is attended to, too (package kvcache).
type Reader interface {
	// Levels returns the slots of a block on each level of bounds, finest first, each a multiple of the one before: none where lanes keep a sketch.
	Levels() []int
	// Dense is the number of first layers that read everything. What the budget holds whole is read whole, too.
	Dense() int
	// Read sets which slots the query reads: its Spans, or by a sketch its Slots.
	Read(r *Reading, q *kvcache.Query)
}

// Sketches reports whether lanes keep a sketch.
func (r *Recipe) Sketches() bool { return r.Read != nil && len(r.Read.Levels()) == 0 }

// Reading is one lane at one decode step.
type Reading struct {
	Entries int // slots of the lane
	Budget  int // entries that may be read
	Group   int // query heads
	Blocks  func(level int) int
	// Bound returns, for every block of a level that reaches into the spans, the largest over the group of a bound that no product of query and key
	// inside exceeds, and the block's slots. Borrowed until the next call.
	Bound func(level int, within []kvcache.Span) (bounds []float32, blocks []kvcache.Span)
	// Loss returns about how far the output moves where a slot is not read but attended to by the sketch, added over the group: infinitely far where there is no
	// sketch, at bare of them. Borrowed until the next step.
	Loss func() (loss []float32, bare int)
	// Spans, Slots and Values are scratch that Read may use, and what it sets in the query may lie in.
	Spans  []kvcache.Span
	Slots  []int32
	Values []float32
}
