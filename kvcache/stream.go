package kvcache

import (
	"sort"

	"pith/kernel"
)

// stream is an append-only sequence of encoded entries in pages: the keys or the values of one segment.
type stream struct {
	layout
	ids  []pageID
	n    int      // entries
	size int      // grouped: bytes used
	recs []record // grouped keys
}

// record says where a group of keys begins: its first slot and its offset in the stream's bytes.
type record struct{ slot, off int32 }

func (s *stream) clear() { s.ids, s.recs, s.n, s.size = nil, nil, 0, 0 }

// recordOf is the record that holds a slot.
func (s *stream) recordOf(slot int) int {
	return sort.Search(len(s.recs), func(i int) bool { return int(s.recs[i].slot) > slot }) - 1
}

// recordLen is the number of entries of record i.
func (s *stream) recordLen(i int) int {
	if i+1 < len(s.recs) {
		return int(s.recs[i+1].slot - s.recs[i].slot)
	}
	return s.n - int(s.recs[i].slot)
}

// view returns n bytes at off of the stream's bytes: page memory where they lie in one page or in neighbours, as pages taken
// together mostly are, else a copy in buf.
func (s *stream) view(pool *Pool, off, n int, buf *[]byte) []byte {
	page, at := off/s.pageBytes, off%s.pageBytes
	if at+n <= s.pageBytes {
		return pool.page(s.ids[page])[at : at+n]
	}
	if mem := pool.pages(s.ids[page : (off+n-1)/s.pageBytes+1]); mem != nil {
		return mem[at : at+n]
	}
	out := bytesOf(buf, n)
	for done := 0; done < n; page, at = page+1, 0 {
		done += copy(out[done:], pool.page(s.ids[page])[at:])
	}
	return out
}

// ahead asks for n bytes at off, which a coming call reads: the processor's own prefetching ends with each 4 KiB of memory.
func (s *stream) ahead(pool *Pool, off, n int) {
	for page, at := off/s.pageBytes, off%s.pageBytes; n > 0 && page < len(s.ids); page, at = page+1, 0 {
		part := pool.page(s.ids[page])[at:]
		part = part[:min(n, len(part))]
		kernel.Prefetch(part)
		n -= len(part)
	}
}

// write stores data at off of the stream's bytes. What view returned in place may be written there again.
func (s *stream) write(pool *Pool, off int, data []byte) {
	page, at := off/s.pageBytes, off%s.pageBytes
	for len(data) > 0 {
		data = data[copy(pool.page(s.ids[page])[at:], data):]
		page, at = page+1, 0
	}
}

// cursor walks the runs of a stream from a slot on, ascending.
type cursor struct {
	s    *stream
	pool *Pool
	buf  *[]byte // for what crosses a page
	slot int     // of the next entry
	rec  int     // grouped keys: the record that holds it
	vals bool    // joint records: walk the values

	mem  []byte // bytes of the stream that lie together, …
	base int    // … from this offset on
}

// from returns a cursor at slot: O(1), in grouped keys O(log n). buf may serve one cursor at a time; what next
// returns is borrowed until the next call.
func (s *stream) from(pool *Pool, slot int, buf *[]byte) cursor {
	c := cursor{s: s, pool: pool, buf: buf, slot: slot}
	if s.grouped && s.keys {
		c.rec = s.recordOf(slot)
	}
	return c
}

// next returns the run at the cursor, of at most limit entries, and the slot of its first entry; ok is false behind the
// last entry.
func (c *cursor) next(limit int) (r run, slot int, ok bool) {
	s := c.s
	if slot = c.slot; slot >= s.n || limit <= 0 {
		return run{}, slot, false
	}
	var lo int
	switch {
	case !s.grouped:
		page := slot / s.per
		lo = slot - page*s.per
		r = s.pageRun(c.pool.page(s.ids[page]), min(s.per, s.n-page*s.per))
		s.ahead(c.pool, (page+1)*s.pageBytes+s.rowsAt, s.per*s.rowBytes)
	case s.keys:
		rec, n := s.recs[c.rec], s.recordLen(c.rec)
		lo = slot - int(rec.slot)
		p := s.parts(n)
		if keyPart := p.codes + p.meta; c.vals {
			r = run{n: n, held: n, data: s.view(c.pool, int(rec.off)+keyPart, p.values, c.buf)}
			s.ahead(c.pool, int(rec.off)+2*keyPart+p.values, p.values)
		} else {
			r = s.recordRun(s.view(c.pool, int(rec.off), keyPart, c.buf), n)
			s.ahead(c.pool, int(rec.off)+keyPart+p.values, keyPart)
		}
	default:
		block := slot / blockTokens
		lo = slot - block*blockTokens
		r = run{n: min(blockTokens, s.n-block*blockTokens), held: blockTokens, data: s.view(c.pool, block*s.block, s.block, c.buf)}
		s.ahead(c.pool, (block+1)*s.block, s.block)
	}
	hi := min(r.n, lo+limit)
	if hi == r.n {
		c.rec++
	}
	r = r.slice(&s.layout, lo, hi)
	c.slot += r.n
	return r, slot, true
}

