package policy

import "pith/kvcache"

// A Reader says what of a lane a decode step reads, where that is less than everything: all entries stay, little is touched. It decides
// from bounds that the cache keeps over blocks of slots.
type Reader interface {
	// Levels returns the slots of a block on each level of bounds, finest first, each a multiple of the one before.
	Levels() []int
	// Read returns the spans of slots to read, ascending and disjoint; nil for all of them.
	Read(r *Reading) []kvcache.Span
}

// A Sketcher is a Reader that decides from a sketch of every entry in place of bounds (see package kvcache). What it does not read exactly is attended to by
// the sketch.
type Sketcher interface {
	Reader
	// SketchUnit is how many entries, a divisor of 32, are read or left together.
	SketchUnit() int
}

// Reading is one lane at one decode step.
type Reading struct {
	Layer   int
	Entries int // slots of the lane
	Budget  int // entries that may be read
	Group   int // query heads
	Blocks  func(level int) int
	// Bound returns, for every block of a level that reaches into the spans, the largest over the group of a bound that no product of query and key
	// inside exceeds, and the block's slots. Borrowed until the next call.
	Bound func(level int, within []kvcache.Span) (bounds []float32, blocks []kvcache.Span)
	// Glance returns about how much attention each unit of sketched entries gets, added over the group, and its slots; ends that no sketch has come as one span of
	// more mass than any can have. Borrowed until the next call.
	Glance func() (mass []float32, slots []kvcache.Span)
	// Spans and Values are scratch that Read may use, and the spans it returns may lie in.
	Spans  []kvcache.Span
	Values []float32
}
