package kvcache

import (
	"fmt"
	"slices"
)

// AppendDemoted stores rows pick, ascending, of n entries in contiguous scratch with storage st, in a segment of their own beside what
// AppendSelected has taken of the same scratch; their positions may lie among those that the lane holds. Entries so encoded once take
// exactly what they would take alone, where Demote leaves groups behind that have lost members. All or, with ErrBudget, none.
func (l *Lane) AppendDemoted(pos []Position, k, v []float32, pick []int32, st Storage) error {
	if err := ascending(pick, len(pos)); err != nil {
		return fmt.Errorf("kvcache: append demoted: %w", err)
	}
	if err := l.cache.check(st); err != nil || len(pick) == 0 {
		return err
	}
	var e entries
	for _, p := range pick {
		e.add(&entries{pos: pos, k: k, v: v}, int(p), l.HeadDim(), nil)
	}
	at := len(l.segs)
	for i := range l.segs {
		s := &l.segs[i]
		switch {
		case s.residual:
			at = i
		case s.demoted && s.storage == st && slices.Equal(s.channels, l.channels) && s.last(l.cache.pool) < e.pos[0]:
			return l.extend(s, e.pos, e.k, e.v, nil)
		}
	}
	fresh := l.newSegment(st, l.channels)
	fresh.demoted = true
	s, err := l.addSegment(at, fresh)
	if err != nil {
		return err
	}
	return l.extend(s, e.pos, e.k, e.v, nil)
}

// demote does what Demote says. It lifts the entries, compacts what stays, and stores the lifted ones with the pages that this has
// freed before it asks for others.
func (l *Lane) demote(slots []int32, st Storage) error {
	// Where they go: an earlier demoted segment of this storage takes them in, merged by position.
	target := -1
	base := make([]int, len(l.segs)+1)
	for i := range l.segs {
		base[i+1] = base[i] + l.segs[i].len()
		if l.segs[i].demoted && l.segs[i].storage == st && l.segs[i].channels == nil {
			target = i
		}
	}
	gone := make([][]bool, len(l.segs))
	var e entries
	seg := 0
	for _, slot := range slots {
		for int(slot) >= base[seg+1] {
			seg++
		}
		if seg == target {
			continue // there already
		}
		if gone[seg] == nil {
			gone[seg] = make([]bool, l.segs[seg].len())
		}
		gone[seg][int(slot)-base[seg]] = true
	}
	freed := 0
	spans := make([][]span, len(l.segs))
	for i := range l.segs {
		s := &l.segs[i]
		if gone[i] == nil {
			continue
		}
		all, n := l.lift(s, 0, s.len()), 0
		for j, out := range gone[i] {
			if out {
				e.add(&all, j, l.HeadDim(), s.keys.widths)
				n++
			} else if k := len(spans[i]); k > 0 && spans[i][k-1].hi == j {
				spans[i][k-1].hi++
			} else {
				spans[i] = append(spans[i], span{j, j + 1})
			}
		}
		freed += l.shrink(s, spans[i], n)
	}
	if len(e.pos) == 0 {
		return nil
	}
	fresh := l.newSegment(st, nil)
	fresh.demoted = true
	if target >= 0 {
		s := &l.segs[target]
		old := l.lift(s, 0, s.len())
		for j := range old.pos {
			e.add(&old, j, l.HeadDim(), s.keys.widths)
		}
		freed += s.held()
	}
	e.sort(l.HeadDim(), l.cache.widths)
	spare, err := l.cache.take(nil, fresh.pages(len(e.pos))-freed)
	if err != nil {
		return err
	}
	for i := range l.segs {
		switch {
		case i == target:
			spare = l.segs[i].release(spare)
		case gone[i] != nil:
			spare = l.compact(&l.segs[i], spans[i], spare)
		}
	}
	at := len(l.segs)
	if at > 0 && l.segs[at-1].residual {
		at--
	}
	s, err := l.addSegment(at, fresh)
	invariant(err == nil, "a segment with all channels costs nothing by itself")
	err = l.put(s, e, &spare)
	invariant(err == nil, "demote ran out of the pages it had counted")
	l.cache.give(spare)
	l.prune()
	return err
}

// shrink is the number of pages that compacting a segment to these spans, without n of its entries, will free.
func (l *Lane) shrink(s *segment, spans []span, n int) int {
	left := s.len() - n
	if !s.keys.grouped {
		return s.held() - s.pages(left)
	}
	size := 0
	for i := range s.keys.recs {
		lo := int(s.keys.recs[i].slot)
		hi := lo + s.keys.recordLen(i)
		kept := 0
		for _, p := range spans {
			kept += max(0, min(p.hi, hi)-max(p.lo, lo))
		}
		if kept > 0 {
			size += s.keys.recordBytes(kept)
		}
	}
	// What is left of groups takes more than as many whole ones would.
	return s.held() - (s.pages(left) - s.keys.pages(left) + (size+s.keys.pageBytes-1)/s.keys.pageBytes)
}
