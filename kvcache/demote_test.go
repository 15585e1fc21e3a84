package kvcache

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// A refused AppendDemoted leaves no trace: neither entries nor a segment for them, nor the bytes of its channel list.
func TestRefusedDemotionLeavesNothing(t *testing.T) {
	const d, n = 64, 300
	r := rand.New(rand.NewPCG(4, 2))
	k, v, pos := normal(r, n*d), normal(r, n*d), count(n)
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	for _, st := range allStorages {
		for _, thinned := range []bool{false, true} {
			for pages := range 8 {
				pool := NewPool(PageBytes(d, st), 0)
				l := oneLane(t, pool, d, Uniform(F16))
				if err := l.AppendSelected(pos, k, v, []int32{3, 8}); err != nil {
					t.Fatal(err)
				}
				if thinned {
					if err := l.SetChannels([]uint16{1, 2, 5}); err != nil {
						t.Fatal(err)
					}
				}
				before, used := l.Segments(), pool.Used()
				pool.SetBudget(used + int64(pages*pool.PageBytes()))
				err := l.AppendDemoted(pos, k, v, all[10:], st)
				if err == nil {
					continue
				}
				if !errors.Is(err, ErrBudget) || !slices.Equal(l.Segments(), before) || pool.Used() != used || l.Bytes() != used {
					t.Fatalf("%v, thinned %v, %d pages left: %v; %v, before %v; %d bytes, before %d", st, thinned, pages, err, l.Segments(), before, l.Bytes(), used)
				}
			}
		}
	}
	l := oneLane(t, NewPool(4096, 0), d, Uniform(F16))
	for what, err := range map[string]error{
		"too few keys":          l.AppendDemoted(pos, k[d:], v, all, Uniform(Q4)),
		"too few values":        l.AppendDemoted(pos, k, v[1:], all, Uniform(Q4)),
		"an entry too many":     l.AppendDemoted(pos, k, v, append(all[:n:n], n), Uniform(Q4)),
		"an entry twice":        l.AppendDemoted(pos, k, v, []int32{1, 1}, Uniform(Q4)),
		"positions in no order": l.AppendDemoted([]Position{5, 4}, k[:2*d], v[:2*d], []int32{0, 1}, Uniform(Q4)),
	} {
		if err == nil || len(l.Segments()) != 0 {
			t.Errorf("%s: %v, %d segments", what, err, len(l.Segments()))
		}
	}
}

// classified is a lane in two precisions while decode adds to it, and what it should hold.
type classified struct {
	t         *testing.T
	l         *Lane
	d         int
	high, low Storage
	groups    [][]Position // of keys in more bits as they were encoded together, and what is left of them; nil where rows lie by themselves
	main      []Position   // in more bits, where rows lie by themselves
	tail      []Position   // added by decode and not settled
	down      []Position   // in fewer bits, in their order
	r         *rand.Rand
}

// bytes is the formula: what each part takes alone, groups that have lost members at their own size.
func (c *classified) bytes() int64 {
	page := c.l.cache.pool.PageBytes()
	tail := c.high
	var sum int64
	if c.high.grouped() {
		tail = residualStorage
		keys, values := newLayouts(page, c.high, c.d, c.d, c.l.cache.widths)
		size, n := 0, 0
		for _, g := range c.groups {
			if len(g) > 0 {
				size += keys.recordBytes(len(g))
				n += len(g)
			}
		}
		sum += int64((size+page-1)/page+values.pages(n)) * int64(page)
	}
	return sum + BytesFor(len(c.main), c.d, c.high, page, testColumns...) + BytesFor(len(c.tail), c.d, tail, page, testColumns...) +
		BytesFor(len(c.down), c.d, c.low, page, testColumns...)
}

// prompt stores n entries, of which a share stays in more bits.
func (c *classified) prompt(n int, share float64) {
	pos, k, v := count(n), normal(c.r, n*c.d), normal(c.r, n*c.d)
	var picks [2][]int32
	for i := range int32(n) {
		to := 1
		if c.r.Float64() < share {
			to = 0
			c.main = append(c.main, pos[i])
		} else {
			c.down = append(c.down, pos[i])
		}
		picks[to] = append(picks[to], i)
	}
	if err := c.l.AppendSelected(pos, k, v, picks[0]); err != nil {
		c.t.Fatal(err)
	}
	if err := c.l.AppendDemoted(pos, k, v, picks[1], c.low); err != nil {
		c.t.Fatal(err)
	}
	if c.high.grouped() {
		c.encoded(c.main)
		c.main = nil
	}
}

// encoded notes what was encoded in whole groups, the last partial.
func (c *classified) encoded(pos []Position) {
	for g := range slices.Chunk(pos, c.high.Keys.GroupTokens()) {
		c.groups = append(c.groups, slices.Clone(g))
	}
}

func (c *classified) step(p Position) {
	if c.l.Residual() >= 192 {
		if err := c.l.Settle(128); err != nil {
			c.t.Fatal(err)
		}
		n := len(c.tail) - c.l.Residual()
		c.encoded(c.tail[:n])
		c.tail = slices.Clone(c.tail[n:])
	}
	if err := c.l.AppendOne(p, normal(c.r, c.d), normal(c.r, c.d)); err != nil {
		c.t.Fatal(err)
	}
	c.tail = append(c.tail, p)
}

