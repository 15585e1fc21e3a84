package kvcache

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// model is what a lane should hold: plain slices, nothing freed, nothing shared.
type model struct {
	pos  []Position
	k, v []float32
	ids  []float32 // side column 0
	tags []float32 // side column 1
}

func (m *model) pick(slots []int32, d int) {
	var out model
	for _, s := range slots {
		i := int(s)
		out.pos = append(out.pos, m.pos[i])
		out.k = append(out.k, m.k[i*d:(i+1)*d]...)
		out.v = append(out.v, m.v[i*d:(i+1)*d]...)
		out.ids = append(out.ids, m.ids[i])
		out.tags = append(out.tags, m.tags[i])
	}
	*m = out
}

func read(l *Lane) model {
	n, d := l.Len(), l.HeadDim()
	m := model{pos: make([]Position, n), k: make([]float32, n*d), v: make([]float32, n*d), ids: make([]float32, n), tags: make([]float32, n)}
	l.Gather(m.k, m.v, m.pos)
	l.ReadColumn(0, m.ids)
	l.ReadColumn(1, m.tags)
	return m
}

func same(a, b *model) string {
	switch {
	case !slices.Equal(a.pos, b.pos):
		return "positions"
	case !slices.Equal(a.k, b.k):
		return "keys"
	case !slices.Equal(a.v, b.v):
		return "values"
	case !slices.Equal(a.ids, b.ids):
		return "column 0"
	case !slices.Equal(a.tags, b.tags):
		return "column 1"
	}
	return ""
}

var testColumns = []Column{{"id", ColumnF32}, {"tag", ColumnU8}}

// history drives one lane and its model through random operations; twin lanes in pools with other page sizes get the same ones.
type history struct {
	t     *rapid.T
	pool  *Pool
	cache *Cache
	lane  *Lane
	twins []*Lane
	m     model
	d     int
	next  Position
	rng   *rand.Rand
}

func newHistory(t *rapid.T, budgeted bool) *history {
	h := &history{t: t, d: rapid.SampledFrom([]int{32, 64, 80}).Draw(t, "d")}
	st := rapid.SampledFrom(allStorages).Draw(t, "storage")
	budget := int64(0)
	sizes := []int{4096, 8192, 12288, 65536}
	if budgeted {
		sizes = sizes[:1]
		budget = int64(rapid.IntRange(0, 40).Draw(t, "pages")) * 4096
	}
	bounded := rapid.Bool().Draw(t, "bounded")
	for i, size := range sizes {
		pool := NewPool(size, budget)
		c := pool.NewCache(Shape{1, 1, h.d}, st, testColumns...)
		if bounded {
			if err := c.SetBounds(16, 128); err != nil {
				t.Fatal(err)
			}
		}
		if i == 0 {
			h.pool, h.cache, h.lane = pool, c, c.Lane(0, 0)
			continue
		}
		h.twins = append(h.twins, c.Lane(0, 0))
	}
	h.rng = rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	return h
}

// each applies an operation to the lane, then to its twins, which must agree on the error. It returns false on
// ErrBudget, having checked that nothing changed.
func (h *history) each(op func(l *Lane) error) bool {
	before, bytes, used := read(h.lane), h.lane.Bytes(), h.pool.Used()
	err := op(h.lane)
	if err != nil {
		if !errors.Is(err, ErrBudget) {
			h.t.Fatal(err)
		}
		var figures *BudgetError
		if !errors.As(err, &figures) || figures.Wanted <= figures.Free || figures.Budget != h.pool.Budget() {
			h.t.Fatalf("figures of the refusal: %+v", err)
		}
		after := read(h.lane)
		if what := same(&before, &after); what != "" || h.lane.Bytes() != bytes || h.pool.Used() != used {
			h.t.Fatalf("a refused call changed %q, bytes %d to %d, used %d to %d", what, bytes, h.lane.Bytes(), used, h.pool.Used())
		}
		return false
	}
	for _, l := range h.twins {
		if err := op(l); err != nil {
			h.t.Fatal(err)
		}
	}
	return true
}

func (h *history) positions(n int) []Position {
	pos := make([]Position, n)
	for i := range pos {
		pos[i] = h.next
		h.next += 1 + Position(h.rng.IntN(3))
	}
	return pos
}

