package kvcache

import (
	"math/rand/v2"
	"testing"
)

// fill makes lanes of n entries each.
func fill(b *testing.B, st Storage, d, n, lanes int) []*Lane {
	pool := NewPool(PageBytes(d, st), 0)
	c := pool.NewCache(Shape{lanes, 1, d}, st)
	b.Cleanup(c.Free)
	r := rand.New(rand.NewPCG(1, 1))
	k, v, pos := normal(r, n*d), normal(r, n*d), count(n)
	var out []*Lane
	for i := range lanes {
		if err := c.Lane(i, 0).Append(pos, k, v); err != nil {
			b.Fatal(err)
		}
		out = append(out, c.Lane(i, 0))
	}
	return out
}

// BenchmarkAttend reads 30 lanes of 7,168 entries in turn, more than the caches hold in f16. Bytes are those of keys and values.
func BenchmarkAttend(b *testing.B) {
	const d, n, g, lanes = 64, 7168, 3, 30
	for _, st := range []Storage{Uniform(F32), Uniform(F16), Uniform(Q8), Uniform(Q4), Uniform(Q3), Uniform(Q2)} {
		b.Run(st.String(), func(b *testing.B) {
			ls := fill(b, st, d, n, lanes)
			q, out := normal(rand.New(rand.NewPCG(2, 2)), g*d), make([]float32, g*d)
			var s AttendScratch
			b.SetBytes(ls[0].Bytes())
			i := 0
			for b.Loop() {
				ls[i%lanes].Attend(out, q, g, 0.125, 0, 0, &s, nil)
				i++
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	const d, n = 64, 1024
	for _, st := range []Storage{Uniform(F32), Uniform(F16), Uniform(Q8), Uniform(Q4)} {
		b.Run(st.String(), func(b *testing.B) {
			l := fill(b, st, d, 1, 1)[0]
			r := rand.New(rand.NewPCG(1, 1))
			k, v, pos := normal(r, n*d), normal(r, n*d), count(n)
			b.SetBytes(8 * n * d)
			for b.Loop() {
				l.Clear()
				if err := l.Append(pos, k, v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkKeepHalf(b *testing.B) {
	const d, n = 64, 4096
	for _, st := range []Storage{Uniform(F16), Uniform(Q4), {F16, Q4}} {
		b.Run(st.String(), func(b *testing.B) {
			l := fill(b, st, d, 1, 1)[0]
			k, pos := make([]float32, n*d), count(n)
			var slots []int32
			for i := range int32(n / 2) {
				slots = append(slots, 2*i)
			}
			for b.Loop() {
				b.StopTimer()
				l.Clear()
				if err := l.Append(pos, k, k); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if err := l.Keep(slots); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendOne(b *testing.B) {
	const d = 64
	l := fill(b, Uniform(F16), d, 1, 1)[0]
	k := make([]float32, d)
	p := Position(100)
	for b.Loop() {
		if err := l.AppendOne(p, k, k); err != nil {
			b.Fatal(err)
		}
		if p++; l.Len() == 8192 {
			l.Clear()
		}
	}
}
