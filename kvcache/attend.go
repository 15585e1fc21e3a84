package kvcache

import (
	"math"
	"slices"
	"unsafe"

	"pith/kernel"
)

// PieceSlots is the most slots whose scores are normalised together. How a lane is cut into pieces depends on how much of it a query reads alone, not
// on threads, pages or history; their results are folded in ascending order.
const PieceSlots = 512

// pieceStep is the number of places of a piece, where so many are read: as many pieces as need be, as long as each other but for whole groups of quantised
// entries. Pieces of very different lengths are unequal shares for threads: of 717 entries, 512 and 205.
func pieceStep(places int) int {
	pieces := max(1, (places+PieceSlots-1)/PieceSlots)
	return max(1, (places+pieces*blockTokens-1)/(pieces*blockTokens)) * blockTokens
}

// Query is what a decode row asks of a lane: the query heads that share its KV head.
type Query struct {
	Q       []float32 // [Group, HeadDim], rotated at the row's position
	Group   int       // at most 64
	Scale   float32   // of the scores, 1/sqrt(HeadDim) in most models
	SoftCap float32   // 0 = none: scores become SoftCap*tanh(score/SoftCap)
	Lo      Position  // entries at smaller positions are hidden …
	Sinks   Position  // … but for those at positions below Sinks
	Spans   []Span    // nil: every slot; else only these are read, ascending and disjoint
	Slots   []int32   // in place of Spans, where stretches are of few slots each; ascending
}

// Span is a range of slots [Lo, Hi).
type Span struct{ Lo, Hi int }

// places is the number of slots that the query reads of a lane of so many. A slot's place is how many of them lie before it.
func (q *Query) places(slots int) int {
	if q.Slots != nil {
		return len(q.Slots)
	}
	if q.Spans == nil {
		return slots
	}
	n := 0
	for _, s := range q.Spans {
		n += s.Hi - s.Lo
	}
	return n
}

// behind is the query without the spans before the one that holds a place, and the number of places left out.
func (q *Query) behind(place int) (rest Query, skipped int) {
	rest = *q
	for len(rest.Spans) > 0 && skipped+rest.Spans[0].Hi-rest.Spans[0].Lo <= place {
		skipped += rest.Spans[0].Hi - rest.Spans[0].Lo
		rest.Spans = rest.Spans[1:]
	}
	return rest, skipped
}

// stretches calls f with the slots [from, to) that have the places [lo, hi), stretch by stretch, and with the place of each one's first.
func (q *Query) stretches(lo, hi int, f func(place, from, to int)) {
	if q.Spans == nil {
		f(lo, lo, hi)
		return
	}
	place := 0
	for _, s := range q.Spans {
		if place >= hi {
			return
		}
		if from, to := s.Lo+max(lo-place, 0), min(s.Hi, s.Lo+hi-place); from < to {
			f(place+from-s.Lo, from, to)
		}
		place += s.Hi - s.Lo
	}
}

// Partial is the attention over a part of a lane: enough to be folded with that over other parts.
type Partial struct {
	Max []float32 // [Group] largest score
	Sum []float32 // [Group] sum of exp(score-Max); 0 where nothing was visible
	Acc []float32 // [Group, HeadDim] weighted mean of the values
}

// Reset makes p the attention over nothing, of g heads with d channels. It allocates only to grow.
func (p *Partial) Reset(g, d int) {
	floats(&p.Max, g)
	floats(&p.Sum, g)
	floats(&p.Acc, g*d)
	for h := range g {
		p.Max[h] = float32(math.Inf(-1))
	}
	clear(p.Sum)
	clear(p.Acc)
}

// Fold adds o to p. Folding partials in ascending order is what Attend does itself, to the bit.
func (p *Partial) Fold(o *Partial) {
	g := len(p.Max)
	d := len(p.Acc) / max(g, 1)
	for h := range g {
		if o.Sum[h] == 0 {
			continue
		}
		acc := p.Acc[h*d : (h+1)*d]
		if p.Sum[h] == 0 {
			p.Max[h], p.Sum[h] = o.Max[h], o.Sum[h]
			copy(acc, o.Acc[h*d:])
			continue
		}
		a, b := float64(p.Sum[h]), float64(o.Sum[h])
		top := max(p.Max[h], o.Max[h])
		if p.Max[h] < top {
			a *= math.Exp(float64(p.Max[h] - top))
		} else {
			b *= math.Exp(float64(o.Max[h] - top))
		}
		kernel.Scale(acc, float32(a/(a+b)))
		kernel.AddScaled(acc, o.Acc[h*d:(h+1)*d], float32(b/(a+b)))
		p.Max[h], p.Sum[h] = top, float32(a+b)
	}
}