// demote moves a share of what lies in more bits down, and checks that nothing else has changed.
func (c *classified) demote(share float64) {
	before := read(c.l)
	gone := map[Position]bool{}
	var slots []int32
	for i, p := range before.pos {
		if !slices.Contains(c.down, p) && c.r.Float64() < share {
			gone[p] = true
			slots = append(slots, int32(i))
		}
	}
	if err := c.l.Demote(slots, c.low); err != nil {
		c.t.Fatal(err)
	}
	stay := func(list []Position) []Position {
		return slices.DeleteFunc(slices.Clone(list), func(p Position) bool { return gone[p] })
	}
	for i := range c.groups {
		c.groups[i] = stay(c.groups[i])
	}
	c.main, c.tail = stay(c.main), stay(c.tail)
	whole := len(c.down) / c.low.Keys.GroupTokens() * c.low.Keys.GroupTokens()
	fixed := slices.Clone(c.down[:whole]) // in groups that were full
	for _, s := range c.l.Slots(nil) {
		if gone[s] {
			c.down = append(c.down, s)
		}
	}
	after := read(c.l)
	for i, p := range before.pos {
		j := slices.Index(after.pos, p)
		if j < 0 || after.ids[j] != before.ids[i] {
			c.t.Fatalf("position %d is lost, or its column", p)
		}
		if same := slices.Equal(before.k[i*c.d:(i+1)*c.d], after.k[j*c.d:(j+1)*c.d]) && slices.Equal(before.v[i*c.d:(i+1)*c.d], after.v[j*c.d:(j+1)*c.d]); !same &&
			!gone[p] && (!slices.Contains(c.down, p) || slices.Contains(fixed, p)) {
			c.t.Fatalf("position %d: bits have changed that should stay", p)
		}
	}
}

// Whatever goes down while decode adds entries, what stays and what went earlier keeps its bits, and at every step the lane takes what the formula
// says: fewer bits what they would take had all gone at once.
func TestDemotionOverTimeTakesTheBytesOfItsFormula(t *testing.T) {
	const d = 64
	for _, high := range []Storage{Uniform(F16), Uniform(Q8), Uniform(Q4)} {
		for _, low := range []Storage{Uniform(Q8), Uniform(Q4), Uniform(Q3), Uniform(Q2)} {
			if low == high {
				continue
			}
			for _, every := range []int{1, 100} {
				c := &classified{t: t, d: d, high: high, low: low, r: rand.New(rand.NewPCG(uint64(every), 5))}
				pool := NewPool(PageBytes(d, high, low), 0)
				c.l = oneLane(t, pool, d, high, testColumns...)
				c.prompt(333, 0.25)
				ids := make([]float32, c.l.Len())
				for i, p := range c.l.Slots(nil) {
					ids[i] = float32(p)
				}
				c.l.WriteColumn(0, ids)
				for i := range 450 {
					c.step(Position(5000 + i))
					if i%every == every-1 {
						c.demote(0.75 * float64(every) / float64(c.l.Len()-len(c.down)))
					}
					if got, want := c.l.Bytes(), c.bytes(); got != want || pool.Used() != got {
						t.Fatalf("%v over %v, every %d, step %d: %d bytes held, %d by the formula, %d of the pool", high, low, every, i, got, want, pool.Used())
					}
				}
				pos := c.l.Positions(nil)
				if len(pos) != 333+450 || len(slices.Compact(pos)) != len(pos) || c.l.Last() != 5449 {
					t.Fatalf("%v over %v: %d positions, the last is %d", high, low, len(pos), c.l.Last())
				}
				n := len(c.l.Segments())
				c.l.Truncate(5200)
				if got := c.l.Positions(nil); len(got) != 333+200 || got[len(got)-1] != 5199 || c.l.Last() != 5199 || len(c.l.Segments()) > n {
					t.Fatalf("%v over %v: %d positions after a rewind to 200 of 450, the last is %d", high, low, len(got), got[len(got)-1])
				}
			}
		}
	}
}

// A group that is filled up with entries inside its channels' ranges keeps its bits, however often.
func TestFillingAGroupKeepsItsBits(t *testing.T) {
	const d = 64
	for _, f := range []Format{Q4, Q3, Q2} {
		r := rand.New(rand.NewPCG(8, uint64(f)))
		l := oneLane(t, NewPool(4096, 0), d, Uniform(F32))
		const n = 12
		k, v := normal(r, n*d), normal(r, n*d)
		all := make([]int32, n)
		for i := range all {
			all[i] = int32(i)
		}
		if err := l.AppendDemoted(count(n), k, v, all, Uniform(f)); err != nil {
			t.Fatal(err)
		}
		want, wantV := make([]float32, n*d), make([]float32, n*d)
		l.GatherSlots(0, n, want, wantV, nil)
		for i := range 15 {
			one := slices.Clone(want[i%n*d : (i%n+1)*d])
			if err := l.AppendOne(Position(1000+i), one, normal(r, d)); err != nil {
				t.Fatal(err)
			}
			if err := l.Demote([]int32{int32(l.Len() - 1)}, Uniform(f)); err != nil {
				t.Fatal(err)
			}
			got, gotV := make([]float32, n*d), make([]float32, n*d)
			l.GatherSlots(0, n, got, gotV, nil)
			for j := range got {
				if got[j] != want[j] || gotV[j] != wantV[j] {
					t.Fatalf("%v: entry %d channel %d after %d that joined: key %g and value %g, were %g and %g", f, j/d, j%d, i+1, got[j], gotV[j], want[j], wantV[j])
				}
			}
		}
	}
}
