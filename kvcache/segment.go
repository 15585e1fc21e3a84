package kvcache

import "unsafe"

// residualStorage is what decode adds to a lane with grouped keys until whole groups are settled.
var residualStorage = Storage{F16, F16}

// segment is a part of a lane with one storage. Its entries ascend by position, but where what was demoted later joined what was there.
type segment struct {
	storage  Storage  // as asked for; the streams' formats differ from it after an f16 overflow
	channels []uint16 // key channels held, ascending; nil = all
	keys     stream
	values   stream
	bounds   []stream // one for each level of the cache's bounds, or those of the sketch
	residual bool     // f16, what decode added beside grouped formats
	demoted  bool     // what Demote put here; positions may lie among those of other segments
	mixed    bool     // demoted at several times: positions do not ascend
	most     Position // mixed: the largest of them
}

func (s *segment) len() int { return s.keys.n }

// need is the number of pages that appending n entries takes.
func (s *segment) need(n int) int {
	pages := s.keys.need(n) + s.values.need(n)
	for i := range s.bounds {
		pages += s.bounds[i].need(blocks(s.len()+n, s.bounds[i].span) - s.bounds[i].n)
	}
	return pages
}

// pages is the number of pages that n entries take when they are appended at once to nothing.
func (s *segment) pages(n int) int {
	pages := s.keys.pages(n) + s.values.pages(n)
	for i := range s.bounds {
		pages += s.bounds[i].pages(blocks(n, s.bounds[i].span))
	}
	return pages
}

// held is the number of pages that the segment has.
func (s *segment) held() int {
	pages := len(s.keys.ids) + len(s.values.ids)
	for i := range s.bounds {
		pages += len(s.bounds[i].ids)
	}
	return pages
}

// grow adds the pages that appending n entries needs, out of ids, and returns the rest.
func (s *segment) grow(n int, ids []pageID) []pageID {
	for y, pages := range s.each(n) {
		y.ids = append(y.ids, ids[:pages]...)
		ids = ids[pages:]
	}
	return ids
}

// each walks the streams with the pages that appending n entries adds to each.
func (s *segment) each(n int) func(yield func(*stream, int) bool) {
	return func(yield func(*stream, int) bool) {
		if !yield(&s.keys, s.keys.need(n)) || !yield(&s.values, s.values.need(n)) {
			return
		}
		for i := range s.bounds {
			b := &s.bounds[i]
			if !yield(b, b.need(blocks(s.len()+n, b.span)-b.n)) {
				return
			}
		}
	}
}

// release empties the segment and appends its pages to ids.
func (s *segment) release(ids []pageID) []pageID {
	ids = append(append(ids, s.keys.ids...), s.values.ids...)
	s.keys.clear()
	s.values.clear()
	for i := range s.bounds {
		ids = append(ids, s.bounds[i].ids...)
		s.bounds[i].clear()
	}
	return ids
}

func (s *segment) last(pool *Pool) Position {
	switch {
	case s.len() == 0:
		return -1
	case s.mixed:
		return s.most
	}
	return s.keys.position(pool, s.len()-1)
}

// position is that of one slot of a key stream.
func (s *stream) position(pool *Pool, slot int) Position {
	if !s.grouped {
		r := s.pageRun(pool.page(s.ids[slot/s.per]), s.per)
		return r.positions()[slot%s.per]
	}
	i := s.recordOf(slot)
	off := int(s.recs[i].off) + s.codeBytes(s.recordLen(i)) + (slot-int(s.recs[i].slot))*positionBytes
	page := pool.page(s.ids[off/s.pageBytes]) // everything is a multiple of 4 bytes: a position never crosses a page
	return *(*Position)(unsafe.Pointer(&page[off%s.pageBytes]))
}

// below is the number of an ordered segment's entries at positions below p: O(log n) positions are looked at.
func (s *segment) below(pool *Pool, p Position) int {
	lo, hi := 0, s.len()
	for lo < hi {
		if mid := (lo + hi) / 2; s.keys.position(pool, mid) < p {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// stretches calls f with the slots in [from, to) whose entries stand at positions below sinks or from first on, ascending, stretch by stretch. A mixed
// segment is looked at entry by entry.
func (s *segment) stretches(pool *Pool, sinks, first Position, from, to int, f func(from, to int)) {
	if !s.mixed {
		if end := min(to, s.below(pool, sinks)); from < end {
			f(from, end)
		}
		if start := max(from, s.below(pool, first)); start < to {
			f(start, to)
		}
		return
	}
	start := -1
	for slot := from; slot < to; slot++ {
		p := s.keys.position(pool, slot)
		switch in := p < sinks || p >= first; {
		case in && start < 0:
			start = slot
		case !in && start >= 0:
			f(start, slot)
			start = -1
		}
	}
	if start >= 0 {
		f(start, to)
	}
}

// within are the spans of the segment's entries at positions below sinks or from first on.
func (s *segment) within(pool *Pool, sinks, first Position) []span {
	var spans []span
	s.stretches(pool, sinks, first, 0, s.len(), func(from, to int) { spans = append(spans, span{from, to}) })
	return spans
}

// sift finds the largest position of a mixed segment again, after entries have left it.
func (s *segment) sift(pool *Pool) {
	s.most = -1
	for slot := range s.len() {
		s.most = max(s.most, s.keys.position(pool, slot))
	}
}

// open is the number of entries of the last group of keys, if it is not full.
func (s *segment) open() int {
	if !s.keys.grouped || len(s.keys.recs) == 0 {
		return 0
	}
	if n := s.keys.recordLen(len(s.keys.recs) - 1); n < s.keys.format.GroupTokens() {
		return n
	}
	return 0
}

// joined is the number of pages that the segment has once n more entries have joined it (see [Lane.join]).
func (s *segment) joined(n int) int {
	all, pages := s.len()+n, 0
	if m := s.open(); m > 0 {
		pages = (s.keys.size - s.keys.recordBytes(m) + s.keys.bytes(m+n) + s.keys.pageBytes - 1) / s.keys.pageBytes
	} else {
		pages = len(s.keys.ids) + s.keys.need(n)
	}
	pages += s.values.pages(all)
	for i := range s.bounds {
		pages += s.bounds[i].pages(blocks(all, s.bounds[i].span))
	}
	return pages
}

// newSegment returns an empty segment.
func (l *Lane) newSegment(st Storage, channels []uint16) segment {
	c, dims := l.cache, l.HeadDim()
	if channels != nil {
		dims = len(channels)
	}
	keys, values := newLayouts(c.pool.pageBytes, st, dims, l.HeadDim(), c.widths)
	s := segment{storage: st, channels: channels, keys: stream{layout: keys}, values: stream{layout: values}}
	for _, span := range c.bounds {
		s.bounds = append(s.bounds, newBounds(c.pool.pageBytes, keys.format, dims, span))
	}
	if c.sketch {
		s.bounds = newSketch(c.pool.pageBytes, l.HeadDim())
	}
	return s
}

// valuesFrom is a cursor over the segment's values, wherever they lie.
func (s *segment) valuesFrom(pool *Pool, slot int, buf *[]byte) cursor {
	if !s.values.hosted {
		return s.values.from(pool, slot, buf)
	}
	c := s.keys.from(pool, slot, buf)
	c.vals = true
	return c
}
