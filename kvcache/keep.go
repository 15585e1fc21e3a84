package kvcache

import (
	"fmt"
	"math"

	"pith/kernel"
)

// span is a range of slots that stay together.
type span struct{ lo, hi int }

// Keep retains only these slots, ascending, and hands back the pages that become free. What is retained keeps its stored bits,
// positions, side columns and order; its slots become 0, 1, 2, … Nothing is re-encoded: a group of keys that loses
// entries keeps its scales and packs what is left, so that dropping whole groups frees the most. O(entries), no page is needed.
func (l *Lane) Keep(slots []int32) error {
	if err := ascending(slots, l.Len()); err != nil {
		return fmt.Errorf("kvcache: keep: %w", err)
	}
	var free []pageID
	base := 0
	var spans []span
	for i := range l.segs {
		s := &l.segs[i]
		n := s.len()
		spans = spans[:0]
		for len(slots) > 0 && int(slots[0]) < base+n {
			slot := int(slots[0]) - base
			if k := len(spans); k > 0 && spans[k-1].hi == slot {
				spans[k-1].hi++
			} else {
				spans = append(spans, span{slot, slot + 1})
			}
			slots = slots[1:]
		}
		free = l.compact(s, spans, free)
		base += n
	}
	l.cache.give(free)
	l.prune()
	return nil
}

// Remove drops slots [lo, hi).
func (l *Lane) Remove(lo, hi int) error {
	if lo < 0 || hi > l.Len() || lo > hi {
		return fmt.Errorf("kvcache: remove: slots %d to %d of %d", lo, hi, l.Len())
	}
	var free []pageID
	base := 0
	for i := range l.segs {
		s := &l.segs[i]
		n := s.len()
		a, b := min(max(lo-base, 0), n), min(max(hi-base, 0), n)
		free = l.compact(s, []span{{0, a}, {b, n}}, free)
		base += n
	}
	l.cache.give(free)
	l.prune()
	return nil
}

// Drop removes the n entries with the smallest positions, as a sliding window does.
func (l *Lane) Drop(n int) error {
	if n <= 0 {
		return nil
	}
	if n >= l.Len() {
		l.Clear()
		return nil
	}
	if l.inOrder() {
		return l.Remove(0, n)
	}
	limit := l.Positions(nil)[n]
	var free []pageID
	for i := range l.segs {
		s := &l.segs[i]
		free = l.compact(s, s.within(l.cache.pool, 0, limit), free)
	}
	l.cache.give(free)
	l.prune()
	return nil
}

// Truncate removes every entry at position limit or beyond, as a rolled back turn does.
func (l *Lane) Truncate(limit Position) {
	var free []pageID
	for i := range l.segs {
		s := &l.segs[i]
		free = l.compact(s, s.within(l.cache.pool, limit, math.MaxInt32), free)
	}
	l.cache.give(free)
	l.prune()
}

// inOrder reports whether slot order is the order of positions.
func (l *Lane) inOrder() bool {
	for i := range l.segs {
		if l.segs[i].demoted || i > 0 && l.segs[i-1].demoted {
			return false
		}
	}
	return true
}

// compact keeps the spans, ascending and disjoint, of a segment and appends the pages that became free to free.
func (l *Lane) compact(s *segment, spans []span, free []pageID) []pageID {
	n := 0
	for _, p := range spans {
		n += p.hi - p.lo
	}
	if n == s.len() {
		return free
	}
	pool := l.cache.pool
	for _, y := range []*stream{&s.keys, &s.values} {
		switch {
		case y.hosted:
		case !y.grouped:
			y.compactRows(pool, spans)
		case y.keys:
			y.compactRecords(pool, spans)
		default:
			y.compactBlocks(pool, spans)
		}
		y.n = n
		keep := len(y.ids) + y.need(0)
		free = append(free, y.ids[keep:]...)
		y.ids = y.ids[:keep]
	}
	if s.mixed {
		s.sift(pool)
	}
	first := 0
	if len(spans) > 0 && spans[0].lo == 0 {
		first = spans[0].hi
	}
	return l.cutBounds(s, first, free)
}

