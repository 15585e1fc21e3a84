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
