package policy

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestKthLargestIsThatOfTheSortedValues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		values := make([]float32, 1+r.IntN(200))
		for i := range values {
			values[i] = float32(r.IntN(1 + r.IntN(300))) // many are equal
		}
		k := 1 + r.IntN(len(values))
		sorted := slices.Clone(values)
		slices.SortFunc(sorted, func(a, b float32) int { return int(b - a) })
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
