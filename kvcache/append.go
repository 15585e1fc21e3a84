package kvcache

import (
	"slices"
	"sync"

	"pith/kernel"
)

// scratch is memory for gathering, encoding and compacting one lane; a pool of them serves all lanes.
type scratch struct {
	k, v   []float32
	tile   []float32
	page   []byte // of cursors
	rows   []byte
	pos    []Position
	picked []int32
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func getScratch() *scratch { return scratches.Get().(*scratch) }
func (s *scratch) put()    { scratches.Put(s) }

func floats(buf *[]float32, n int) []float32 {
	if cap(*buf) < n {
		*buf = make([]float32, n)
	}
	*buf = (*buf)[:n]
	return *buf
}

func bytesOf(buf *[]byte, n int) []byte {
	if cap(*buf) < n {
		*buf = make([]byte, n)
	}
	*buf = (*buf)[:n]
	return *buf
}

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
	return l.extend(l.target(), pos, k, v, nil)
}

// target is the segment that bulk appends go to: the newest with the lane's storage and channels that is neither demoted
// nor a residual, else a new one.
func (l *Lane) target() *segment {
	at := len(l.segs)
	for i := len(l.segs) - 1; i >= 0; i-- {
		s := &l.segs[i]
		switch {
		case s.residual:
			at = i
		case !s.demoted && s.storage == l.storage && slices.Equal(s.channels, l.channels):
			return s
		}
	}
	return l.addSegment(at, l.newSegment(l.storage, l.channels))
}

// addSegment inserts a segment and charges its channel list.
func (l *Lane) addSegment(i int, s segment) *segment {
	l.segs = slices.Insert(l.segs, i, s)
	l.chargeSide(2 * len(s.channels))
	return &l.segs[i]
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
	if n := len(l.segs); n > 0 {
		if s := &l.segs[n-1]; s.channels == nil && !s.demoted && (s.residual || !s.storage.grouped() && s.storage == l.storage) {
			return s
		}
	}
	st := l.storage
	residual := st.grouped()
	if residual {
		st = residualStorage
	}
	s := l.addSegment(len(l.segs), l.newSegment(st, nil))
	s.residual = residual
	return s
}

// extend encodes entries behind those of a segment, all or none. Pages come from spare first; what is left of them is
// the caller's.
func (l *Lane) extend(s *segment, pos []Position, k, v []float32, spare *[]pageID) error {
	keyPages, valuePages := s.keys.need(len(pos)), s.values.need(len(pos))
	if err := l.grow(&s.keys, keyPages, &s.values, valuePages, spare); err != nil {
		l.prune()
		return err
	}
	l.encodeKeys(s, pos, k, v)
	if s.values.hosted {
		s.values.n = s.keys.n
	} else {
		l.encodeValues(s, v, len(pos))
	}
	return nil
}

