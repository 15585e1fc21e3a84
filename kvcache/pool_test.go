package kvcache

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// residentBytes is the anonymous resident memory of this process, 0 where the system does not tell.
func residentBytes(t *testing.T) int64 {
	data, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Skip("left out: no /proc/self/smaps_rollup here")
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "Anonymous:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Skip("left out: smaps_rollup does not count anonymous memory")
	return 0
}

// What Keep and Free hand back leaves the process, not just the pool.
func TestFreedPagesLeaveTheProcess(t *testing.T) {
	const d, n, lanes = 64, 4096, 40
	pool := NewPool(4096, 0)
	runtime.GC()
	k, v, pos := make([]float32, n*d), make([]float32, n*d), count(n)
	base := residentBytes(t)
	c := pool.NewCache(Shape{lanes, 1, d}, Uniform(F16))
	for l := range lanes {
		if err := c.Lane(l, 0).Append(pos, k, v); err != nil {
			t.Fatal(err)
		}
	}
	full := c.Bytes()
	if want := lanes * BytesFor(n, d, Uniform(F16), 4096); full != want {
		t.Fatalf("%d bytes held, %d computed", full, want)
	}
	const slack = 3 << 20 // the batch in which pages go back, and the test's own
	if grown := residentBytes(t) - base; grown < full-slack || grown > full+slack {
		t.Fatalf("resident memory grew by %d for %d bytes of pages", grown, full)
	}
	var slots []int32
	for i := range int32(n / 10) {
		slots = append(slots, i*10)
	}
	for l := range lanes {
		if err := c.Lane(l, 0).Keep(slots); err != nil {
			t.Fatal(err)
		}
	}
	if c.Bytes() > full/9 {
		t.Fatalf("a tenth of the entries holds %d of %d bytes", c.Bytes(), full)
	}
	if grown := residentBytes(t) - base; grown > c.Bytes()+slack {
		t.Fatalf("resident memory is %d above the start for %d bytes of pages", grown, c.Bytes())
	}
	if diff := pool.Resident() - pool.Used(); diff < 0 || diff > trimBytes {
		t.Fatalf("pool counts %d resident and %d used bytes", pool.Resident(), pool.Used())
	}
	c.Free()
	pool.Trim()
	if pool.Used() != 0 || pool.Resident() != 0 {
		t.Fatalf("%d used and %d resident after Free and Trim", pool.Used(), pool.Resident())
	}
	if grown := residentBytes(t) - base; grown > slack {
		t.Fatalf("resident memory is %d above the start after Free", grown)
	}
	// Given back pages are handed out again before new ones.
	before := pool.next
	c = pool.NewCache(Shape{lanes, 1, d}, Uniform(F16))
	for l := range lanes {
		if err := c.Lane(l, 0).Append(pos, k, v); err != nil {
			t.Fatal(err)
		}
	}
	if pool.next != before {
		t.Fatalf("pages %d to %d were opened with %d free", before, pool.next, before)
	}
	c.Free()
}

func TestReservationIsOutOfOthersReach(t *testing.T) {
	const page = 4096
	pool := NewPool(page, 10*page)
	r, err := pool.Reserve(6*page - 1)
	if err != nil {
		t.Fatal(err)
	}
	if r.Left() != 6*page || pool.Available() != 4*page || pool.Used() != 0 {
		t.Fatalf("left %d, available %d, used %d", r.Left(), pool.Available(), pool.Used())
	}
	if _, err := pool.Reserve(5 * page); !errors.Is(err, ErrBudget) {
		t.Fatalf("reserving beyond the budget: %v", err)
	}
	d := 64
	others := pool.NewCache(Shape{1, 1, d}, Uniform(F16))
	n := 2 * 31 // two pages each
	if err := others.Lane(0, 0).Append(count(n), make([]float32, n*d), make([]float32, n*d)); err != nil {
		t.Fatal(err)
	}
	if err := others.Lane(0, 0).AppendOne(1000, make([]float32, d), make([]float32, d)); !errors.Is(err, ErrBudget) {
		t.Fatalf("a neighbour drew from the reservation: %v", err)
	}
	mine := pool.NewCache(Shape{1, 1, d}, Uniform(F16))
	mine.Attach(r)
	n = 3 * 31
	if err := mine.Lane(0, 0).Append(count(n), make([]float32, n*d), make([]float32, n*d)); err != nil {
		t.Fatal(err)
	}
	if r.Left() != 0 || pool.Used() != 10*page {
		t.Fatalf("left %d, used %d", r.Left(), pool.Used())
	}
	// What the cache drops is its own again, not the neighbour's.
	if err := mine.Lane(0, 0).Drop(2 * 31); err != nil {
		t.Fatal(err)
	}
	if r.Left() != 4*page || pool.Available() != 0 {
		t.Fatalf("left %d, available %d after dropping four pages", r.Left(), pool.Available())
	}
	if err := r.Resize(page); err != nil || pool.Available() != 3*page {
		t.Fatalf("resized: %v, available %d", err, pool.Available())
	}
	if err := r.Resize(5 * page); !errors.Is(err, ErrBudget) || r.Left() != page {
		t.Fatalf("resized beyond the budget: %v, left %d", err, r.Left())
	}
	b, err := pool.NewBlock(2*page, r)
	if err != nil || r.Left() != 0 {
		t.Fatalf("block from the reservation: %v, left %d", err, r.Left())
	}
	if b.Floats()[0] != 0 || len(b.Floats()) != 2048 {
		t.Fatal("a block is not zeroed")
	}
	b.Free()
	b.Free()
	mine.Free()
	others.Free()
	if pool.Used() != 0 || pool.Reserved() != 0 || pool.Peak() != 10*page {
		t.Fatalf("used %d, reserved %d, peak %d at the end", pool.Used(), pool.Reserved(), pool.Peak())
	}
}

// Goroutines fill and free caches against a budget that holds half of what they want.
func TestBudgetHoldsUnderContention(t *testing.T) {
	const d, workers = 32, 8
	pool := NewPool(4096, 64*4096)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			k, pos := make([]float32, 300*d), count(300)
			for range 60 {
				c := pool.NewCache(Shape{2, 2, d}, Storage{Keys: Format(w % 7), Values: Q8})
				for i := range 4 {
					if err := c.Lane(i/2, i%2).Append(pos, k, k); err != nil && !errors.Is(err, ErrBudget) {
						t.Error(err)
					}
					_ = c.Lane(i/2, i%2).Drop(100)
				}
				if used := pool.Used(); used > 64*4096 {
					t.Errorf("%d bytes used", used)
				}
				c.Free()
			}
		})
	}
	wg.Wait()
	if pool.Peak() > 64*4096 || pool.Used() != 0 {
		t.Fatalf("peak %d, used %d", pool.Peak(), pool.Used())
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
}