// AttendScratch is the memory of one thread that attends. The zero value is ready; it grows to what is asked of it and then
// allocates nothing.
type AttendScratch struct {
	// Next is the lane that the thread turns to after the last piece of the present one, nil if there is none: its first keys are
	// asked for meanwhile. It changes no result.
	Next *Lane

	q, signs, tmp   []float32
	scores, weights []float32
	queries         kernel.Queries
	part, total     Partial
	pieces          []Partial
	keys, values    []byte
	pages           []kernel.RowPage
	rows            []*byte
	bases           []unsafe.Pointer // of pages' rows
	spans           []Span
	run             rowRun
}

// Attend writes softmax(scale * q·k) v of g query heads, q [g, HeadDim], over the lane's entries to out [g, HeadDim]. Entries
// at positions below lo are hidden. With mass, [Len], it also writes each slot's probability, summed over the g heads. A
// lane without visible entries gives zeros.
func (l *Lane) Attend(out, q []float32, g int, scale, softcap float32, lo Position, s *AttendScratch, mass []float32) {
	query := Query{Q: q, Group: g, Scale: scale, SoftCap: softcap, Lo: lo}
	l.AttendQuery(out, &query, s, mass)
}

// AttendQuery is Attend for a Query.
func (l *Lane) AttendQuery(out []float32, q *Query, s *AttendScratch, mass []float32) {
	g, d, pieces := q.Group, l.HeadDim(), l.Pieces(q)
	s.total.Reset(g, d)
	if mass == nil {
		for i := range pieces {
			l.AttendPiece(&s.part, i, q, s, nil)
			s.total.Fold(&s.part)
		}
		copy(out[:g*d], s.total.Acc)
		return
	}
	floats(&s.weights, pieces*g*PieceSlots)
	for len(s.pieces) < pieces {
		s.pieces = append(s.pieces, Partial{})
	}
	for i := range pieces {
		l.AttendPiece(&s.pieces[i], i, q, s, s.weights[i*g*PieceSlots:])
		s.total.Fold(&s.pieces[i])
	}
	clear(mass[:l.Len()])
	for i := range pieces {
		l.PieceMass(mass, i, q, s.weights[i*g*PieceSlots:], &s.pieces[i], &s.total)
	}
	copy(out[:g*d], s.total.Acc)
}

// Pieces is the number of pieces that AttendPiece can be called for.
func (l *Lane) Pieces(q *Query) int {
	n := q.places(l.Len())
	step := pieceStep(n)
	return (n + step - 1) / step
}

// AttendPiece is the attention over the i-th piece of what the query reads, all slots where it names no spans, written to p. Several threads, each with
// its own scratch and partial, may work on the pieces of a lane at once; folding the partials in ascending order gives the bits of Attend. weights, if not
// nil, receives [Group, PieceSlots] probabilities within the piece, for PieceMass.
func (l *Lane) AttendPiece(p *Partial, i int, q *Query, s *AttendScratch, weights []float32) {
	g, d := q.Group, l.HeadDim()
	p.Reset(g, d)
	lo, hi := l.piece(i, q)
	n := hi - lo
	if n <= 0 {
		return
	}
	scores := weights
	if scores == nil {
		scores = floats(&s.scores, g*PieceSlots)
	}
	scores = scores[:g*PieceSlots]
	switch {
	case q.Slots != nil && q.Lo <= 0 && l.isRows():
		l.attendSlots(p, q.Slots[lo:hi], q, s, scores)
		return
	case q.Slots != nil:
		rest := *q
		s.spans = joinSlots(s.spans[:0], q.Slots[lo:hi])
		rest.Slots, rest.Spans = nil, s.spans
		q, lo, hi = &rest, 0, n
	case q.Spans != nil:
		rest, skipped := q.behind(lo)
		q, lo, hi = &rest, lo-skipped, hi-skipped
	}
	if q.Lo > 0 {
		seen := false
		l.visible(lo, hi, q, func(*segment, int, int, int) { seen = true })
		clear(scores)
		if !seen {
			return
		}
	}
	l.scores(scores, lo, hi, q, s)
	scale := q.finish(scores, n)
	if q.Lo > 0 {
		l.hide(scores, lo, hi, q)
	}
	p.softmax(scores, n, scale)
	l.accumulate(p.Acc, scores, lo, hi, q, s)
}