// grow adds pages to two streams, or to none.
func (l *Lane) grow(keys *stream, keyPages int, values *stream, valuePages int, spare *[]pageID) error {
	if keyPages+valuePages == 0 {
		return nil
	}
	had := 0
	if spare != nil {
		had = min(len(*spare), keyPages+valuePages)
	}
	// Both at once, so that a budget with room for one of them changes nothing.
	n := len(keys.ids)
	ids := keys.ids
	if had > 0 {
		ids = append(ids, (*spare)[:had]...)
	}
	ids, err := l.cache.take(ids, keyPages+valuePages-had)
	if err != nil {
		return err
	}
	if had > 0 {
		*spare = (*spare)[had:]
	}
	values.ids = append(values.ids, ids[n+keyPages:]...)
	keys.ids = ids[:n+keyPages]
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

// encodeKeys writes positions, zeroed columns and keys, and the values that lie with them. The pages are there.
func (l *Lane) encodeKeys(s *segment, pos []Position, k, v []float32) {
	y := &s.keys
	n, d := len(pos), l.HeadDim()
	if s.channels != nil {
		sc := getScratch()
		defer sc.put()
		k = gatherChannels(floats(&sc.k, n*y.dims), k, s.channels, n, d)
	}
	if y.grouped {
		l.encodeGroups(s, pos, k, v)
		return
	}
	for i := 0; i < n; {
		r := y.tailRun(l.cache.pool, n-i)
		copy(r.positions(), pos[i:])
		for c := range y.widths {
			clear(r.column(&y.layout, c))
		}
		if over := kernel.EncodeRows(r.data, k[i*y.dims:], r.n, y.dims, rowFormat(y.format)); over > 0 {
			l.overflow += int64(over)
			if y.format == F16 {
				y.widen(l.cache.pool)
				kernel.EncodeRows(r.data, k[i*y.dims:], r.n, y.dims, rowFormat(y.format))
			}
		}
		i += r.n
	}
}

// encodeGroups writes entries as groups of the format's size, from the first of them on; the last may be partial.
func (l *Lane) encodeGroups(s *segment, pos []Position, k, v []float32) {
	y := &s.keys
	sc := getScratch()
	defer sc.put()
	f := groupFormat(y.format)
	block := bytesOf(&sc.rows, f.KeyBytes(y.dims))
	for len(pos) > 0 {
		n := min(f.Group, len(pos))
		l.overflow += int64(kernel.EncodeGroupK(block, k, n, y.dims, f))
		whole := bytesOf(&sc.page, y.recordBytes(n))
		clear(whole)
		r := y.recordRun(whole, n)
		copy(r.data, block)
		copy(r.positions(), pos)
		if y.joint {
			d := y.valueDims
			l.overflow += int64(kernel.EncodeGroupV(y.valuePart(whole, n), v, n, d, blockFormat(y.values, n)))
			v = v[n*d:]
		}
		y.addRecord(l.cache.pool, n, whole)
		pos, k = pos[n:], k[n*y.dims:]
	}
}

// addRecord appends a record of n entries. Its pages are there.
func (s *stream) addRecord(pool *Pool, n int, whole []byte) {
	s.write(pool, s.size, whole)
	s.recs = append(s.recs, record{int32(s.n), int32(s.size)})
	s.size += len(whole)
	s.n += n
}

func (l *Lane) encodeValues(s *segment, v []float32, n int) {
	y := &s.values
	if y.grouped {
		l.encodeValueBlocks(y, v, n)
		return
	}
	for i := 0; i < n; {
		r := y.tailRun(l.cache.pool, n-i)
		if over := kernel.EncodeRows(r.data, v[i*y.dims:], r.n, y.dims, rowFormat(y.format)); over > 0 {
			l.overflow += int64(over)
			if y.format == F16 {
				y.widen(l.cache.pool)
				kernel.EncodeRows(r.data, v[i*y.dims:], r.n, y.dims, rowFormat(y.format))
			}
		}
		i += r.n
	}
}

// encodeValueBlocks appends values to a grouped stream: tokens that fill the last block up, then whole blocks.
func (l *Lane) encodeValueBlocks(y *stream, v []float32, n int) {
	sc := getScratch()
	defer sc.put()
	f, pool := blockFormat(y.format, blockTokens), l.cache.pool
	full := bytesOf(&sc.rows, y.block)
	for n > 0 {
		in := y.n % blockTokens
		m := min(n, blockTokens-in)
		l.overflow += int64(kernel.EncodeGroupV(full, v, m, y.dims, f))
		off := y.n / blockTokens * y.block
		if in > 0 {
			// Each token has its own steps and minima, so the new ones move in beside those that are there.
			old := bytesOf(&sc.page, y.block)
			copy(old, y.view(pool, off, y.block, &sc.page))
			for t := range m {
				kernel.MoveGroupV(old, in+t, f, full, t, f, y.dims)
			}
			y.write(pool, off, old)
		} else {
			y.write(pool, off, full)
		}
		y.n += m
		y.size = off + y.block
		v, n = v[m*y.dims:], n-m
	}
}

// widen turns an f16 stream to bf16 in place: both take two bytes, so no page is needed. Seven mantissa bits are lost
// where clamping would have lost the value.
func (s *stream) widen(pool *Pool) {
	s.format = BF16
	var buf [256]float32
	for i := range s.ids {
		r := s.pageRun(pool.page(s.ids[i]), min(s.per, s.n-i*s.per))
		for at := 0; at < len(r.data); at += 2 * len(buf) {
			part := r.data[at:min(len(r.data), at+2*len(buf))]
			kernel.DecodeRows(buf[:], part, 1, len(part)/2, kernel.RowF16)
			kernel.EncodeRows(part, buf[:], 1, len(part)/2, kernel.RowBF16)
		}
	}
}

func gatherChannels(dst, src []float32, channels []uint16, n, d int) []float32 {
	w := len(channels)
	for i := range n {
		for j, c := range channels {
			dst[i*w+j] = src[i*d+int(c)]
		}
	}
	return dst
}