// block is next for attention, which wants no positions, at a slot before limit: it fills r but for those, and returns what lies behind in
// memory as far as the next record's keys. Reading them in this order, the values for a later pass, is reading memory front to back.
func (c *cursor) block(r *run, limit int) (next []byte) {
	s := c.s
	if !s.grouped || !s.keys {
		*r, _, _ = c.next(limit)
		return nil
	}
	rec, n := s.recs[c.rec], s.recordLen(c.rec)
	p := s.parts(n)
	off, size := int(rec.off), p.codes
	if c.vals {
		off, size = off+p.codes+p.meta, p.values
	}
	r.data = c.view(off, size)
	r.lo = c.slot - int(rec.slot)
	r.n = min(n-r.lo, limit)
	r.held = n
	if !c.vals {
		from := off + p.codes + p.meta - c.base
		if to := min(len(c.mem), from+p.values+p.codes); from >= 0 && from < to {
			next = c.mem[from:to]
		}
	}
	c.slot += r.n
	if r.lo+r.n == n {
		c.rec++
	}
	return next
}

// blocks is the memory of whole records at the cursor that lie together, count of them and step bytes apart: their keys or their values, the first
// record's at the start. The cursor moves on behind them, but not beyond limit entries.
func (c *cursor) blocks(limit int) (mem []byte, step, count int) {
	s := c.s
	if !s.grouped || !s.keys {
		return nil, 0, 0
	}
	group := s.format.GroupTokens()
	p := &s.whole
	step = p.codes + p.meta + p.values
	first := s.recs[c.rec]
	if int(first.slot) != c.slot || limit < group || s.recordLen(c.rec) != group {
		return nil, 0, 0
	}
	at, size := int(first.off), p.codes
	if c.vals {
		at, size = at+p.codes+p.meta, p.values
	}
	mem = c.view(at, size)
	at -= c.base
	if at < 0 || at+size > len(c.mem) {
		return mem, step, c.pass(1, group) // a copy
	}
	mem = c.mem[at:]
	most := min(limit/group, (len(mem)-size)/step+1)
	for count = 1; count < most; count++ {
		r := s.recs[c.rec+count]
		if int(r.slot) != c.slot+count*group || int(r.off) != int(first.off)+count*step || s.recordLen(c.rec+count) != group {
			break
		}
	}
	return mem, step, c.pass(count, group)
}

// pass moves on by count whole records.
func (c *cursor) pass(count, group int) int {
	c.rec += count
	c.slot += count * group
	return count
}

// togetherPages is how many pages ahead a cursor looks for memory that lies together.
const togetherPages = 32

// view is that of the stream, which it asks only where a stretch of memory that lies together ends.
func (c *cursor) view(off, n int) []byte {
	if at := off - c.base; at >= 0 && at+n <= len(c.mem) {
		return c.mem[at : at+n]
	}
	s := c.s
	page := off / s.pageBytes
	end := min(len(s.ids), page+togetherPages)
	for c.mem = nil; c.mem == nil; end = page + (end-page)/2 {
		c.mem = c.pool.pages(s.ids[page:end])
	}
	c.base = page * s.pageBytes
	if at := off - c.base; at+n <= len(c.mem) {
		return c.mem[at : at+n]
	}
	return s.view(c.pool, off, n, c.buf)
}

// rowPages appends the memory of the entries of a row stream in slots [from, to), at most most pages of it. The pool is asked only where pages do
// not follow each other.
func (s *stream) rowPages(pool *Pool, dst []kernel.RowPage, from, to, most int) []kernel.RowPage {
	if from >= to {
		return dst
	}
	var mem []byte
	i := from / s.per
	lo := from - i*s.per
	for ; from < to && most > 0; most-- {
		if len(mem) >= 2*s.pageBytes && s.ids[i] == s.ids[i-1]+1 {
			mem = mem[s.pageBytes:]
		} else {
			mem = pool.pagesFrom(s.ids[i])
		}
		n := min(s.per-lo, to-from)
		at := s.rowsAt + lo*s.rowBytes
		dst = append(dst, kernel.RowPage{Rows: mem[at : at+n*s.rowBytes], N: n})
		from += n
		i, lo = i+1, 0
	}
	return dst
}

// need is the number of pages that appending n entries takes.
func (s *stream) need(n int) int {
	switch {
	case s.hosted:
		return 0
	case !s.grouped:
		return (s.n+n+s.per-1)/s.per - len(s.ids)
	case s.keys:
		return (s.size+s.bytes(n)+s.pageBytes-1)/s.pageBytes - len(s.ids)
	}
	return s.pages(s.n+n) - len(s.ids)
}

// tailRun reserves at most n entries behind those of a row stream whose pages are there, and returns them for writing.
func (s *stream) tailRun(pool *Pool, n int) run {
	page, in := s.n/s.per, s.n%s.per
	n = min(n, s.per-in)
	r := s.pageRun(pool.page(s.ids[page]), in+n).slice(&s.layout, in, in+n)
	s.n += n
	return r
}
