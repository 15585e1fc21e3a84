package kvcache

import (
	"fmt"
	"math"
	"slices"

	"pith/kernel"
)

// Sketches. Beside its entries a lane keeps a rough copy of every kernel.SketchTokens of them: the keys in 2 bits, turned and with a scale for each, the mean v̄ of every
// meanTokens values, and the distance of each value from its mean in a byte. A query that looks at the sketch first knows about how much attention each entry gets, and
// what the output loses where the mean stands for the entry's value,
//
//	p̂_j = softmax(q·k̂_j)        loss_j = p̂_j ‖v_j - v̄_j‖,
//
// reads those with the largest losses exactly, and attends to the others by the mean of the values around them, with the weight that p̂ gives them. A sketch takes a tenth
// of the entries' bytes in f16; bounds over 8 entries take an eighth, and know blocks and not entries. Entries behind the last whole block are not sketched; they are the newest.
//
// Blocks of keys are rows of a stream of their own, and so are mean values and distances, in pages that are counted as everything else. What is sketched is what is stored.

const (
	sketchTokens = kernel.SketchTokens // entries of a block
	meanTokens   = kernel.MeanTokens   // of them that share a mean value
	means        = sketchTokens / meanTokens
)

// The streams of a sketch.
const (
	sketchKeys = iota
	sketchMeans
	sketchDeviations
)

// SetSketch makes every lane keep a sketch. It must be called before the first entry, and excludes bounds.
func (c *Cache) SetSketch() error {
	if len(c.bounds) > 0 {
		return fmt.Errorf("kvcache: sketch: the cache keeps bounds")
	}
	if c.Bytes() > 0 {
		return fmt.Errorf("kvcache: sketch: the cache holds %d bytes of entries already", c.Bytes())
	}
	for _, y := range newSketch(c.pool.pageBytes, c.shape.HeadDim) {
		if !y.fits() {
			return fmt.Errorf("kvcache: sketch: %d entries of %d channels do not fit in a page of %d bytes", sketchTokens, c.shape.HeadDim, c.pool.pageBytes)
		}
	}
	c.sketch = true
	return nil
}

// newSketch is the empty streams of sketched blocks of d channels: keys, mean values in bf16, whose range holds any, and a byte for each value's distance from its mean.
func newSketch(pageBytes, d int) []stream {
	rows := func(bytes int) stream {
		return stream{layout: layout{pageBytes: pageBytes, format: BF16, dims: d, span: sketchTokens, rowBytes: bytes, per: pageBytes / bytes}}
	}
	return []stream{rows(kernel.SketchBytes(d)), rows(means * kernel.RowBF16.Bytes(d)), rows(sketchTokens)}
}

// addSketch sketches the blocks that the entries from slot from on complete.
func (l *Lane) addSketch(s *segment, from int) {
	sc := getScratch()
	defer sc.put()
	d, pool := l.HeadDim(), l.cache.pool
	keys, values, deviations := &s.bounds[sketchKeys], &s.bounds[sketchMeans], &s.bounds[sketchDeviations]
	for b := from / sketchTokens; b*sketchTokens < s.len(); b++ {
		if b == keys.n {
			keys.tailRun(pool, 1)
			values.tailRun(pool, 1)
			deviations.tailRun(pool, 1)
		}
		lo := b * sketchTokens
		if lo+sketchTokens > s.len() {
			return
		}
		k, v := floats(&sc.k, sketchTokens*d), floats(&sc.v, sketchTokens*d)
		l.decode(s, lo, lo+sketchTokens, k, v, nil)
		codes := deviations.sketched(pool, b)
		for m := range means {
			group := v[m*meanTokens*d : (m+1)*meanTokens*d]
			mean := floats(&sc.tile, d)
			clear(mean)
			for t := range meanTokens {
				kernel.Add(mean, group[t*d:(t+1)*d])
			}
			kernel.Scale(mean, -1.0/meanTokens)
			for t := range meanTokens {
				x := group[t*d : (t+1)*d]
				kernel.Add(x, mean)
				codes[m*meanTokens+t] = kernel.DeviationByte(float32(math.Sqrt(float64(kernel.SumSquares(x)))))
			}
			kernel.Scale(mean, -1)
			copy(v[m*d:(m+1)*d], mean) // in the place of values that are done
		}
		kernel.EncodeSketch(keys.sketched(pool, b), k, d)
		kernel.EncodeRows(values.sketched(pool, b), v, means, d, kernel.RowBF16)
	}
}