// adopt appends what the lane holds beyond the model to the model, and gives those entries their marks.
func (h *history) adopt(pos []Position, k, v []float32) {
	h.m.pos, h.m.k, h.m.v = append(h.m.pos, pos...), append(h.m.k, k...), append(h.m.v, v...)
	h.m.ids, h.m.tags = append(h.m.ids, make([]float32, len(pos))...), append(h.m.tags, make([]float32, len(pos))...)
	h.reread()
	for i, p := range h.m.pos {
		h.m.ids[i], h.m.tags[i] = float32(p), float32(p%251)
	}
	for _, l := range append(h.twins, h.lane) {
		l.WriteColumn(0, h.m.ids)
		l.WriteColumn(1, h.m.tags)
	}
}

// reread takes the lane's content over into the model after entries were encoded anew, and checks that nothing else happened.
func (h *history) reread() {
	now := read(h.lane)
	if len(now.pos) != len(h.m.pos) {
		h.t.Fatalf("%d entries, want %d", len(now.pos), len(h.m.pos))
	}
	old := map[Position]int{}
	for i, p := range h.m.pos {
		old[p] = i
	}
	for i, p := range now.pos {
		j, ok := old[p]
		if !ok || now.ids[i] != h.m.ids[j] || now.tags[i] != h.m.tags[j] {
			h.t.Fatalf("position %d lost its columns", p)
		}
		h.close(now.k[i*h.d:(i+1)*h.d], h.m.k[j*h.d:(j+1)*h.d], "key")
		h.close(now.v[i*h.d:(i+1)*h.d], h.m.v[j*h.d:(j+1)*h.d], "value")
	}
	h.m = now
}

// close checks that entries survived encoding within the bound of two bits over the range of the data.
func (h *history) close(got, want []float32, what string) {
	for i := range got {
		if math.Abs(float64(got[i]-want[i])) > 2.2 {
			h.t.Fatalf("%s channel %d: %g stored as %g", what, i, want[i], got[i])
		}
	}
}

func (h *history) append(n int, op func(l *Lane, pos []Position, k, v []float32) error) {
	from := h.next
	pos, k, v := h.positions(n), normal(h.rng, n*h.d), normal(h.rng, n*h.d)
	if h.each(func(l *Lane) error { return op(l, pos, k, v) }) {
		h.adopt(pos, k, v)
	} else {
		h.next = from
	}
}