// finish scales and caps products [Group, PieceSlots] of n slots where that must be done before what is hidden is set, and returns the factor that is left: what is
// hidden must stay below all others when it is scaled.
func (q *Query) finish(products []float32, n int) (scale float32) {
	if q.SoftCap <= 0 && q.Scale > 0 {
		return q.Scale
	}
	for h := range q.Group {
		row := products[h*PieceSlots : h*PieceSlots+n]
		kernel.Scale(row, q.Scale)
		if q.SoftCap > 0 {
			kernel.SoftCap(row, q.SoftCap)
		}
	}
	return 1
}

// softmax makes scores [Group, PieceSlots] of n slots probabilities.
func (p *Partial) softmax(scores []float32, n int, scale float32) {
	for h := range p.Max {
		p.Max[h], p.Sum[h] = kernel.SoftmaxScaled(scores[h*PieceSlots:h*PieceSlots+n], scale)
	}
}

// isRows reports whether the lane's entries are rows of one segment, with all channels.
func (l *Lane) isRows() bool {
	return len(l.segs) == 1 && !l.segs[0].keys.grouped && !l.segs[0].values.grouped && l.segs[0].channels == nil
}

// slotsAtOnce is how many rows are copied together: what asking for the next ones brings arrives while these are multiplied, in the first cache.
const slotsAtOnce = 64

// attendSlots is AttendPiece for slots of a lane of rows, visible ones. Rows that lie alone are copied together: a kernel takes several at a time, and
// asking for them far ahead hides that each has to come from memory.
func (l *Lane) attendSlots(p *Partial, slots []int32, q *Query, sc *AttendScratch, scores []float32) {
	s, n, d, pool := &l.segs[0], len(slots), l.HeadDim(), l.cache.pool
	sc.rows = sc.rows[:0]
	sc.appendRows(pool, &s.keys, slots)
	sc.appendRows(pool, &s.values, slots)
	sc.queries.Set(q.Q[:q.Group*d], q.Group, d, rowFormat(s.keys.format))
	for i := 0; i < n; i += slotsAtOnce {
		sc.copyRows(&s.keys, i, min(slotsAtOnce, n-i))
		sc.queries.DotPages(scores[i:], PieceSlots, sc.pages, 1)
	}
	p.softmax(scores, n, q.finish(scores, n))
	for i := 0; i < n; i += slotsAtOnce {
		sc.copyRows(&s.values, n+i, min(slotsAtOnce, n-i))
		kernel.AccumulatePages(p.Acc, scores[i:], PieceSlots, sc.pages, 1, q.Group, d, rowFormat(s.values.format))
	}
}

// copyRows makes one page of n rows from the i-th of sc.rows on.
func (sc *AttendScratch) copyRows(s *stream, i, n int) {
	rows := bytesOf(&sc.keys, n*s.rowBytes)
	kernel.CopyRows(rows, sc.rows[i:], n, s.rowBytes)
	sc.pages = append(sc.pages[:0], kernel.RowPage{Rows: rows, N: n})
}

// appendRows appends the rows of slots, ascending. The pool is asked once for each page that they span.
func (sc *AttendScratch) appendRows(pool *Pool, s *stream, slots []int32) {
	// A product and a shift divide exactly where slot*per < 2^43 and slot/per < 2^21.
	const shift = 43
	per := uint64(s.per)
	inverse := 1<<shift/per + 1
	first, last := uint64(slots[0])/per, uint64(slots[len(slots)-1])/per
	sc.bases = sc.bases[:0]
	for _, id := range s.ids[first : last+1] {
		sc.bases = append(sc.bases, unsafe.Pointer(&pool.page(id)[s.rowsAt]))
	}
	at := len(sc.rows)
	sc.rows = slices.Grow(sc.rows, len(slots))[:at+len(slots)]
	rows, bases, rowBytes := sc.rows[at:], sc.bases, uint64(s.rowBytes)
	for i, slot := range slots {
		page := uint64(slot) * inverse >> shift
		rows[i] = (*byte)(unsafe.Add(bases[page-first], (uint64(slot)-page*per)*rowBytes))
	}
}

