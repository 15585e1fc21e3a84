package kvcache

import (
	"fmt"
	"slices"
)

// Lane is the cache of one sequence, layer and KV head: ordered segments, each with a storage of its own. A *slot* is an
// entry's place in the lane, counted through the segments: the main one, then demoted ones, then the f16 residual of
// what decode has added. Slots change when entries are dropped, positions never do.
type Lane struct {
	cache    *Cache
	storage  Storage
	channels []uint16 // of keys appended in bulk from now on; nil = all
	segs     []segment
	overflow int64
}

// Segment describes a part of a lane.
type Segment struct {
	Storage  Storage // as it lies now: bf16 after an f16 overflow
	Len      int     // entries
	Channels int     // key channels held
	Residual bool    // what decode added beside grouped formats
	Demoted  bool    // what Demote put there
	Pages    int     // of keys, values and bounds
}

// Len is the number of entries.
func (l *Lane) Len() int {
	n := 0
	for i := range l.segs {
		n += l.segs[i].len()
	}
	return n
}

// HeadDim is the number of channels of a key or value as it comes in and goes out.
func (l *Lane) HeadDim() int { return l.cache.shape.HeadDim }

// Storage is how entries appended from now on are stored.
func (l *Lane) Storage() Storage { return l.storage }

// Segments describes the lane's parts in slot order.
func (l *Lane) Segments() []Segment {
	out := make([]Segment, 0, len(l.segs))
	for i := range l.segs {
		s := &l.segs[i]
		out = append(out, Segment{Storage: Storage{s.keys.format, s.values.format}, Len: s.len(), Channels: s.keys.dims,
			Residual: s.residual, Demoted: s.demoted, Pages: s.held()})
	}
	return out
}

// Bytes is what the lane holds of the pool: whole pages and channel lists.
func (l *Lane) Bytes() int64 {
	var n int64
	for i := range l.segs {
		s := &l.segs[i]
		n += int64(s.held())*int64(l.cache.pool.pageBytes) + int64(2*len(s.channels))
	}
	return n
}

// Slots appends the position of every slot to dst, in slot order.
func (l *Lane) Slots(dst []Position) []Position {
	sc := getScratch()
	defer sc.put()
	for i := range l.segs {
		for c := l.segs[i].keys.from(l.cache.pool, 0, &sc.page); ; {
			r, _, ok := c.next(1 << 30)
			if !ok {
				break
			}
			dst = append(dst, r.positions()...)
		}
	}
	return dst
}

// Positions appends the positions of all entries to dst, ascending.
func (l *Lane) Positions(dst []Position) []Position {
	start := len(dst)
	dst = l.Slots(dst)
	if !slices.IsSorted(dst[start:]) {
		slices.Sort(dst[start:])
	}
	return dst
}

// Last is the largest position held, -1 in an empty lane.
func (l *Lane) Last() Position {
	last := Position(-1)
	for i := range l.segs {
		last = max(last, l.segs[i].last(l.cache.pool))
	}
	return last
}

// Clear drops every entry.
func (l *Lane) Clear() {
	for i := range l.segs {
		l.drop(&l.segs[i])
	}
	l.segs = nil
}

// drop hands back the memory of a segment.
func (l *Lane) drop(s *segment) {
	l.cache.give(s.release(nil))
	_ = l.cache.chargeSide(-2 * len(s.channels)) // giving back cannot fail
	s.channels = nil
}

// checkEntries validates what an append is given.
func (l *Lane) checkEntries(pos []Position, k, v []float32) error {
	d := l.HeadDim()
	if len(k) != len(pos)*d || len(v) != len(pos)*d {
		return fmt.Errorf("kvcache: append: %d positions with %d key and %d value channels of %d each", len(pos), len(k), len(v), d)
	}
	last := l.Last()
	for i, p := range pos {
		if p <= last {
			return fmt.Errorf("kvcache: append: position %d of entry %d does not follow %d", p, i, last)
		}
		last = p
	}
	return nil
}
