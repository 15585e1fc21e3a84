package kvcache

import (
	"fmt"
	"slices"
)

// AppendDemoted stores rows pick, ascending, of n entries in contiguous scratch with storage st, in a segment of their own beside what
// AppendSelected has taken of the same scratch; their positions, ascending, may lie among those that the lane holds. Entries so encoded once take
// exactly what they would take alone, where Demote leaves groups behind that have lost members. All or, with ErrBudget, none.
func (l *Lane) AppendDemoted(pos []Position, k, v []float32, pick []int32, st Storage) error {
	n, d := len(pos), l.HeadDim()
	if len(k) < n*d || len(v) < n*d {
		return fmt.Errorf("kvcache: append demoted: %d positions with %d key and %d value channels of %d each", n, len(k), len(v), d)
	}
	if err := ascending(pick, n); err != nil {
		return fmt.Errorf("kvcache: append demoted: %w", err)
	}
	if err := l.cache.check(st); err != nil || len(pick) == 0 {
		return err
	}
	e := entries{columns: make([][]byte, len(l.cache.widths))}
	for i, p := range pick {
		if i > 0 && pos[p] <= e.pos[i-1] {
			return fmt.Errorf("kvcache: append demoted: position %d of entry %d does not follow %d", pos[p], p, e.pos[i-1])
		}
		e.pos = append(e.pos, pos[p])
		e.k, e.v = append(e.k, k[int(p)*d:int(p+1)*d]...), append(e.v, v[int(p)*d:int(p+1)*d]...)
	}
	for c, w := range l.cache.widths {
		e.columns[c] = make([]byte, len(pick)*w)
	}
	s, err := l.demotedTo(st, l.channels)
	if err != nil {
		return err
	}
	spare, err := l.cache.take(nil, s.joined(len(e.pos))-s.held())
	if err != nil {
		l.prune()
		return err
	}
	return l.join(s, e, spare)
}

// demotedTo is the segment for entries that are demoted to st, a new one where there is none.
func (l *Lane) demotedTo(st Storage, channels []uint16) (*segment, error) {
	at := len(l.segs)
	for i := range l.segs {
		s := &l.segs[i]
		if s.demoted && s.storage == st && slices.Equal(s.channels, channels) {
			return s, nil
		}
		if s.residual {
			at = i
		}
	}
	fresh := l.newSegment(st, channels)
	fresh.demoted = true
	return l.addSegment(at, fresh)
}

// join stores entries behind those of a demoted segment, in pages that have been counted by joined; what is left of them goes back. Entries of a last
// group that is not full are encoded anew together with the first that come. Where these do not widen a channel's range the codes come out the
// same; otherwise its entries are rounded once more, at most as often as it takes to fill the group.
func (l *Lane) join(s *segment, e entries, spare []pageID) error {
	if m := s.open(); m > 0 {
		n := s.len()
		all := l.lift(s, n-m, n)
		all.pos, all.k, all.v = append(all.pos, e.pos...), append(all.k, e.k...), append(all.v, e.v...)
		for c := range all.columns {
			all.columns[c] = append(all.columns[c], e.columns[c]...)
		}
		spare = l.compact(s, []span{{0, n - m}}, spare)
		e = all // those that were there first, so that the group is theirs
	}
	err := l.put(s, e, &spare)
	invariant(err == nil, "entries joined a segment without the pages that had been counted")
	l.cache.give(spare)
	l.prune()
	return err
}

// demote does what Demote says. It lifts the entries, compacts what stays, and stores the lifted ones with the pages that this has
// freed before it asks for others.
func (l *Lane) demote(slots []int32, st Storage) error {
	gone := make([][]bool, len(l.segs))
	var e entries
	seg, base := 0, 0
	for _, slot := range slots {
		for int(slot) >= base+l.segs[seg].len() {
			base += l.segs[seg].len()
			seg++
		}
		s := &l.segs[seg]
		if s.demoted && s.storage == st && s.channels == nil {
			continue // there already
		}
		if gone[seg] == nil {
			gone[seg] = make([]bool, s.len())
		}
		gone[seg][int(slot)-base] = true
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
	e.sort(l.HeadDim(), l.cache.widths)
	need := -freed
	fresh := true
	for i := range l.segs {
		if s := &l.segs[i]; s.demoted && s.storage == st && s.channels == nil {
			need, fresh = need+s.joined(len(e.pos))-s.held(), false
		}
	}
	if fresh {
		s := l.newSegment(st, nil)
		need += s.pages(len(e.pos))
	}
	spare, err := l.cache.take(nil, need)
	if err != nil {
		return err
	}
	for i := range l.segs {
		if gone[i] != nil {
			spare = l.compact(&l.segs[i], spans[i], spare)
		}
	}
	s, err := l.demotedTo(st, nil)
	invariant(err == nil, "a segment with all channels costs nothing by itself")
	return l.join(s, e, spare)
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