// joinSlots appends the stretches of ascending slots.
func joinSlots(spans []Span, slots []int32) []Span {
	for _, slot := range slots {
		if k := len(spans); k > 0 && spans[k-1].Hi == int(slot) {
			spans[k-1].Hi++
		} else {
			spans = append(spans, Span{int(slot), int(slot) + 1})
		}
	}
	return spans
}

// piece is the range of places of the i-th piece.
func (l *Lane) piece(i int, q *Query) (lo, hi int) {
	n := q.places(l.Len())
	step := pieceStep(n)
	return i * step, min(n, (i+1)*step)
}

// visible calls f with the stretches of slots at places [lo, hi) that the query may see: in each segment what lies before Sinks and from Lo on. from
// and to are slots of the segment, at is the first one's place, less lo.
func (l *Lane) visible(lo, hi int, q *Query, f func(s *segment, at, from, to int)) {
	q.stretches(lo, hi, func(place, first, last int) {
		base := 0
		for i := range l.segs {
			s := &l.segs[i]
			from, to := max(first-base, 0), min(last-base, s.len())
			if from < to {
				at := place - lo + base - first // of the segment's first slot, were it read
				if q.Lo <= 0 {
					f(s, at+from, from, to)
				} else {
					s.stretches(l.cache.pool, min(q.Sinks, q.Lo), q.Lo, from, to, func(a, b int) { f(s, at+a, a, b) })
				}
			}
			base += s.len()
		}
	})
}

// scores writes the products of the queries with the visible keys at places [lo, hi) to dst [Group, PieceSlots].
func (l *Lane) scores(dst []float32, lo, hi int, q *Query, sc *AttendScratch) {
	g, d := q.Group, l.HeadDim()
	tmp := floats(&sc.tmp, g*64)
	sc.run = rowRun{}
	operands := func(s *segment) []float32 {
		if s.channels != nil {
			return gatherChannels(floats(&sc.q, g*len(s.channels)), q.Q, s.channels, g, d)
		}
		return q.Q[:g*d]
	}
	dot := func() {
		r := &sc.run
		s := r.segment
		sc.queries.Set(operands(s), g, s.keys.dims, rowFormat(s.keys.format))
		count := len(sc.pages)
		if q.Spans == nil {
			l.pagesBehind(sc, &s.values, r.from, &s.keys, r.to)
		} else {
			l.askPlaces(sc, lo, min(hi, lo+placesAhead), q, func(s *segment) *stream { return &s.values })
		}
		sc.queries.DotPages(dst[r.at:], PieceSlots, sc.pages, count)
	}
	l.visible(lo, hi, q, func(s *segment, at, from, to int) {
		if !s.keys.grouped {
			sc.extend(l.cache.pool, &s.keys, dot, s, at, from, to)
			return
		}
		sc.end(dot)
		x := operands(s)
		for c := s.keys.from(l.cache.pool, from, &sc.keys); c.slot < to; {
			slot := c.slot
			if mem, step, count := c.blocks(to - slot); count > 0 {
				f := groupFormat(s.keys.format)
				kernel.DotBlocksK(dst[at+slot-from:], PieceSlots, x, mem, step, count, g, s.keys.dims, f)
				continue
			}
			var r run
			next := c.block(&r, to-slot)
			dotRun(&s.keys.layout, &r, next, dst[at+slot-from:], PieceSlots, x, tmp, g)
		}
	})
	sc.end(dot)
}

// accumulate adds the visible values at places [lo, hi), weighted, to acc [Group, HeadDim].
func (l *Lane) accumulate(acc, weights []float32, lo, hi int, q *Query, sc *AttendScratch) {
	g := q.Group
	tmp := floats(&sc.tmp, g*64)
	sc.run = rowRun{}
	add := func() {
		r := &sc.run
		s := r.segment
		count := len(sc.pages)
		if q.Spans == nil {
			l.pagesBehind(sc, &s.keys, r.to, &s.values, r.to)
			if next := sc.Next; next != nil && len(sc.pages) == count && len(next.segs) > 0 && !next.segs[0].keys.grouped {
				keys := &next.segs[0].keys
				sc.pages = keys.rowPages(next.cache.pool, sc.pages, 0, keys.n, kernel.PagesAhead())
			}
		} else {
			l.askPlaces(sc, hi, hi+placesAhead, q, func(s *segment) *stream { return &s.keys })
		}
		kernel.AccumulatePages(acc, weights[r.at:], PieceSlots, sc.pages, count, g, s.values.dims, rowFormat(s.values.format))
	}
	l.visible(lo, hi, q, func(s *segment, at, from, to int) {
		if !s.values.grouped {
			sc.extend(l.cache.pool, &s.values, add, s, at, from, to)
			return
		}
		sc.end(add)
		for c := s.valuesFrom(l.cache.pool, from, &sc.values); c.slot < to; {
			slot := c.slot
			if mem, step, count := c.blocks(to - slot); count > 0 {
				f := blockFormat(s.values.format, s.keys.format.GroupTokens())
				kernel.AccumulateBlocksV(acc, weights[at+slot-from:], PieceSlots, mem, step, count, g, s.values.dims, f)
				continue
			}
			var r run
			c.block(&r, to-slot)
			accumulateRun(&s.values.layout, &r, acc, weights[at+slot-from:], PieceSlots, tmp, g)
		}
	})
	sc.end(add)
}

