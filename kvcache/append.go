package kvcache

import "slices"

// Append stores entries with keys k and values v, [n, HeadDim] each, at the given positions, ascending and beyond every
// position the lane holds. Side columns start at zero. With grouped keys whole and partial groups are encoded at once,
// and what decode had left in the residual is settled before. It stores all entries or, with an error that wraps
// ErrBudget, none.
func (l *Lane) Append(pos []Position, k, v []float32) error {
	if err := l.checkEntries(pos, k, v); err != nil {
		return err
	}
	if len(pos) == 0 {
		return nil
	}
	return l.append(pos, k, v)
}

func (l *Lane) append(pos []Position, k, v []float32) error {
	if err := l.cache.check(l.storage); err != nil {
		return err
	}
	if l.Residual() > 0 {
		return l.settle(l.Residual(), pos, k, v)
	}
	s, err := l.target()
	if err != nil {
		return err
	}
	return l.extend(s, pos, k, v, nil)
}

// target is the segment that bulk appends go to: the newest with the lane's storage and channels that is neither demoted
// nor a residual, else a new one.
func (l *Lane) target() (*segment, error) {
	at := len(l.segs)
	for i := len(l.segs) - 1; i >= 0; i-- {
		s := &l.segs[i]
		switch {
		case s.residual:
			at = i
		case l.fits(s):
			return s, nil
		}
	}
	return l.addSegment(at, l.newSegment(l.storage, l.channels))
}

// fits reports whether bulk appends may go to a segment.
func (l *Lane) fits(s *segment) bool {
	return !s.residual && !s.demoted && s.storage == l.storage && slices.Equal(s.channels, l.channels)
}

// addSegment inserts a segment and charges its channel list.
func (l *Lane) addSegment(i int, s segment) (*segment, error) {
	if err := l.cache.chargeSide(2 * len(s.channels)); err != nil {
		return nil, err
	}
	l.segs = slices.Insert(l.segs, i, s)
	return &l.segs[i], nil
}

// AppendTail stores entries as AppendOne does, many at once: uncompressed beside grouped keys.
func (l *Lane) AppendTail(pos []Position, k, v []float32) error {
	if err := l.checkEntries(pos, k, v); err != nil || len(pos) == 0 {
		return err
	}
	return l.extend(l.tail(), pos, k, v, nil)
}

// AppendOne stores one entry as decode makes them, k and v [HeadDim]. Beside grouped keys it goes to an f16 residual,
// which [Lane.Settle] turns into groups. It allocates nothing but, now and then, a page.
func (l *Lane) AppendOne(pos Position, k, v []float32) error {
	one := [1]Position{pos}
	if err := l.checkEntries(one[:], k, v); err != nil {
		return err
	}
	return l.extend(l.tail(), one[:], k, v, nil)
}

// tail is the segment that decode appends to.
func (l *Lane) tail() *segment {
	if s := l.tailSegment(); s != nil {
		return s
	}
	st := l.storage
	residual := st.grouped()
	if residual {
		st = residualStorage
	}
	l.segs = append(l.segs, l.newSegment(st, nil))
	s := &l.segs[len(l.segs)-1]
	s.residual = residual
	return s
}

// tailSegment is the segment that decode can go on in, nil where it begins a new one.
func (l *Lane) tailSegment() *segment {
	if n := len(l.segs); n > 0 {
		if s := &l.segs[n-1]; s.channels == nil && !s.demoted && (s.residual || !s.storage.grouped() && s.storage == l.storage) {
			return s
		}
	}
	return nil
}

// extend encodes entries behind those of a segment, all or none. Pages come from spare first; what is left of them is
// the caller's.
func (l *Lane) extend(s *segment, pos []Position, k, v []float32, spare *[]pageID) error {
	if need := s.need(len(pos)); need > 0 {
		var ids []pageID
		if spare != nil {
			ids = *spare
		}
		// All at once, so that a budget with room for some of them changes nothing.
		ids, err := l.cache.take(ids, need-len(ids))
		if err != nil {
			l.prune()
			return err
		}
		ids = s.grow(len(pos), ids)
		if spare != nil {
			*spare = ids
		}
	}
	if s.demoted && len(pos) > 0 {
		if last := s.last(l.cache.pool); s.mixed || pos[0] < last || !slices.IsSorted(pos) {
			s.mixed, s.most = true, max(last, slices.Max(pos))
		}
	}
	from, format := s.len(), s.keys.format
	l.encodeKeys(s, pos, k, v)
	if s.values.hosted {
		s.values.n = s.keys.n
	} else {
		l.encodeValues(s, v, len(pos))
	}
	if s.keys.format != format {
		// Every key was rounded anew, some lie beyond f16: so do the bounds from now on.
		for i := range s.bounds {
			s.bounds[i].format, s.bounds[i].n = s.keys.format, 0
		}
		from = 0
	}
	l.addBounds(s, from)
	return nil
}

// prune removes segments without entries.
func (l *Lane) prune() {
	kept := l.segs[:0]
	for i := range l.segs {
		if l.segs[i].len() > 0 {
			kept = append(kept, l.segs[i])
			continue
		}
		l.drop(&l.segs[i])
	}
	clear(l.segs[len(kept):])
	l.segs = kept
}
