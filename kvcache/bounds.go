package kvcache

import (
	"fmt"
	"math"

	"pith/kernel"
	"pith/quant"
)

// Bounds. Quest (arXiv 2406.10774) reads only the pages that can matter to a query: of every block of entries it keeps the
// smallest and the largest value of each key channel, and
//
//	U = Σ_c max(q_c min_c, q_c max_c) = min(q,0)·min + max(q,0)·max
//
// is at least the score of any entry inside. The second form is one dot product with a stored row [min | max], so bounds are rows
// of 2d channels in pages of their own, counted as everything else. A second level with longer blocks prunes the first (a
// hierarchy over super-pages). Bounds are those of the keys as stored, and each is the next number of its format outwards,
// so that the rounding of the dot product cannot bring it below a true score.

// SetBounds makes every lane keep bounds of its keys over blocks of so many slots, for each level, each a multiple of the one before.
// It must be called before the first entry. Without levels no bounds are kept.
func (c *Cache) SetBounds(spans ...int) error {
	last := 1
	for _, n := range spans {
		if n <= 0 || n%last != 0 {
			return fmt.Errorf("kvcache: bounds over %d slots: not a multiple of %d", n, last)
		}
		last = n
	}
	if c.sketch {
		return fmt.Errorf("kvcache: bounds: the cache keeps a sketch")
	}
	if c.Bytes() > 0 {
		return fmt.Errorf("kvcache: bounds: the cache holds %d bytes of entries already", c.Bytes())
	}
	y := newBounds(c.pool.pageBytes, F32, c.shape.HeadDim, 1)
	if !y.fits() {
		return fmt.Errorf("kvcache: bounds: %d channels do not fit in a page of %d bytes", c.shape.HeadDim, c.pool.pageBytes)
	}
	c.bounds = append([]int(nil), spans...)
	return nil
}

// newBounds is an empty stream of bounds. Keys of quantised formats get bf16: a code times its f16 scale can lie beyond the
// range of f16, and a bound that clamps there is none; the precision lost is that of the codes.
func newBounds(pageBytes int, keys Format, dims, span int) stream {
	f := BF16
	if keys == F32 || keys == F16 {
		f = keys
	}
	y := layout{pageBytes: pageBytes, format: f, dims: 2 * dims, span: span}
	y.setRows()
	return stream{layout: y}
}

func blocks(n, span int) int { return (n + span - 1) / span }

// outward is the next number of a format beyond x: above for up, else below.
func outward(f Format, x float32, up bool) float32 {
	if !up {
		return -outward(f, -x, true)
	}
	switch f {
	case F32:
		return math.Nextafter32(x, math.MaxFloat32)
	case BF16:
		return nextHalf(x, quant.F32ToBF16, quant.BF16ToF32, 0x7f7f)
	}
	return nextHalf(x, quant.F32ToF16, quant.F16ToF32, 0x7bff)
}

// nextHalf is the smallest 16-bit float greater than x, at most the largest finite one.
func nextHalf(x float32, narrow func(float32) uint16, widen func(uint16) float32, largest uint16) float32 {
	top := widen(largest)
	if !(x < top) {
		return top
	}
	h := narrow(max(x, -top))
	for widen(h) <= x {
		switch {
		case h == 0x8000 || h == 0:
			h = 1
		case h > 0x8000:
			h--
		default:
			h++
		}
	}
	return widen(h)
}

// addBounds brings the bounds, or the sketch, up to date with the entries from slot from on.
func (l *Lane) addBounds(s *segment, from int) {
	if len(s.bounds) == 0 || from == s.len() {
		return
	}
	if l.cache.sketch {
		l.addSketch(s, from)
		return
	}
	sc := getScratch()
	defer sc.put()
	pool, w := l.cache.pool, s.keys.dims
	for c := s.keys.from(pool, from, &sc.page); c.slot < s.len(); {
		r, slot, _ := c.next(tileTokens)
		k := floats(&sc.k, r.n*w)
		decodeRun(&s.keys.layout, &r, k, &sc.tile)
		for i := range s.bounds {
			s.bounds[i].widenBy(pool, slot, k, floats(&sc.v, 2*w))
		}
	}
}

// tileTokens is the number of keys that are decoded at a time for their bounds.
const tileTokens = 64

