package policy

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestKthLargestIsThatOfTheSortedValues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		values := make([]float32, 1+r.IntN(200*(1+r.IntN(12))))
		for i := range values {
			switch values[i] = float32(r.IntN(1 + r.IntN(300))); len(values) % 4 { // many are equal
			case 1:
				values[i] = float32(r.NormFloat64())
			case 2:
				if r.IntN(100) == 0 {
					values[i] = float32(math.Inf(r.IntN(2) - 1))
				}
			}
		}
		k := 1 + r.IntN(len(values))
		sorted := slices.Clone(values)
		slices.SortFunc(sorted, func(a, b float32) int { return cmp.Compare(b, a) })
		want, ties := sorted[k-1], 0
		for _, v := range sorted[:k] {
			if v == want {
				ties++
			}
		}
		if got, n := KthLargest(values, k); got != want || n != ties {
			t.Fatalf("%d-th largest of %v: %v, %d of them, want %v, %d", k, sorted, got, n, want, ties)
		}
	}
}

// What is chosen is what sorting chooses, the first ones of equals.
func TestHeaviest(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	var scratch []float32
	for round := range 400 {
		n := 1 + r.IntN(3000)
		if round%3 == 0 { // long enough for a sample
			n = 4097 + r.IntN(30000)
		}
		masses := make([]float32, n)
		for i := range masses {
			switch round % 5 {
			case 0:
				masses[i] = r.Float32()
			case 1:
				masses[i] = float32(math.Exp(-60 * r.Float64()))
			case 2:
				masses[i] = float32(r.IntN(3)) / 4
			case 3:
				masses[i] = float32(math.Exp(-r.ExpFloat64()))
				if i > n-20 {
					masses[i] = float32(math.Inf(1))
				}
			case 4: // a sample of neighbours says little
				masses[i] = float32(i/1000%7) + r.Float32()/8
			}
		}
		k := r.IntN(n + 2)
		got := Heaviest([]int32{-1}, masses, k, &scratch)[1:]
		order := make([]int32, n)
		for i := range order {
			order[i] = int32(i)
		}
		slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(masses[b], masses[a]) })
		want := order[:min(k, n)]
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: %d of %d: %d chosen, not those that sorting chooses", round, k, n, len(got))
		}
	}
	// NaN is never chosen.
	for _, n := range []int{5, 10000} {
		masses := make([]float32, n)
		for i := range masses {
			masses[i] = float32(math.NaN())
		}
		masses[3] = 1
		if got := Heaviest(nil, masses, 3, &scratch); !slices.Equal(got, []int32{3}) {
			t.Fatalf("of %d that are NaN but for one: %v", n, got)
		}
	}
}

func BenchmarkHeaviest(b *testing.B) {
	r := rand.New(rand.NewPCG(9, 10))
	masses := make([]float32, 32768)
	for i := range masses {
		masses[i] = float32(math.Exp(2 * r.NormFloat64()))
	}
	var dst []int32
	var scratch []float32
	for b.Loop() {
		dst = Heaviest(dst[:0], masses, len(masses)/8, &scratch)
	}
}