// sketched is the memory of block b.
func (s *stream) sketched(pool *Pool, b int) []byte {
	return pool.page(s.ids[b/s.per])[b%s.per*s.rowBytes:][:s.rowBytes]
}

// glanceBlocks is how many blocks are looked at together: their scores stay in the first cache until they are weights.
const glanceBlocks = 16

// A Glance is what one query sees of a lane's sketch. It may be used again; the zero value is ready.
type Glance struct {
	pieces  []glancePiece
	n       int // slots of the lane
	queries kernel.SketchQueries
	weights []uint16  // [Group, n] 2^(score-top) in bf16, top being that of the piece, scores in units of ln 2; undefined where there is no sketch
	tops    []float32 // [pieces, Group] largest score
	sums    []float32 // [pieces, Group] of weights
	shares  []float32 // [pieces, Group]: a weight times that of its piece is a probability
	max     []float32 // [Group] largest score
	sum     []float32 // [Group] sum of 2^(score-max)
	loss    []float32 // [n]
	means   []float32 // [Group, mean values of all blocks] what each stands for
}

// glancePiece is whole blocks of one segment.
type glancePiece struct {
	segment  int32
	block, n int32 // the first of them, and how many
	slot     int   // of the lane: the first block's first entry
}

// Begin makes the glance that of a query at a lane, and returns the number of pieces that must be looked at.
func (look *Glance) Begin(l *Lane, q *Query) (pieces int) {
	g := q.Group
	look.n = l.Len()
	look.pieces = look.pieces[:0]
	slot := 0
	for i := range l.segs {
		whole := l.segs[i].len() / sketchTokens
		for b := 0; b < whole; b += glanceBlocks {
			look.pieces = append(look.pieces, glancePiece{int32(i), int32(b), int32(min(glanceBlocks, whole-b)), slot + b*sketchTokens})
		}
		slot += l.segs[i].len()
	}
	look.weights = slices.Grow(look.weights[:0], g*look.n)[:g*look.n]
	for _, x := range []*[]float32{&look.tops, &look.sums, &look.shares} {
		floats(x, g*len(look.pieces))
	}
	scale := q.Scale
	if q.SoftCap <= 0 {
		scale *= math.Log2E
	}
	look.queries.Set(q.Q[:g*l.HeadDim()], g, l.HeadDim(), scale)
	return len(look.pieces)
}

// Look looks at the i-th piece. Several threads may look at the pieces of a lane at once. Bytes of entries are not touched, and the visible range of the query is
// not looked at.
func (look *Glance) Look(l *Lane, q *Query, i int, sc *AttendScratch) {
	p := &look.pieces[i]
	y, pool := &l.segs[p.segment].bounds[sketchKeys], l.cache.pool
	// The block behind those of the piece is there to be asked for.
	sc.rows = sc.rows[:0]
	for b := int(p.block); b < min(int(p.block+p.n)+1, l.segs[p.segment].len()/sketchTokens); b++ {
		sc.rows = append(sc.rows, &y.sketched(pool, b)[0])
	}
	n := int(p.n) * sketchTokens
	scores := floats(&sc.scores, q.Group*n)
	look.queries.Dot(scores, n, sc.rows, int(p.n))
	for h := range q.Group {
		row := scores[h*n : (h+1)*n]
		if q.SoftCap > 0 {
			kernel.SoftCap(row, q.SoftCap)
			kernel.Scale(row, math.Log2E)
		}
		look.tops[i*q.Group+h], look.sums[i*q.Group+h] = kernel.SketchWeights(look.weights[h*look.n+p.slot:], row)
	}
}