// A rowRun is stretches of one segment's slots whose rows follow each other in a row of scores, one stretch or many short ones: one call takes their
// pages, which lie in AttendScratch.pages.
type rowRun struct {
	segment  *segment
	at, n    int // place of the first in a row of scores, and slots
	from, to int // the first slot, and behind the last one
}

// extend adds the slots [from, to) of a segment to the run, after doing the one that they do not continue.
func (sc *AttendScratch) extend(pool *Pool, rows *stream, do func(), s *segment, at, from, to int) {
	r := &sc.run
	if r.segment != s || at != r.at+r.n {
		sc.end(do)
		*r = rowRun{segment: s, at: at, from: from}
		sc.pages = sc.pages[:0]
	}
	sc.pages = rows.rowPages(pool, sc.pages, from, to, to-from)
	r.n += to - from
	r.to = to
}

// end does the run, if there is one.
func (sc *AttendScratch) end(do func()) {
	if sc.run.segment != nil {
		do()
		sc.run.segment = nil
	}
}

// pagesBehind appends the pages that are read after those: of stream next from a slot on, or, if it is not of rows, of the same stream.
func (l *Lane) pagesBehind(sc *AttendScratch, next *stream, from int, same *stream, to int) {
	if next.grouped {
		next, from = same, to
	}
	sc.pages = next.rowPages(l.cache.pool, sc.pages, from, next.n, kernel.PagesAhead())
}

// placesAhead is how many places ahead rows in short stretches are asked for.
const placesAhead = 96

// askPlaces appends the pages of what the query reads at places [lo, hi) of row streams, for a kernel to ask for.
func (l *Lane) askPlaces(sc *AttendScratch, lo, hi int, q *Query, rows func(s *segment) *stream) {
	l.visible(lo, hi, q, func(s *segment, _, from, to int) {
		if y := rows(s); !y.grouped {
			sc.pages = y.rowPages(l.cache.pool, sc.pages, from, to, to-from)
		}
	})
}

// hide sets the scores of slots that the query may not see to minus infinity: after a cap, which would bring them back.
func (l *Lane) hide(scores []float32, lo, hi int, q *Query) {
	minus := float32(math.Inf(-1))
	done := 0
	fill := func(to int) {
		for h := range q.Group {
			row := scores[h*PieceSlots:]
			for j := done; j < to; j++ {
				row[j] = minus
			}
		}
	}
	l.visible(lo, hi, q, func(_ *segment, at, from, to int) {
		fill(at)
		done = at + to - from
	})
	fill(hi - lo)
}

// PieceMass adds to mass [Len] the probability of each slot of a piece, summed over the query heads: weights and part are what AttendPiece left,
// total is the fold of all pieces.
func (l *Lane) PieceMass(mass []float32, i int, q *Query, weights []float32, part, total *Partial) {
	lo, hi := l.piece(i, q)
	if q.Slots != nil {
		rest := *q
		rest.Slots, rest.Spans = nil, joinSlots(nil, q.Slots[lo:hi])
		q, lo, hi = &rest, 0, hi-lo
	}
	q.stretches(lo, hi, func(place, from, to int) {
		dst := mass[from:to]
		for h := range part.Max {
			if part.Sum[h] == 0 {
				continue
			}
			share := float64(part.Sum[h]) * math.Exp(float64(part.Max[h]-total.Max[h])) / float64(total.Sum[h])
			kernel.AddScaled(dst, weights[h*PieceSlots+place-lo:][:len(dst)], float32(share))
		}
	})
}
