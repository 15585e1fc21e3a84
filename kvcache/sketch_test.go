package kvcache

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"pith/kernel"
)

// After any history, what a query makes of spans and of the sketch is a dense computation from the stored entries: exact inside the spans, keys of 2 bits and mean
// values outside, entries without a sketch read in any case. Losses are the softmax over those keys times what the means lose.
func TestSketchHoldsAfterAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const g = 3
		d := rapid.SampledFrom([]int{32, 64, 80}).Draw(t, "d")
		st := rapid.SampledFrom(allStorages).Draw(t, "storage")
		pool := NewPool(PageBytes(d, st), 0)
		c := pool.NewCache(Shape{1, 1, d}, st)
		defer c.Free()
		if err := c.SetSketch(); err != nil {
			t.Fatal(err)
		}
		l := c.Lane(0, 0)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		anything(t, l, r, false) // a channel of 65,504 leaves no precision to the others
		if l.Bytes() != pool.Used() {
			t.Fatalf("lane %d, pool %d bytes", l.Bytes(), pool.Used())
		}
		n := l.Len()
		k, v := make([]float32, n*d), make([]float32, n*d)
		l.Gather(k, v, nil)
		rough, mean, sketched := make([]float32, n*d), make([]float32, n*d), make([]bool, n)
		base := 0
		for _, s := range l.Segments() {
			for lo := base; lo+64 <= base+s.Len; lo += 64 {
				block := make([]byte, kernel.SketchBytes(d))
				kernel.EncodeSketch(block, slices.Clone(k[lo*d:(lo+64)*d]), d)
				kernel.DecodeSketch(rough[lo*d:], block, d)
				for j := lo; j < lo+64; j++ {
					sketched[j] = true
					first := lo + (j-lo)/32*32
					for ch := range d {
						for i := range 32 {
							mean[j*d+ch] += v[(first+i)*d+ch] / 32
						}
					}
				}
			}
			base += s.Len
		}
		query := Query{Q: wholeTurned(r, g, d), Group: g, Scale: 0.2, SoftCap: rapid.SampledFrom([]float32{0, 3}).Draw(t, "cap")}
		var look Glance
		for i := range look.Begin(l, &query) {
			look.Look(l, &query, i, new(AttendScratch))
		}
		loss, bare := look.Loss(l, &query)
		read := make([]bool, n)
		query.Slots = []int32{}
		for j := range n {
			if read[j] = !sketched[j] || r.IntN(3) == 0; read[j] {
				query.Slots = append(query.Slots, int32(j))
			}
			if !sketched[j] {
				if bare--; !math.IsInf(float64(loss[j]), 1) {
					t.Fatalf("loss of entry %d, which is not sketched: %g", j, loss[j])
				}
			}
		}
		if bare != 0 {
			t.Fatalf("%d more entries are said to have no sketch", bare)
		}
		if !slices.Contains(sketched, false) {
			_, want := dense(query.Q, rough, v, make([]Position, n), g, d, &query)
			for j := range n {
				var deviation float64
				for ch, x := range v[j*d : (j+1)*d] {
					deviation += math.Pow(float64(x-mean[j*d+ch]), 2)
				}
				deviation = math.Sqrt(deviation)
				if math.Abs(float64(loss[j])-deviation*want[j]) > deviation*(2e-3+want[j]/16)+1e-4 {
					t.Fatalf("loss of entry %d: %g, want %g", j, loss[j], deviation*want[j])
				}
			}
		}
		out := make([]float32, g*d)
		var sc AttendScratch
		l.AttendQuery(out, &query, &sc, nil)
		var rest Partial
		look.Rest(&rest, l, &query, &sc)
		sc.total.Fold(&rest)
		mixedK, mixedV := slices.Clone(rough), slices.Clone(mean)
		for j := range n {
			if read[j] {
				copy(mixedK[j*d:(j+1)*d], k[j*d:(j+1)*d])
				copy(mixedV[j*d:(j+1)*d], v[j*d:(j+1)*d])
			}
		}
		want, _ := dense(query.Q, mixedK, mixedV, make([]Position, n), g, d, &query)
		for i := range want {
			if n > 0 && math.Abs(float64(sc.total.Acc[i])-want[i]) > 6e-3 {
				t.Fatalf("channel %d of %d entries: %g, want %g", i, n, sc.total.Acc[i], want[i])
			}
		}
	})
}

// wholeTurned are queries that a Hadamard matrix turns into whole numbers up to 127, times a factor: a sketch's products round such a query to itself.
func wholeTurned(r *rand.Rand, g, d int) []float32 {
	n := d & -d
	q := make([]float32, g*d)
	for first := 0; first < len(q); first += n {
		for j := range n {
			x := math.Round(max(-127, min(127, 40*r.NormFloat64())))
			if (first+j)%d == 0 {
				x = 127
			}
			for i := range n {
				sign := 1 - 2*float64(bits.OnesCount(uint(i&j))%2)
				q[first+i] += float32(sign * x / 40 / math.Sqrt(float64(n)))
			}
		}
	}
	return q
}
