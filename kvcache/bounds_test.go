package kvcache

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestOutwardIsTheNextNumberBeyond(t *testing.T) {
	for _, f := range []Format{F32, F16, BF16} {
		for _, x := range []float32{0, 1, -1, 0.1, -0.1, 65503, -65503, 3e-8, -3e-8, 1e-40, 1234.5} {
			up, down := outward(f, x, true), outward(f, x, false)
			if !(up > x) || !(down < x) {
				t.Errorf("%v: %g lies outside (%g, %g)", f, x, down, up)
			}
			if f == F16 && math.Abs(float64(up-x)) > math.Abs(float64(x))/1024+6e-8 {
				t.Errorf("%v: %g is far above %g", f, up, x)
			}
		}
	}
}

// anything appends to a lane and lets it lose, settle and recode entries, some times. Wild lanes get keys beyond f16.
func anything(t *rapid.T, l *Lane, r *rand.Rand, wild bool) {
	d := l.HeadDim()
	next := Position(0)
	add := func(n int, op func(pos []Position, k, v []float32) error) {
		k, pos := normal(r, n*d), make([]Position, n)
		if wild && r.IntN(3) == 0 {
			k[r.IntN(n*d)] = -1e6 // the lane turns to bf16
		}
		for i := range pos {
			pos[i], next = next, next+1
		}
		if err := op(pos, k, normal(r, n*d)); err != nil {
			t.Fatal(err)
		}
	}
	for range rapid.IntRange(1, 6).Draw(t, "steps") {
		switch rapid.IntRange(0, 4).Draw(t, "op") {
		case 0:
			add(rapid.IntRange(1, 300).Draw(t, "n"), l.Append)
		case 1:
			add(rapid.IntRange(1, 40).Draw(t, "n"), l.AppendTail)
		case 2:
			var slots []int32
			for i := range int32(l.Len()) {
				if r.IntN(3) > 0 {
					slots = append(slots, i)
				}
			}
			if err := l.Keep(slots); err != nil {
				t.Fatal(err)
			}
		case 3:
			if err := l.Settle(rapid.IntRange(0, 40).Draw(t, "keep")); err != nil {
				t.Fatal(err)
			}
		case 4:
			if err := l.Recode(rapid.SampledFrom(allStorages).Draw(t, "to")); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// No score exceeds its block's bound, after any history; and reading every block is reading all.
func TestBoundsHoldAfterAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const g = 3
		d := rapid.SampledFrom([]int{32, 64, 80}).Draw(t, "d")
		st := rapid.SampledFrom(allStorages).Draw(t, "storage")
		pool := NewPool(PageBytes(d, st), 0)
		c := pool.NewCache(Shape{1, 1, d}, st)
		defer c.Free()
		if err := c.SetBounds(16, 64); err != nil {
			t.Fatal(err)
		}
		l := c.Lane(0, 0)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		anything(t, l, r, st == Uniform(F16))
		if l.Bytes() != pool.Used() {
			t.Fatalf("lane %d, pool %d bytes", l.Bytes(), pool.Used())
		}
		n := l.Len()
		k := make([]float32, n*d)
		l.Gather(k, nil, nil)
		query := Query{Q: normal(r, g*d), Group: g, Scale: 0.2}
		var s AttendScratch
		for level, span := range []int{16, 64} {
			m := l.Blocks(level)
			var bounds []float32
			var blocks []Span
			for h := range g {
				bounds, blocks = l.Bound(bounds, blocks[:0], level, &Query{Q: query.Q[h*d:], Group: 1, Scale: 0.2}, nil, &s)
			}
			if len(bounds) != g*m || len(blocks) != m {
				t.Fatalf("level %d: %d bounds of %d blocks, %d expected", level, len(bounds), len(blocks), m)
			}
			boundsWithinSpans(t, l, level, &query, bounds, blocks, r)
			at := 0
			for b := range m {
				lo, hi := blocks[b].Lo, blocks[b].Hi
				if lo != at || hi <= lo || hi > lo+span {
					t.Fatalf("level %d: block %d is [%d, %d) after %d", level, b, lo, hi, at)
				}
				at = hi
				for h := range g {
					top := math.Inf(-1)
					for i := lo; i < hi; i++ {
						sum := 0.0
						for c := range d {
							sum += float64(query.Q[h*d+c]) * float64(k[i*d+c])
						}
						top = max(top, sum)
					}
					if float64(bounds[h*m+b]) < top {
						t.Fatalf("level %d block %d head %d: bound %g below %g", level, b, h, bounds[h*m+b], top)
					}
				}
			}
			if at != n {
				t.Fatalf("level %d: blocks end at %d of %d", level, at, n)
			}
		}
		all, some := make([]float32, g*d), make([]float32, g*d)
		l.AttendQuery(all, &query, &s, nil)
		query.Spans = []Span{}
		_, blocks := l.Bound(nil, nil, 0, &query, nil, &s)
		for _, b := range blocks { // neighbours joined, as a reader does
			if k := len(query.Spans); k > 0 && query.Spans[k-1].Hi == b.Lo {
				query.Spans[k-1].Hi = b.Hi
			} else {
				query.Spans = append(query.Spans, b)
			}
		}
		l.AttendQuery(some, &query, &s, nil)
		if !slices.Equal(all, some) {
			t.Fatal("reading all blocks differs from reading everything")
		}
	})
}

