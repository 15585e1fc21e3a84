package kvcache

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestAppendSelectedTakesOnlyWhatIsPicked(t *testing.T) {
	const d, n = 32, 50
	r := rand.New(rand.NewPCG(9, 9))
	k, v, pos := normal(r, n*d), normal(r, n*d), count(n)
	l := oneLane(t, NewPool(4096, 0), d, Uniform(F32))
	pick := []int32{0, 7, 8, 49}
	if err := l.AppendSelected(pos, k, v, pick); err != nil {
		t.Fatal(err)
	}
	gk, gv := make([]float32, 4*d), make([]float32, 4*d)
	l.Gather(gk, gv, nil)
	for i, p := range pick {
		if !slices.Equal(gk[i*d:(i+1)*d], k[int(p)*d:int(p+1)*d]) || !slices.Equal(gv[i*d:(i+1)*d], v[int(p)*d:int(p+1)*d]) {
			t.Fatalf("entry %d differs", p)
		}
	}
	if got := l.Positions(nil); !slices.Equal(got, []Position{0, 21, 24, 147}) {
		t.Fatalf("positions %v", got)
	}
	for _, bad := range [][]int32{{3, 3}, {5, 4}, {50}, {-1}} {
		if err := l.AppendSelected(pos, k, v, bad); err == nil {
			t.Errorf("pick %v was taken", bad)
		}
	}
	if err := l.Append(pos[:1], k[:d], v[:d]); err == nil {
		t.Error("a position that does not follow was taken")
	}
	if l.Len() != 4 {
		t.Errorf("%d entries after refusals", l.Len())
	}
}

func TestMergesAreAppliedBeforeEncoding(t *testing.T) {
	const d = 32
	r := rand.New(rand.NewPCG(9, 1))
	k, v, pos := normal(r, 4*d), normal(r, 4*d), count(4)
	l := oneLane(t, NewPool(4096, 0), d, Uniform(F32))
	// Entries 0 and 2 stay; 1 is added to 2 with weight 0.5 in the values, whose own weight becomes 0.25.
	err := l.AppendMerged(pos, k, v, []int32{0, 2}, []Merge{{From: 1, To: 2, Value: 0.5}, {From: 2, To: 2, Key: 1, Value: 0.25}, {From: 3, To: 0, Key: 2, Value: 1}})
	if err != nil {
		t.Fatal(err)
	}
	gk, gv := make([]float32, 2*d), make([]float32, 2*d)
	l.Gather(gk, gv, nil)
	for c := range d {
		if gk[c] != k[c]+2*k[3*d+c] || gv[c] != v[c]+v[3*d+c] || gk[d+c] != k[2*d+c] || gv[d+c] != v[2*d+c]*0.25+v[d+c]*0.5 {
			t.Fatalf("channel %d: %g %g %g %g", c, gk[c], gv[c], gk[d+c], gv[d+c])
		}
	}
	if err := l.AppendMerged([]Position{100, 101}, k[:2*d], v[:2*d], []int32{0}, []Merge{{From: 0, To: 1, Value: 1}}); err == nil {
		t.Error("a merge into an entry that is dropped was taken")
	}
}

