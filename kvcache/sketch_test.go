package kvcache

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"pith/kernel"
)

// After any history, what a query makes of spans and of the sketch is a dense computation from the stored entries: exact inside the spans, keys of 2 bits and mean
// values outside, entries without a sketch read in any case. Masses are the softmax over those keys.
func TestSketchHoldsAfterAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const g = 3
		d := rapid.SampledFrom([]int{32, 64, 80}).Draw(t, "d")
		st := rapid.SampledFrom(allStorages).Draw(t, "storage")
		unit := rapid.SampledFrom([]int{1, 2, 8, 32}).Draw(t, "unit")
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
			for lo := base; lo+32 <= base+s.Len; lo += 32 {
				block := make([]byte, sketchKeys.KeyBytes(d))
				kernel.EncodeGroupK(block, k[lo*d:], 32, d, sketchKeys)
				kernel.DecodeGroupK(rough[lo*d:], block, 32, d, sketchKeys)
				for j := lo; j < lo+32; j++ {
					sketched[j] = true
					first := lo + (j-lo)/16*16
					for ch := range d {
						for i := range 16 {
							mean[j*d+ch] += v[(first+i)*d+ch] / 16
						}
					}
				}
			}
			base += s.Len
		}
		query := Query{Q: normal(r, g*d), Group: g, Scale: 0.2, SoftCap: rapid.SampledFrom([]float32{0, 3}).Draw(t, "cap")}
		var look Glance
		mass, slots := l.Glance(&look, unit, nil, nil, &query)
		spans := []Span{}
		read := make([]bool, n)
		for _, s := range slots {
			if !sketched[s.Lo] || r.IntN(3) == 0 {
				for j := s.Lo; j < s.Hi; j++ {
					read[j] = true
				}
				if i := len(spans); i > 0 && spans[i-1].Hi == s.Lo {
					spans[i-1].Hi = s.Hi
				} else {
					spans = append(spans, s)
				}
			}
		}
		if !slices.Contains(sketched, false) {
			_, all := dense(query.Q, rough, v, make([]Position, n), g, d, &query)
			for i, s := range slots {
				want := 0.0
				for j := s.Lo; j < s.Hi; j++ {
					want += all[j]
				}
				if math.Abs(float64(mass[i])-want) > 2e-3 {
					t.Fatalf("mass of %v: %g, want %g", s, mass[i], want)
				}
			}
		}
		query.Spans = spans
		out := make([]float32, g*d)
		var sc AttendScratch
		l.AttendQuery(out, &query, &sc, nil)
		var rest Partial
		l.Rest(&rest, &look, &query, &sc)
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