// widenBy makes the bounds hold for the keys k of slots from slot on, the first of which may be inside a block that is there.
func (s *stream) widenBy(pool *Pool, slot int, k, row []float32) {
	w := s.dims / 2
	for n := len(k) / w; n > 0; {
		m := min(n, s.span-slot%s.span)
		fresh := slot%s.span == 0
		if fresh {
			s.tailRun(pool, 1)
		}
		at := s.n - 1
		r := s.pageRun(pool.page(s.ids[at/s.per]), s.per)
		data := r.data[at%s.per*s.rowBytes:][:s.rowBytes]
		if !fresh {
			kernel.DecodeRows(row, data, 1, s.dims, rowFormat(s.format))
		}
		for c := range w {
			lo, hi := k[c], k[c]
			for t := 1; t < m; t++ {
				lo, hi = min(lo, k[t*w+c]), max(hi, k[t*w+c])
			}
			lo, hi = outward(s.format, lo, false), outward(s.format, hi, true)
			if fresh {
				row[c], row[w+c] = lo, hi
			} else {
				row[c], row[w+c] = min(row[c], lo), max(row[w+c], hi)
			}
		}
		kernel.EncodeRows(data, row, 1, s.dims, rowFormat(s.format))
		slot, n, k = slot+m, n-m, k[m*w:]
	}
}

// cutBounds computes the bounds anew from slot from on, after entries behind it have moved, and appends the pages that became free.
func (l *Lane) cutBounds(s *segment, from int, free []pageID) []pageID {
	if len(s.bounds) == 0 {
		return free
	}
	// The longest blocks decide where to begin: all levels are rebuilt from the same slot.
	span := s.bounds[len(s.bounds)-1].span
	from = min(from, s.len()) / span * span
	for i := range s.bounds {
		b := &s.bounds[i]
		b.n = from / b.span
		keep := b.pages(blocks(s.len(), b.span))
		free = append(free, b.ids[keep:]...)
		b.ids = b.ids[:keep]
	}
	l.addBounds(s, from)
	return free
}

// Blocks is the number of blocks that a level of bounds has in this lane.
func (l *Lane) Blocks(level int) int {
	n := 0
	for i := range l.segs {
		n += l.segs[i].bounds[level].n
	}
	return n
}

// Bound appends, for every block of a level that reaches into the spans, for all blocks where within is nil, a number that no product q·k of the block
// and a head of the group exceeds, before scale and cap, and the block's slots, which do not reach over segments. Bounds of other blocks are not read.
// The visible range of the query is not looked at.
func (l *Lane) Bound(bounds []float32, slots []Span, level int, q *Query, within []Span, sc *AttendScratch) ([]float32, []Span) {
	g, d := q.Group, l.HeadDim()
	base := 0
	for i := range l.segs {
		s := &l.segs[i]
		b := &s.bounds[level]
		sc.pages = sc.pages[:0]
		before, next := len(slots), 0
		read := func(from, to int) {
			from = max(from, next)
			sc.pages = b.rowPages(l.cache.pool, sc.pages, from, to, to-from)
			for next = from; next < to; next++ {
				slots = append(slots, Span{base + next*b.span, base + min(s.len(), (next+1)*b.span)})
			}
		}
		if within == nil {
			read(0, b.n)
		}
		for _, span := range within {
			if lo, hi := max(span.Lo-base, 0), min(span.Hi-base, s.len()); lo < hi {
				read(lo/b.span, blocks(hi, b.span))
			}
		}
		base += s.len()
		n := len(slots) - before
		if n == 0 {
			continue
		}
		x, w := q.Q[:g*d], s.keys.dims
		if s.channels != nil {
			x = gatherChannels(floats(&sc.q, g*w), q.Q, s.channels, g, d)
		}
		signs := floats(&sc.signs, 2*g*w)
		for h := range g {
			for c, v := range x[h*w : (h+1)*w] {
				signs[2*h*w+c], signs[(2*h+1)*w+c] = min(v, 0), max(v, 0)
			}
		}
		products := floats(&sc.tmp, g*n)
		sc.queries.Set(signs, g, 2*w, rowFormat(b.format))
		sc.queries.DotPages(products, n, sc.pages, len(sc.pages))
		top := products[:n]
		for h := 1; h < g; h++ {
			for k, v := range products[h*n : (h+1)*n] {
				if v > top[k] {
					top[k] = v
				}
			}
		}
		bounds = append(bounds, top...)
	}
	return bounds, slots
}
