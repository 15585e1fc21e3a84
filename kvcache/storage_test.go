package kvcache

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestStorageNamesRoundTrip(t *testing.T) {
	for _, st := range allStorages {
		got, err := ParseStorage(st.String())
		if err != nil || got != st {
			t.Errorf("%v parsed as %v, %v", st, got, err)
		}
	}
	if st, err := ParseStorage("Q8/f16"); err != nil || st != (Storage{Q8, F16}) {
		t.Errorf("mixed case: %v, %v", st, err)
	}
	for _, text := range []string{"", "q5", "q4/", "f16/f16/f16"} {
		if st, err := ParseStorage(text); err == nil {
			t.Errorf("%q parsed as %v", text, st)
		}
	}
}

// bound is the largest error that a format may make on a number x of a group from lo to hi.
func bound(f Format, x, lo, hi float64) float64 {
	top := max(math.Abs(lo), math.Abs(hi))
	switch f {
	case F32:
		return 0
	case F16:
		return max(math.Abs(x)/2048, 0x1p-25)
	case BF16:
		return math.Abs(x) / 256
	case Q8:
		// Half a step, and the step's own rounding to f16, which the largest codes feel most.
		step := top / 127
		round := max(step*0x1p-11, 0x1p-25)
		return (step+round)/2 + 127.5*round + 1e-6*top
	}
	levels := float64(int(1)<<f.Bits() - 1)
	// The minimum is rounded to f16, the step too; codes count from the minimum as stored.
	low := max(math.Abs(lo)*0x1p-11, 0x1p-25)
	step := (hi - lo + low) / levels
	round := max(step*0x1p-11, 0x1p-25)
	return (step+round)/2 + low + levels*round + 1e-6*top
}

func TestEncodingErrorIsWithinTheFormatsBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom([]Format{F32, F16, BF16, Q8, Q4, Q3, Q2}).Draw(t, "format")
		d := rapid.SampledFrom([]int{32, 64, 80, 96, 128}).Draw(t, "d")
		n := rapid.IntRange(1, 150).Draw(t, "n")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		spread := math.Pow(10, rapid.Float64Range(-4, 3).Draw(t, "spread"))
		k, v := normal(r, n*d), normal(r, n*d)
		for i := range k {
			// Keys with an offset per channel, as the biases of some families make them.
			k[i] = float32(spread*float64(k[i])) + float32(i%d%5)*float32(spread)*10
			v[i] *= float32(spread)
		}
		pool := NewPool(PageBytes(d, Uniform(f)), 0)
		c := pool.NewCache(Shape{1, 1, d}, Uniform(f))
		defer c.Free()
		l := c.Lane(0, 0)
		if err := l.Append(count(n), k, v); err != nil {
			t.Fatal(err)
		}
		gk, gv := make([]float32, n*d), make([]float32, n*d)
		l.Gather(gk, gv, nil)
		for i := range k {
			tok, ch := i/d, i%d
			// The group of keys that share a scale, and that of values.
			klo, khi, vlo, vhi := k[i], k[i], v[i], v[i]
			if f.Grouped() {
				for j := tok / f.GroupTokens() * f.GroupTokens(); j < min(n, (tok/f.GroupTokens()+1)*f.GroupTokens()); j++ {
					klo, khi = min(klo, k[j*d+ch]), max(khi, k[j*d+ch])
				}
			}
			width := 32
			if f.Grouped() {
				width = f.GroupTokens()
			}
			for j := ch / width * width; j < min(d, (ch/width+1)*width); j++ {
				vlo, vhi = min(vlo, v[tok*d+j]), max(vhi, v[tok*d+j])
				if !f.Grouped() {
					klo, khi = min(klo, k[tok*d+j]), max(khi, k[tok*d+j])
				}
			}
			if e, b := math.Abs(float64(gk[i]-k[i])), bound(f, float64(k[i]), float64(klo), float64(khi)); e > b {
				t.Fatalf("key %g of [%g, %g] stored as %g: error %g above %g", k[i], klo, khi, gk[i], e, b)
			}
			if e, b := math.Abs(float64(gv[i]-v[i])), bound(f, float64(v[i]), float64(vlo), float64(vhi)); e > b {
				t.Fatalf("value %g of [%g, %g] stored as %g: error %g above %g", v[i], vlo, vhi, gv[i], e, b)
			}
		}
	})
}

func TestComputedBytesAreMeasuredBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st := rapid.SampledFrom(allStorages).Draw(t, "storage")
		d := rapid.SampledFrom([]int{32, 64, 80, 128, 256}).Draw(t, "d")
		n := rapid.IntRange(0, 900).Draw(t, "n")
		page := PageBytes(d, st) * rapid.IntRange(1, 4).Draw(t, "multiple")
		var columns []Column
		if rapid.Bool().Draw(t, "columns") {
			columns = testColumns
		}
		c := NewPool(page, 0).NewCache(Shape{1, 1, d}, st, columns...)
		defer c.Free()
		l := c.Lane(0, 0)
		if err := l.Append(count(n), make([]float32, n*d), make([]float32, n*d)); err != nil {
			t.Fatal(err)
		}
		if got := BytesFor(n, d, st, page, columns...); got != l.Bytes() || got != c.Bytes() {
			t.Fatalf("%d bytes computed, %d held", got, l.Bytes())
		}
		most := EntriesFor(l.Bytes(), d, st, page, columns...)
		if most < n || BytesFor(most, d, st, page, columns...) > l.Bytes() || BytesFor(most+1, d, st, page, columns...) <= l.Bytes() {
			t.Fatalf("%d bytes are said to hold %d entries; %d are in", l.Bytes(), most, n)
		}
	})
}

// Long lanes take little more than their codes, scales and positions.
func TestPagesWasteLittle(t *testing.T) {
	for _, d := range []int{64, 128, 256} {
		for _, st := range allStorages {
			page := PageBytes(d, st)
			const n = 1 << 14
			perEntry := 0.0
			for i, f := range []Format{st.Keys, st.Values} {
				bytes := float64(d*f.Bits()) / 8
				switch {
				case f == Q8:
					bytes += float64(d) / 16
				case f.Grouped() && i == 0:
					bytes += 4 * float64(d) / float64(f.GroupTokens())
				case f.Grouped():
					bytes += 4 * math.Ceil(float64(d)/float64(f.GroupTokens()))
				}
				perEntry += bytes
			}
			perEntry += positionBytes
			got := float64(BytesFor(n, d, st, page)) / n
			if got > perEntry*1.065 {
				t.Errorf("d %d, %v, pages of %d: %.1f bytes an entry, %.1f without loss", d, st, page, got, perEntry)
			}
			t.Logf("d %3d %-8v page %5d: %6.1f bytes an entry, %6.1f without loss", d, st, page, got, perEntry)
		}
	}
}

// Lanes of quantised storage, alone and beside entries in more bits, take within three per cent what codes, steps, minima and positions take.
func TestQuantisedLanesTakeTheBytesOfTheirFormula(t *testing.T) {
	bits := func(st Storage, d, n int) float64 {
		sum := 32.0 // position
		for i, f := range []Format{st.Keys, st.Values} {
			sum += float64(d * f.Bits())
			switch {
			case f == Q8: // f16 for every 32 channels
				sum += float64(d) / 2
			case f.Grouped() && i == 0: // step and minimum of every channel, for a group of tokens
				sum += 32 * float64(d) / float64(f.GroupTokens())
			case f.Grouped(): // of every group of channels, for a token
				sum += 32 * math.Ceil(float64(d)/float64(f.GroupTokens()))
			}
		}
		return sum * float64(n)
	}
	for _, d := range []int{64, 128} {
		for _, st := range []Storage{Uniform(Q8), Uniform(Q4), Uniform(Q3), Uniform(Q2), {Q4, Q3}} {
			for _, high := range []int{0, 2048} { // MiKV: a quarter stays in f16
				const n = 8192
				l := oneLane(t, NewPool(PageBytes(d, st), 0), d, Uniform(F16))
				k, pos := make([]float32, n*d), count(n)
				var picks [2][]int32
				for i := range int32(n) {
					to := 1
					if int(i)%4 == 0 && high > 0 {
						to = 0
					}
					picks[to] = append(picks[to], i)
				}
				if err := l.AppendSelected(pos, k, k, picks[0]); err != nil {
					t.Fatal(err)
				}
				if err := l.AppendDemoted(pos, k, k, picks[1], st); err != nil {
					t.Fatal(err)
				}
				computed := (bits(Uniform(F16), d, len(picks[0])) + bits(st, d, len(picks[1]))) / 8
				if got := float64(l.Bytes()); math.Abs(got/computed-1) > 0.03 {
					t.Errorf("%d channels, %v, %d entries in f16: %.0f bytes measured, %.0f computed", d, st, high, got, computed)
				}
			}
		}
	}
}

