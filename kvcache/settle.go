package kvcache

import "fmt"

// entries are decoded entries of a lane with their side columns, on their way from one storage to another.
type entries struct {
	pos     []Position
	k, v    []float32
	columns [][]byte
}

// lift decodes entries [lo, hi) of a segment.
func (l *Lane) lift(s *segment, lo, hi int) entries {
	n, d := hi-lo, l.HeadDim()
	e := entries{pos: make([]Position, n), k: make([]float32, n*d), v: make([]float32, n*d)}
	l.decode(s, lo, hi, e.k, e.v, e.pos)
	for c, w := range s.keys.widths {
		e.columns = append(e.columns, s.keys.readColumn(l.cache.pool, c, lo, make([]byte, n*w)))
	}
	return e
}

// put encodes entries behind those of a segment, with their columns.
func (l *Lane) put(s *segment, e entries, spare *[]pageID) error {
	at := s.len()
	if err := l.extend(s, e.pos, e.k, e.v, spare); err != nil {
		return err
	}
	for c := range e.columns {
		s.keys.writeColumn(l.cache.pool, c, at, e.columns[c])
	}
	return nil
}

// Residual is the number of entries that decode has added and that are not yet settled.
func (l *Lane) Residual() int {
	if n := len(l.segs); n > 0 && l.segs[n-1].residual {
		return l.segs[n-1].len()
	}
	return 0
}

// Settle encodes the oldest entries of the residual into the lane's grouped storage, whole groups only, and leaves at least keep of the
// newest as they are; with keep 0 it settles all of them, the last group partial. Without a residual it does nothing.
// The pages that the residual frees are used first; with ErrBudget nothing has changed.
func (l *Lane) Settle(keep int) error {
	n := l.Residual()
	if n == 0 {
		return nil
	}
	move := n
	if keep > 0 {
		group := max(l.storage.Keys.GroupTokens(), l.storage.Values.GroupTokens())
		if move = max(0, n-keep) / group * group; move == 0 {
			return nil
		}
	}
	return l.settle(move, nil, nil, nil)
}

// settle encodes the oldest move entries of the residual, and then the given ones, into the lane's storage, all or none.
func (l *Lane) settle(move int, pos []Position, k, v []float32) error {
	main, err := l.target()
	if err != nil {
		return err
	}
	tail := &l.segs[len(l.segs)-1]
	n := tail.len()
	e := l.lift(tail, 0, move)
	e.pos, e.k, e.v = append(e.pos, pos...), append(e.k, k...), append(e.v, v...)
	for c, w := range l.cache.widths {
		e.columns[c] = append(e.columns[c], make([]byte, len(pos)*w)...)
	}
	left := n - move
	freed := tail.held() - tail.pages(left)
	spare, err := l.cache.take(nil, main.need(len(e.pos))-freed)
	if err != nil {
		l.prune()
		return err
	}
	spare = l.compact(tail, []span{{move, n}}, spare)
	err = l.put(main, e, &spare)
	invariant(err == nil, "settle ran out of the pages it had counted")
	l.cache.give(spare)
	l.prune()
	return err
}

// Recode stores everything the lane holds anew, as st says, and makes st the storage of what is appended later. It decodes the lane
// to scratch, so the pages that it holds are used first. With ErrBudget nothing has changed. Channel lists stay.
func (l *Lane) Recode(st Storage) error {
	if err := l.cache.check(st); err != nil {
		return err
	}
	type part struct {
		e entries
		s segment
	}
	var parts []part
	held, need := 0, 0
	for i := range l.segs {
		s := &l.segs[i]
		held += s.held()
		p := part{l.lift(s, 0, s.len()), l.newSegment(st, s.channels)}
		if i > 0 && len(parts) > 0 && !s.demoted && s.channels == nil && parts[len(parts)-1].s.channels == nil && !l.segs[i-1].demoted {
			last := &parts[len(parts)-1].e
			last.pos, last.k, last.v = append(last.pos, p.e.pos...), append(last.k, p.e.k...), append(last.v, p.e.v...)
			for c := range last.columns {
				last.columns[c] = append(last.columns[c], p.e.columns[c]...)
			}
			continue
		}
		p.s.demoted, p.s.mixed, p.s.most = s.demoted, s.mixed, s.most
		parts = append(parts, p)
	}
	for i := range parts {
		p := &parts[i]
		need += p.s.pages(len(p.e.pos))
	}
	spare, err := l.cache.take(nil, need-held)
	if err != nil {
		return err
	}
	for i := range l.segs {
		s := &l.segs[i]
		spare = s.release(spare)
	}
	l.segs, l.storage = nil, st
	for i := range parts { // channel lists, counted already, go on to the new segments
		l.segs = append(l.segs, parts[i].s)
		if err := l.put(&l.segs[len(l.segs)-1], parts[i].e, &spare); err != nil {
			return fmt.Errorf("kvcache: recode: %w", err) // unreachable: the pages were counted
		}
	}
	l.cache.give(spare)
	return nil
}

// Demote moves slots, ascending, to a segment of their own with storage st, in fewer bits (MiKV, arXiv 2402.18096; ZipCache, arXiv
// 2405.14256) or in more: then with what rounding has left of them. The segment comes behind those that hold what stays, before the residual. One
// that is there with the same storage takes the entries in behind its own, which keep their bits, all but those of a last group that is not full:
// it is filled up, so that the segment takes what it would take if all had come at once. What stays keeps its bits too. Slots change.
// With ErrBudget nothing has changed.
func (l *Lane) Demote(slots []int32, st Storage) error {
	if err := ascending(slots, l.Len()); err != nil {
		return fmt.Errorf("kvcache: demote: %w", err)
	}
	if err := l.cache.check(st); err != nil || len(slots) == 0 {
		return err
	}
	return l.demote(slots, st)
}