func TestPrunedChannelsSaveBytes(t *testing.T) {
	const d, n, g = 64, 1600, 3
	for _, f := range []Format{F32, F16, Q8, Q4} {
		r := rand.New(rand.NewPCG(7, 7))
		pool := NewPool(4096, 0)
		k, v, pos := normal(r, n*d), normal(r, n*d), count(n)
		whole, pruned := oneLane(t, pool, d, Uniform(f)), oneLane(t, pool, d, Uniform(f))
		var channels []uint16
		for c := range uint16(d) {
			if c%5 != 1 && c%5 != 3 {
				channels = append(channels, c)
			}
		}
		if err := pruned.SetChannels(channels); err != nil {
			t.Fatal(err)
		}
		zeroed := slices.Clone(k)
		for i := range zeroed {
			if !slices.Contains(channels, uint16(i%d)) {
				zeroed[i] = 0
			}
		}
		if err := whole.Append(pos, zeroed, v); err != nil {
			t.Fatal(err)
		}
		if err := pruned.Append(pos, k, v); err != nil {
			t.Fatal(err)
		}
		if f != Q8 && float64(pruned.Bytes()) > 0.88*float64(whole.Bytes()) {
			t.Errorf("%v: %d of %d channels take %d of %d bytes", f, len(channels), d, pruned.Bytes(), whole.Bytes())
		}
		for i := range 3 { // decode keeps all channels
			for _, l := range []*Lane{whole, pruned} {
				if err := l.AppendOne(Position(5000+i), k[i*d:(i+1)*d], v[i*d:(i+1)*d]); err != nil {
					t.Fatal(err)
				}
			}
		}
		if f == F32 {
			a, b := make([]float32, (n+3)*d), make([]float32, (n+3)*d)
			whole.Gather(a, nil, nil)
			pruned.Gather(b, nil, nil)
			if !slices.Equal(a, b) {
				t.Error("pruned channels do not come back as zeros")
			}
		}
		q, a, b := normal(r, g*d), make([]float32, g*d), make([]float32, g*d)
		var s AttendScratch
		whole.Attend(a, q, g, 0.125, 0, 0, &s, nil)
		pruned.Attend(b, q, g, 0.125, 0, 0, &s, nil)
		tolerance := 1e-5
		if f == Q8 || f == Q4 {
			tolerance = 0.02 // groups of channels are cut differently
		}
		for i := range a {
			if diff := float64(a[i] - b[i]); diff > tolerance || diff < -tolerance {
				t.Fatalf("%v: channel %d: %g with zeros, %g pruned", f, i, a[i], b[i])
			}
		}
	}
}

func TestDecodeStepAllocatesNothing(t *testing.T) {
	const d, g = 64, 3
	for _, st := range allStorages {
		l := oneLane(t, NewPool(PageBytes(d, st), 0), d, st, Column{"mass", ColumnF32})
		r := rand.New(rand.NewPCG(1, 1))
		n := 1500
		if err := l.Append(count(n), normal(r, n*d), normal(r, n*d)); err != nil {
			t.Fatal(err)
		}
		var s AttendScratch
		k, q, out, mass := normal(r, d), normal(r, g*d), make([]float32, g*d), make([]float32, 4000)
		next := Position(10000)
		step := func() {
			if err := l.AppendOne(next, k, k); err != nil {
				t.Fatal(err)
			}
			next++
			l.Attend(out, q, g, 0.125, 0, 5, &s, mass[:l.Len()])
			l.AddColumn(0, 1, mass[:l.Len()])
		}
		if err := l.AppendTail(count(600 + 1500)[1500:], normal(r, 600*d), normal(r, 600*d)); err != nil {
			t.Fatal(err)
		}
		step()
		if a := testing.AllocsPerRun(20, step); a != 0 {
			t.Errorf("%v: %g allocations a step", st, a)
		}
	}
}

func TestCloneIsIndependent(t *testing.T) {
	const d, n = 64, 300
	r := rand.New(rand.NewPCG(2, 8))
	for _, st := range allStorages {
		pool := NewPool(PageBytes(d, st), 0)
		c := pool.NewCache(Shape{2, 2, d}, st, testColumns...)
		if err := c.SetBounds(16); err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			m := n / (i + 1)
			if err := c.Lane(i/2, i%2).Append(count(m), normal(r, m*d), normal(r, m*d)); err != nil {
				t.Fatal(err)
			}
			if err := c.Lane(i/2, i%2).AppendOne(9999, normal(r, d), normal(r, d)); err != nil {
				t.Fatal(err)
			}
		}
		o, err := c.Clone(nil)
		if err != nil || o.Bytes() != c.Bytes() || pool.Used() != 2*c.Bytes() {
			t.Fatalf("%v: %v, %d bytes of %d", st, err, o.Bytes(), c.Bytes())
		}
		want := read(c.Lane(0, 1))
		if err := c.Lane(0, 1).Drop(100); err != nil {
			t.Fatal(err)
		}
		if err := c.Lane(0, 1).Append([]Position{20000}, normal(r, d), normal(r, d)); err != nil {
			t.Fatal(err)
		}
		c.Free()
		pool.Trim()
		got := read(o.Lane(0, 1))
		if what := same(&want, &got); what != "" {
			t.Fatalf("%v: %s of the clone changed with the original", st, what)
		}
		pool.SetBudget(o.Bytes() + 4096)
		if _, err := o.Clone(nil); !errors.Is(err, ErrBudget) || pool.Used() != o.Bytes() {
			t.Fatalf("cloning beyond the budget: %v, %d bytes used", err, pool.Used())
		}
		o.Free()
		if err := pool.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