func (h *history) actions() map[string]func(*rapid.T) {
	draw := func(t *rapid.T, hi int) int { h.t = t; return rapid.IntRange(0, hi).Draw(t, "n") }
	some := func(t *rapid.T) []int32 {
		share := rapid.SampledFrom([]float64{0, 0.1, 0.5, 0.9, 1}).Draw(t, "share")
		runs := rapid.Bool().Draw(t, "runs")
		var slots []int32
		on := true
		for i := range h.m.pos {
			if !runs || i%37 == 0 {
				on = h.rng.Float64() < share
			}
			if on {
				slots = append(slots, int32(i))
			}
		}
		return slots
	}
	return map[string]func(*rapid.T){
		"append": func(t *rapid.T) { h.append(draw(t, 200), (*Lane).Append) },
		"tail":   func(t *rapid.T) { h.append(draw(t, 70), (*Lane).AppendTail) },
		"one": func(t *rapid.T) {
			h.t = t
			h.append(1, func(l *Lane, p []Position, k, v []float32) error { return l.AppendOne(p[0], k, v) })
		},
		"split": func(t *rapid.T) { // some entries in full, those between in fewer bits
			n := draw(t, 150)
			st := rapid.SampledFrom([]Storage{Uniform(Q8), Uniform(Q4), Uniform(Q2)}).Draw(t, "to")
			pos, k, v := h.positions(n), normal(h.rng, n*h.d), normal(h.rng, n*h.d)
			var picks [2][]int32
			for i := range int32(n) {
				to := h.rng.IntN(2)
				picks[to] = append(picks[to], i)
			}
			for to, op := range []func(l *Lane) error{
				func(l *Lane) error { return l.AppendSelected(pos, k, v, picks[0]) },
				func(l *Lane) error { return l.AppendDemoted(pos, k, v, picks[1], st) },
			} {
				if !h.each(op) {
					continue
				}
				var part model
				for _, i := range picks[to] {
					part.pos = append(part.pos, pos[i])
					part.k, part.v = append(part.k, k[int(i)*h.d:int(i+1)*h.d]...), append(part.v, v[int(i)*h.d:int(i+1)*h.d]...)
				}
				h.adopt(part.pos, part.k, part.v)
			}
		},
		"keep": func(t *rapid.T) {
			h.t = t
			slots := some(t)
			bytes := h.lane.Bytes()
			h.each(func(l *Lane) error { return l.Keep(slots) })
			h.m.pick(slots, h.d)
			if h.lane.Bytes() > bytes {
				t.Fatalf("keeping %d entries took the lane from %d to %d bytes", len(slots), bytes, h.lane.Bytes())
			}
		},
		"drop": func(t *rapid.T) {
			n := draw(t, 50)
			h.each(func(l *Lane) error { return l.Drop(n) })
			var slots []int32
			sorted := slices.Sorted(slices.Values(h.m.pos))
			for i, p := range h.m.pos {
				if n < len(sorted) && p >= sorted[n] {
					slots = append(slots, int32(i))
				}
			}
			h.m.pick(slots, h.d)
		},
		"remove": func(t *rapid.T) {
			n := len(h.m.pos)
			lo := draw(t, n)
			hi := lo + draw(t, n-lo)
			h.each(func(l *Lane) error { return l.Remove(lo, hi) })
			var slots []int32
			for i := range n {
				if i < lo || i >= hi {
					slots = append(slots, int32(i))
				}
			}
			h.m.pick(slots, h.d)
		},
		"settle": func(t *rapid.T) {
			keep := draw(t, 30)
			if h.each(func(l *Lane) error { return l.Settle(keep) }) {
				h.reread()
			}
		},
		"demote": func(t *rapid.T) {
			h.t = t
			slots := some(t)
			st := rapid.SampledFrom([]Storage{Uniform(Q8), Uniform(Q4), Uniform(Q2)}).Draw(t, "to")
			if h.each(func(l *Lane) error { return l.Demote(slots, st) }) {
				h.reread()
			}
		},
		"recode": func(t *rapid.T) {
			h.t = t
			st := rapid.SampledFrom(allStorages).Draw(t, "to")
			if h.each(func(l *Lane) error { return l.Recode(st) }) {
				h.reread()
			}
		},
		"": func(t *rapid.T) {
			h.t = t
			now := read(h.lane)
			if what := same(&now, &h.m); what != "" {
				t.Fatalf("%s differ from the model", what)
			}
			if b := h.pool.Budget(); b > 0 && h.pool.Used() > b {
				t.Fatalf("%d bytes of a budget of %d", h.pool.Used(), b)
			}
			if h.cache.Bytes() != h.lane.Bytes() || h.pool.Used() != h.cache.Bytes() {
				t.Fatalf("lane %d, cache %d, pool %d bytes", h.lane.Bytes(), h.cache.Bytes(), h.pool.Used())
			}
			q := normal(rand.New(rand.NewPCG(5, 5)), 3*h.d)
			want := make([]float32, 3*h.d)
			var s AttendScratch
			l := h.lane
			l.Attend(want, q, 3, 0.3, 0, h.next/3, &s, nil)
			for _, l := range h.twins {
				other := read(l)
				if what := same(&now, &other); what != "" {
					t.Fatalf("%s depend on the page size", what)
				}
				out := make([]float32, 3*h.d)
				l.Attend(out, q, 3, 0.3, 0, h.next/3, &s, nil)
				if !slices.Equal(out, want) {
					t.Fatal("attention depends on the page size")
				}
			}
		},
	}
}

// A lane agrees with plain slices after any history, within its budget, and a refusal changes nothing.
func TestLaneFollowsModelWithinBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, true)
		t.Repeat(h.actions())
		h.cache.Free()
		if h.pool.Used() != 0 || h.pool.Reserved() != 0 {
			t.Fatalf("%d bytes used and %d reserved after freeing", h.pool.Used(), h.pool.Reserved())
		}
		if err := h.pool.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// The same history gives the same content and the same attention bits for any page size.
func TestContentDoesNotDependOnPageSize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, false)
		t.Repeat(h.actions())
		for _, l := range append(h.twins, h.lane) {
			l.cache.Free()
			if err := l.cache.pool.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