// compactRows moves rows, positions and columns towards the front, whole stretches at a time. The target never lies behind the source.
func (s *stream) compactRows(pool *Pool, spans []span) {
	to := 0
	for _, p := range spans {
		for from := p.lo; from < p.hi; {
			a, b := from%s.per, to%s.per
			n := min(p.hi-from, s.per-a, s.per-b)
			if from != to {
				src := s.pageRun(pool.page(s.ids[from/s.per]), s.per)
				dst := s.pageRun(pool.page(s.ids[to/s.per]), s.per)
				copy(dst.data[b*s.rowBytes:(b+n)*s.rowBytes], src.data[a*s.rowBytes:])
				if s.keys {
					copy(dst.positions()[b:b+n], src.positions()[a:])
					for c, w := range s.widths {
						copy(dst.column(&s.layout, c)[b*w:(b+n)*w], src.column(&s.layout, c)[a*w:])
					}
				}
			}
			from, to = from+n, to+n
		}
	}
}

// compactRecords thins groups of keys. Every record is read before it is written, and what is written is never longer.
func (s *stream) compactRecords(pool *Pool, spans []span) {
	sc := getScratch()
	defer sc.put()
	f := groupFormat(s.format)
	recs, total := s.recs, s.n
	s.recs, s.n, s.size = recs[:0], 0, 0
	for i := 0; i < len(recs); i++ {
		rec, end := recs[i], total
		if i+1 < len(recs) {
			end = int(recs[i+1].slot)
		}
		n := end - int(rec.slot)
		pick := sc.picked[:0]
		for len(spans) > 0 && spans[0].lo < end {
			for slot := max(spans[0].lo, int(rec.slot)); slot < min(spans[0].hi, end); slot++ {
				pick = append(pick, int32(slot-int(rec.slot)))
			}
			if spans[0].hi > end {
				break
			}
			spans = spans[1:]
		}
		sc.picked = pick
		if len(pick) == 0 {
			continue
		}
		size := s.recordBytes(n)
		old := bytesOf(&sc.rows, size)
		copy(old, s.view(pool, int(rec.off), size, &sc.page))
		whole := old
		if len(pick) < n {
			m := len(pick)
			src := s.recordRun(old, n)
			whole = bytesOf(&sc.page, s.recordBytes(m))
			clear(whole)
			dst := s.recordRun(whole, m)
			kernel.PickBlockK(dst.data, src.data, pick, s.dims, f)
			for i, p := range pick {
				dst.positions()[i] = src.positions()[p]
				for c, w := range s.widths {
					copy(dst.column(&s.layout, c)[i*w:(i+1)*w], src.column(&s.layout, c)[int(p)*w:])
				}
			}
			if s.joint {
				kernel.MoveBlockV(s.valuePart(whole, m), 0, blockFormat(s.values, m), s.valuePart(old, n), pick, blockFormat(s.values, n), s.valueDims)
			}
		}
		s.write(pool, s.size, whole)
		s.recs = append(s.recs, record{int32(s.n), int32(s.size)})
		s.size += len(whole)
		s.n += len(pick)
	}
}

// compactBlocks moves values with their steps and minima into new blocks. A block is written when it is full; by then every entry
// it held has been read, since the target never lies behind the source.
func (s *stream) compactBlocks(pool *Pool, spans []span) {
	sc := getScratch()
	defer sc.put()
	f := blockFormat(s.format, blockTokens)
	to := 0
	if len(spans) > 0 && spans[0].lo == 0 {
		to = spans[0].hi / blockTokens * blockTokens // whole blocks that stay
	}
	block := bytesOf(&sc.rows, s.block)
	clear(block)
	for _, p := range spans {
		for from := max(p.lo, to); from < p.hi; {
			src := s.view(pool, from/blockTokens*s.block, s.block, &sc.page)
			n := min(p.hi-from, blockTokens-from%blockTokens, blockTokens-to%blockTokens)
			kernel.MoveBlockV(block, to%blockTokens, f, src, upTo(&sc.picked, from%blockTokens, n), f, s.dims)
			if from, to = from+n, to+n; to%blockTokens == 0 {
				s.write(pool, (to-1)/blockTokens*s.block, block)
				clear(block)
			}
		}
	}
	if to%blockTokens > 0 {
		s.write(pool, to/blockTokens*s.block, block)
	}
	s.size = (to + blockTokens - 1) / blockTokens * s.block
}