// boundsWithinSpans checks that the bounds of some blocks are the largest of the group's, given head by head, and that no others are told.
func boundsWithinSpans(t *rapid.T, l *Lane, level int, q *Query, heads []float32, blocks []Span, r *rand.Rand) {
	t.Helper()
	m := len(blocks)
	spans, within, want := []Span{}, []Span{}, []float32{}
	for b, block := range blocks {
		if r.IntN(2) > 0 {
			continue
		}
		spans = append(spans, block)
		mid := block.Lo + (block.Hi-block.Lo+1)/2
		within = append(within, Span{block.Lo, mid}) // two spans of one block
		if mid < block.Hi {
			within = append(within, Span{block.Hi - 1, block.Hi})
		}
		top := heads[b]
		for h := range q.Group {
			top = max(top, heads[h*m+b])
		}
		want = append(want, top)
	}
	got, of := l.Bound(nil, nil, level, q, within, new(AttendScratch))
	if !slices.Equal(got, want) || !slices.Equal(of, spans) {
		t.Fatalf("level %d, within %v: bounds %v of %v, want %v", level, within, got, of, want)
	}
}

// An 8-bit code times an f16 scale reaches 127 times as far as f16 does.
func TestBoundsOfQuantisedKeysBeyondF16(t *testing.T) {
	const d = 32
	for _, st := range []Storage{Uniform(Q8), Uniform(Q4)} {
		pool := NewPool(4096, 0)
		c := pool.NewCache(Shape{1, 1, d}, st)
		if err := c.SetBounds(16); err != nil {
			t.Fatal(err)
		}
		l := c.Lane(0, 0)
		const n = 64
		k := make([]float32, n*d)
		k[3] = -1e6
		if err := l.Append(count(n), k, make([]float32, n*d)); err != nil {
			t.Fatal(err)
		}
		q := make([]float32, d)
		q[3] = -1
		bound, _ := l.Bound(nil, nil, 0, &Query{Q: q, Group: 1, Scale: 1}, nil, new(AttendScratch))
		l.Gather(k, nil, nil)
		if -k[3] > bound[0] {
			t.Errorf("%v: bound %g below %g", st, bound[0], -k[3])
		}
		c.Free()
	}
}

func TestReadingSpansOrSlotsIsReadingTheirEntries(t *testing.T) {
	const d, n, g = 64, 1400, 2
	r := rand.New(rand.NewPCG(4, 4))
	for _, st := range []Storage{Uniform(F32), Uniform(Q4)} {
		pool := NewPool(4096, 0)
		l := oneLane(t, pool, d, st)
		if err := l.Append(count(n), normal(r, n*d), normal(r, n*d)); err != nil {
			t.Fatal(err)
		}
		k, v, pos := make([]float32, n*d), make([]float32, n*d), make([]Position, n)
		l.Gather(k, v, pos)
		query := Query{Q: normal(r, g*d), Group: g, Scale: 0.2, Spans: []Span{{3, 16}, {100, 101}, {500, 530}, {1390, 1400}}}
		var sk, sv []float32
		var sp []Position
		for _, s := range query.Spans {
			sk, sv, sp = append(sk, k[s.Lo*d:s.Hi*d]...), append(sv, v[s.Lo*d:s.Hi*d]...), append(sp, pos[s.Lo:s.Hi]...)
		}
		want, probs := dense(query.Q, sk, sv, sp, g, d, &query)
		slots := query
		slots.Spans = nil
		for _, s := range query.Spans {
			for j := s.Lo; j < s.Hi; j++ {
				slots.Slots = append(slots.Slots, int32(j))
			}
		}
		for _, q := range []*Query{&query, &slots} {
			out, mass := make([]float32, g*d), make([]float32, n)
			l.AttendQuery(out, q, new(AttendScratch), mass)
			for i := range out {
				if math.Abs(float64(out[i])-want[i]) > 3e-4 {
					t.Fatalf("%v: channel %d: %g, want %g", st, i, out[i], want[i])
				}
			}
			for i, slot := range slots.Slots {
				if math.Abs(float64(mass[slot])-probs[i]) > 1e-4 {
					t.Fatalf("%v: mass of slot %d: %g, want %g", st, slot, mass[slot], probs[i])
				}
				mass[slot] = 0
			}
			if i := slices.IndexFunc(mass, func(m float32) bool { return m != 0 }); i >= 0 {
				t.Fatalf("slot %d was read", i)
			}
		}
	}
}