func TestOverflowTurnsTheLaneToBF16(t *testing.T) {
	const d, n = 64, 100
	r := rand.New(rand.NewPCG(1, 2))
	l := oneLane(t, NewPool(4096, 0), d, Uniform(F16))
	k, v := normal(r, n*d), normal(r, n*d)
	k[70*d+3], k[80*d] = 1e6, -7e4
	if err := l.Append(count(n), k, v); err != nil {
		t.Fatal(err)
	}
	if got := l.cache.Overflows(); got != 2 {
		t.Errorf("%d overflows counted", got)
	}
	if s := l.Segments()[0].Storage; s != (Storage{BF16, F16}) {
		t.Errorf("stored as %v", s)
	}
	gk, gv := make([]float32, n*d), make([]float32, n*d)
	l.Gather(gk, gv, nil)
	for i := range k {
		if math.Abs(float64(gk[i]-k[i])) > math.Abs(float64(k[i]))/128 {
			t.Fatalf("key %g stored as %g", k[i], gk[i])
		}
	}
	// Later entries join the same segment.
	if err := l.AppendOne(5000, k[:d], v[:d]); err != nil || len(l.Segments()) != 1 {
		t.Errorf("after the overflow: %v, %d segments", err, len(l.Segments()))
	}
}

func TestThinnedGroupsKeepTheirBits(t *testing.T) {
	const d, n = 64, 640
	for _, f := range []Format{Q4, Q3, Q2} {
		t.Run(fmt.Sprint(f), func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			l := oneLane(t, NewPool(4096, 0), d, Uniform(f))
			if err := l.Append(count(n), normal(r, n*d), normal(r, n*d)); err != nil {
				t.Fatal(err)
			}
			full := l.Bytes()
			k, v := make([]float32, n*d), make([]float32, n*d)
			l.Gather(k, v, nil)
			var slots []int32
			for i := range int32(n) {
				if i%2 == 0 {
					slots = append(slots, i)
				}
			}
			for round := 0; len(slots) > 10; round++ {
				if err := l.Keep(slots); err != nil {
					t.Fatal(err)
				}
				m := len(slots)
				gk, gv := make([]float32, m*d), make([]float32, m*d)
				l.Gather(gk, gv, nil)
				for i, s := range slots {
					if !slices.Equal(gk[i*d:(i+1)*d], k[int(s)*d:int(s+1)*d]) || !slices.Equal(gv[i*d:(i+1)*d], v[int(s)*d:int(s+1)*d]) {
						t.Fatalf("round %d: entry %d changed", round, s)
					}
				}
				if round == 0 && float64(l.Bytes()) > 0.62*float64(full) {
					t.Errorf("half of the entries take %d of %d bytes", l.Bytes(), full)
				}
				k, v = gk, gv
				for i := range slots {
					slots[i] = int32(i)
				}
				slots = slots[len(slots)/3:]
			}
		})
	}
}

func TestTailAndBoundsAreComputedAsHeld(t *testing.T) {
	for _, st := range allStorages {
		for _, d := range []int{64, 80} {
			page := PageBytes(d, st)
			c := NewPool(page, 0).NewCache(Shape{1, 1, d}, st)
			if err := c.SetBounds(16, 256); err != nil {
				t.Fatal(err)
			}
			l := c.Lane(0, 0)
			const prompt, tail = 500, 77
			if err := l.Append(count(prompt), make([]float32, prompt*d), make([]float32, prompt*d)); err != nil {
				t.Fatal(err)
			}
			load := Load{HeadDim: d, Storage: st, Levels: []int{16, 256}, Prompt: prompt}
			want := load.Bytes(page)
			if c.Bytes() != want {
				t.Errorf("%v, %d channels: %d bytes held, %d computed", st, d, c.Bytes(), want)
			}
			for i := range tail {
				if err := l.AppendOne(Position(9000+i), make([]float32, d), make([]float32, d)); err != nil {
					t.Fatal(err)
				}
			}
			load.Tail = tail
			want = load.Bytes(page)
			if c.Bytes() != want {
				t.Errorf("%v, %d channels: %d bytes held with a tail, %d computed", st, d, c.Bytes(), want)
			}
			c.Free()
		}
	}
}
