package kvcache

import (
	"fmt"

	"pith/kernel"
)

// Sketches. Beside its entries a lane keeps a rough copy of every sketchTokens of them: the keys in 2 bits, with a step and a minimum for each
// channel (KIVI's keys, arXiv 2402.02750, section 3), and the mean of every meanTokens values. A query that looks at the sketch first knows about how much attention each
// entry gets,
//
//	p̂_j = softmax(q·k̂_j),
//
// reads those with the most exactly, and attends to the others by the mean of the values around them, with the weight that p̂ gives them. A sketch takes an eighth
// of the entries' bytes in f16, as bounds over 8 entries do, which know blocks and not entries. Entries behind the last whole block are not sketched; they are the newest.
//
// Blocks are rows of a stream of their own, in pages that are counted as everything else. What is sketched is what is stored.

const (
	sketchTokens = 32 // entries of a block
	meanTokens   = 16 // of them that share a mean value
	means        = sketchTokens / meanTokens
)

var sketchKeys = kernel.GroupFormat{Bits: 2, Group: sketchTokens}

// SetSketch makes every lane keep a sketch. It must be called before the first entry, and excludes bounds.
func (c *Cache) SetSketch() error {
	if len(c.bounds) > 0 {
		return fmt.Errorf("kvcache: sketch: the cache keeps bounds")
	}
	if c.Bytes() > 0 {
		return fmt.Errorf("kvcache: sketch: the cache holds %d bytes of entries already", c.Bytes())
	}
	if y := newSketch(c.pool.pageBytes, c.shape.HeadDim); !y.fits() {
		return fmt.Errorf("kvcache: sketch: %d entries of %d channels do not fit in a page of %d bytes", sketchTokens, c.shape.HeadDim, c.pool.pageBytes)
	}
	c.sketch = true
	return nil
}

// newSketch is an empty stream of sketched blocks of d channels: keys, then mean values in bf16, whose range holds any.
func newSketch(pageBytes, d int) stream {
	y := layout{pageBytes: pageBytes, format: BF16, dims: d, span: sketchTokens, rowBytes: sketchKeys.KeyBytes(d) + means*kernel.RowBF16.Bytes(d)}
	y.per = pageBytes / y.rowBytes
	return stream{layout: y}
}

// addSketch sketches the blocks that the entries from slot from on complete.
func (l *Lane) addSketch(s *segment, y *stream, from int) {
	sc := getScratch()
	defer sc.put()
	d := l.HeadDim()
	for b := from / sketchTokens; b*sketchTokens < s.len(); b++ {
		if b == y.n {
			y.tailRun(l.cache.pool, 1)
		}
		lo := b * sketchTokens
		if lo+sketchTokens > s.len() {
			return
		}
		k, v := floats(&sc.k, sketchTokens*d), floats(&sc.v, sketchTokens*d)
		l.decode(s, lo, lo+sketchTokens, k, v, nil)
		for m := range means {
			mean := v[m*d : (m+1)*d]
			copy(mean, v[m*meanTokens*d:])
			for t := 1; t < meanTokens; t++ {
				kernel.Add(mean, v[(m*meanTokens+t)*d:][:d])
			}
			kernel.Scale(mean, 1.0/meanTokens)
		}
		block := y.sketched(l.cache.pool, b)
		kernel.EncodeGroupK(block, k, sketchTokens, d, sketchKeys)
		kernel.EncodeRows(block[sketchKeys.KeyBytes(d):], v, means, d, kernel.RowBF16)
	}
}

// sketched is the memory of block b.
func (s *stream) sketched(pool *Pool, b int) []byte {
	return pool.page(s.ids[b/s.per])[b%s.per*s.rowBytes:][:s.rowBytes]
}

// A Glance is what one query sees of a lane's sketch. It may be used again; the zero value is ready.
type Glance struct {
	n        int
	probs    []float32 // [Group, n] of sketched entries, in slot order
	max, sum []float32 // [Group] largest score, and the sum of exp(score-max)
	mass     []float32 // [n] over the group
	weights  []float32 // [Group, means]
}

