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

// What is chosen is ascending, as many as asked for, and none that is left is larger by more than the 128th that may count as equal.
func TestHeaviest(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for round := range 300 {
		n := 1 + r.IntN(3000)
		masses := make([]float32, n)
		for i := range masses {
			switch round % 4 {
			case 0:
				masses[i] = r.Float32()
			case 1:
				masses[i] = float32(math.Exp(-60 * r.Float64()))
			case 2:
				masses[i] = float32(r.IntN(3)) / 4
			case 3:
				masses[i] = float32(math.Exp(-r.ExpFloat64()))
				if i > n-20 {
					masses[i] = 4
				}
			}
		}
		k := r.IntN(n + 2)
		got := Heaviest([]int32{-1}, masses, k, 4)[1:]
		if len(got) != min(k, n) || !slices.IsSorted(got) {
			t.Fatalf("%d of %d: %d chosen", k, n, len(got))
		}
		least, chosen := float32(math.Inf(1)), make([]bool, n)
		for _, i := range got {
			if chosen[i] {
				t.Fatalf("%d twice", i)
			}
			chosen[i] = true
			least = min(least, masses[i])
		}
		for i, m := range masses {
			if !chosen[i] && m > least*(1+1.0/64) && m > 4*0x1p-31 {
				t.Fatalf("round %d, %d of %d: %g is left, %g chosen", round, k, n, m, least)
			}
		}
	}
}
