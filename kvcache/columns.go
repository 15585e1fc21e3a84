package kvcache

import (
	"encoding/binary"
	"math"
)

// columnOff is the offset of column c of entry i in record r of a grouped key stream.
func (s *stream) columnOff(c, r, i int) int {
	n := s.recordLen(r)
	return int(s.recs[r].off) + s.codeBytes(n) + s.columnAt(c, n) + i*s.widths[c]
}

// readColumn copies the raw values of a side column from slot lo on to dst, as many as it holds, and returns it.
func (s *stream) readColumn(pool *Pool, c, lo int, dst []byte) []byte {
	w := s.widths[c]
	s.eachColumn(pool, c, lo, len(dst)/w, func(at int, data []byte) { copy(dst[at*w:], data) })
	return dst
}

// writeColumn stores raw values of a side column from slot lo on.
func (s *stream) writeColumn(pool *Pool, c, lo int, src []byte) {
	w := s.widths[c]
	s.eachColumn(pool, c, lo, len(src)/w, func(at int, data []byte) { copy(data, src[at*w:]) })
}

// eachColumn calls f with the memory of column c, stretch by stretch, for n entries from slot lo on; at is the first entry's index among
// them.
func (s *stream) eachColumn(pool *Pool, c, lo, n int, f func(at int, data []byte)) {
	w := s.widths[c]
	for at := 0; at < n; {
		slot := lo + at
		if !s.grouped {
			in := slot % s.per
			m := min(n-at, s.per-in)
			r := s.pageRun(pool.page(s.ids[slot/s.per]), s.per)
			f(at, r.column(&s.layout, c)[in*w:(in+m)*w])
			at += m
			continue
		}
		rec := s.recordOf(slot)
		in := slot - int(s.recs[rec].slot)
		m := min(n-at, s.recordLen(rec)-in)
		for off := s.columnOff(c, rec, in); m > 0; {
			page, here := off/s.pageBytes, off%s.pageBytes
			k := min(m, (s.pageBytes-here)/w)
			f(at, pool.page(s.ids[page])[here:here+k*w])
			at, m, off = at+k, m-k, off+k*w
		}
	}
}

// ReadColumn writes side column c of every slot to dst [Len], as float32.
func (l *Lane) ReadColumn(c int, dst []float32) {
	kind := l.cache.columns[c].Kind
	base := 0
	for i := range l.segs {
		s := &l.segs[i]
		s.keys.eachColumn(l.cache.pool, c, 0, s.len(), func(at int, data []byte) { kind.load(dst[base+at:], data) })
		base += s.len()
	}
}

// WriteColumn stores side column c of every slot from src [Len].
func (l *Lane) WriteColumn(c int, src []float32) {
	kind := l.cache.columns[c].Kind
	base := 0
	for i := range l.segs {
		s := &l.segs[i]
		s.keys.eachColumn(l.cache.pool, c, 0, s.len(), func(at int, data []byte) { kind.store(data, src[base+at:]) })
		base += s.len()
	}
}

// AddColumn turns side column c into keep times what it was plus src [Len], slot by slot: what a decode step does with the mass that Attend
// returned.
func (l *Lane) AddColumn(c int, keep float32, src []float32) {
	kind := l.cache.columns[c].Kind
	w := kind.bytes()
	base := 0
	for i := range l.segs {
		s := &l.segs[i]
		s.keys.eachColumn(l.cache.pool, c, 0, s.len(), func(at int, data []byte) {
			var one [1]float32
			for j := 0; j < len(data)/w; j++ {
				kind.load(one[:], data[j*w:(j+1)*w])
				one[0] = keep*one[0] + src[base+at+j]
				kind.store(data[j*w:(j+1)*w], one[:])
			}
		})
		base += s.len()
	}
}

func (k ColumnKind) load(dst []float32, data []byte) {
	switch k {
	case ColumnF32:
		for i := 0; i < len(data)/4; i++ {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
	case ColumnU16:
		for i := 0; i < len(data)/2; i++ {
			dst[i] = float32(binary.LittleEndian.Uint16(data[2*i:]))
		}
	case ColumnU8:
		for i, b := range data {
			dst[i] = float32(b)
		}
	}
}

func (k ColumnKind) store(data []byte, src []float32) {
	round := func(v float32, top float64) float64 { return min(max(math.RoundToEven(float64(v)), 0), top) }
	switch k {
	case ColumnF32:
		for i := 0; i < len(data)/4; i++ {
			binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(src[i]))
		}
	case ColumnU16:
		for i := 0; i < len(data)/2; i++ {
			binary.LittleEndian.PutUint16(data[2*i:], uint16(round(src[i], 65535)))
		}
	case ColumnU8:
		for i := range data {
			data[i] = uint8(round(src[i], 255))
		}
	}
}