// Glance looks at the whole sketch. It appends to mass about how much attention every unit of entries gets, added over the group, and to slots the units. Units
// divide sketchTokens; entries behind the last whole block of a segment are one span of more mass than any other can have. Bytes of entries are not touched,
// and the visible range of the query is not looked at.
func (l *Lane) Glance(look *Glance, unit int, mass []float32, slots []Span, q *Query) ([]float32, []Span) {
	g, d, pool := q.Group, l.HeadDim(), l.cache.pool
	n := 0
	for i := range l.segs {
		n += l.segs[i].len() / sketchTokens * sketchTokens
	}
	look.n = n
	floats(&look.max, g)
	floats(&look.sum, g)
	probs := floats(&look.probs, g*n)
	at := 0
	for i := range l.segs {
		y := &l.segs[i].bounds[0]
		for b, whole := 0, l.segs[i].len()/sketchTokens; b < whole; {
			count := min(whole-b, y.per-b%y.per)
			mem := pool.page(y.ids[b/y.per])[b%y.per*y.rowBytes:]
			kernel.DotBlocksK(probs[at:], n, q.Q[:g*d], mem, y.rowBytes, count, g, d, sketchKeys)
			at += count * sketchTokens
			b += count
		}
	}
	total := floats(&look.mass, n)
	clear(total)
	for h := range g {
		row, scale := probs[h*n:(h+1)*n], q.Scale
		if q.SoftCap > 0 {
			kernel.Scale(row, scale)
			kernel.SoftCap(row, q.SoftCap)
			scale = 1
		}
		look.max[h], look.sum[h] = kernel.SoftmaxScaled(row, scale)
		kernel.Add(total, row)
	}
	base := 0
	at = 0
	for i := range l.segs {
		entries := l.segs[i].len()
		whole := entries / sketchTokens * sketchTokens
		for slot := 0; slot < whole; slot += unit {
			slots = append(slots, Span{base + slot, base + slot + unit})
			mass = append(mass, sum(total[at+slot:at+slot+unit]))
		}
		at += whole
		if whole < entries {
			mass, slots = append(mass, float32(g+1)), append(slots, Span{base + whole, base + entries})
		}
		base += entries
	}
	return mass, slots
}

// Rest is the attention of the query that glanced over the sketched entries outside of q.Spans, by the means of their blocks' values, written to p. To be folded
// with that over the spans. The glance is used up.
func (l *Lane) Rest(p *Partial, look *Glance, q *Query, sc *AttendScratch) {
	g, d, n := q.Group, l.HeadDim(), look.n
	p.Reset(g, d)
	if n == 0 {
		return
	}
	base, at, next := 0, 0, 0
	for i := range l.segs {
		entries := l.segs[i].len()
		whole := entries / sketchTokens * sketchTokens
		for ; next < len(q.Spans) && q.Spans[next].Lo < base+entries; next++ {
			lo, hi := max(q.Spans[next].Lo-base, 0), min(q.Spans[next].Hi-base, whole)
			for h := range g {
				if lo < hi {
					clear(look.probs[h*n+at+lo : h*n+at+hi])
				}
			}
			if q.Spans[next].Hi > base+entries { // goes on in the next segment
				break
			}
		}
		base, at = base+entries, at+whole
	}
	count := n / meanTokens
	weights := floats(&look.weights, g*count)
	for h := range g {
		var total float64
		for b := range count {
			w := sum(look.probs[h*n+b*meanTokens:][:meanTokens])
			weights[h*count+b] = w
			total += float64(w)
		}
		if total == 0 {
			continue
		}
		kernel.Scale(weights[h*count:(h+1)*count], float32(1/total))
		p.Max[h], p.Sum[h] = look.max[h], float32(float64(look.sum[h])*total)
	}
	sc.pages = sc.pages[:0]
	keyBytes := sketchKeys.KeyBytes(d)
	for i := range l.segs {
		y := &l.segs[i].bounds[0]
		for b := range l.segs[i].len() / sketchTokens {
			sc.pages = append(sc.pages, kernel.RowPage{Rows: y.sketched(l.cache.pool, b)[keyBytes:], N: means})
		}
	}
	kernel.AccumulatePages(p.Acc, weights, count, sc.pages, len(sc.pages), g, d, kernel.RowBF16)
}

// sum adds in four chains.
func sum(x []float32) float32 {
	var a, b, c, d float32
	for ; len(x) >= 4; x = x[4:] {
		a, b, c, d = a+x[0], b+x[1], c+x[2], d+x[3]
	}
	for _, v := range x {
		a += v
	}
	return a + b + (c + d)
}