// Loss returns about how far the output moves where a slot is not read, added over the group, once all pieces have been looked at: infinitely far where there is no
// sketch, and at how many there is none. Borrowed until the glance begins anew.
func (look *Glance) Loss(l *Lane, q *Query) (loss []float32, bare int) {
	g, n := q.Group, look.n
	loss, top, sum := floats(&look.loss, n), floats(&look.max, g), floats(&look.sum, g)
	for h := range g {
		top[h] = float32(math.Inf(-1))
		for i := h; i < len(look.tops); i += g {
			top[h] = max(top[h], look.tops[i])
		}
		var total float64
		for i := h; i < len(look.tops); i += g {
			look.shares[i] = float32(math.Exp2(float64(look.tops[i] - top[h])))
			total += float64(look.shares[i]) * float64(look.sums[i])
		}
		sum[h] = float32(total)
		for i := h; i < len(look.tops); i += g {
			look.shares[i] = float32(float64(look.shares[i]) / total)
		}
	}
	for i := range look.pieces {
		p := &look.pieces[i]
		y := &l.segs[p.segment].bounds[sketchDeviations]
		for b := 0; b < int(p.n); { // the blocks that lie in one page
			first := int(p.block) + b
			run := min(int(p.n)-b, y.per-first%y.per)
			slot, tokens := p.slot+b*sketchTokens, run*sketchTokens
			page := l.cache.pool.page(y.ids[first/y.per])[first%y.per*sketchTokens:]
			kernel.SketchLoss(loss[slot:slot+tokens], look.weights[slot:], n, look.shares[i*g:(i+1)*g], page[:tokens])
			b += run
		}
	}
	base := 0
	for i := range l.segs {
		end := base + l.segs[i].len()
		for j := base + l.segs[i].len()/sketchTokens*sketchTokens; j < end; j++ {
			loss[j] = float32(math.Inf(1))
			bare++
		}
		base = end
	}
	return loss, bare
}

// Rest is the attention of the query that glanced over the sketched entries outside of q.Slots, by the means of their blocks' values, written to p. To be folded
// with that over the slots. The glance is used up.
func (look *Glance) Rest(p *Partial, l *Lane, q *Query, sc *AttendScratch) {
	g, d, n := q.Group, l.HeadDim(), look.n
	p.Reset(g, d)
	count := 0
	for i := range look.pieces {
		count += int(look.pieces[i].n) * means
	}
	if count == 0 {
		return
	}
	for _, slot := range q.Slots {
		look.loss[slot] = -1
	}
	weights := floats(&look.means, g*count)
	for h := range g {
		w := weights[h*count : (h+1)*count]
		var total float64
		at := 0
		for i := range look.pieces {
			piece := &look.pieces[i]
			part := w[at:][:int(piece.n)*means]
			kernel.SketchRest(part, look.weights[h*n+piece.slot:], look.loss[piece.slot:])
			kernel.Scale(part, look.shares[i*g+h])
			for _, x := range part {
				total += float64(x)
			}
			at += len(part)
		}
		if total > 0 {
			kernel.Scale(w, float32(1/total))
			p.Max[h], p.Sum[h] = look.max[h]*math.Ln2, float32(float64(look.sum[h])*total)
		}
	}
	sc.pages = sc.pages[:0]
	for i := range l.segs {
		y, whole := &l.segs[i].bounds[sketchMeans], l.segs[i].len()/sketchTokens
		for b := 0; b < whole; b += y.per {
			n := min(y.per, whole-b)
			sc.pages = append(sc.pages, kernel.RowPage{Rows: l.cache.pool.page(y.ids[b/y.per])[:n*y.rowBytes], N: n * means})
		}
	}
	kernel.AccumulatePages(p.Acc, weights, count, sc.pages, len(sc.pages), g, d, kernel.RowBF16)
}
