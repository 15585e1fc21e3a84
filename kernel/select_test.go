package kernel

import (
	"math"
	"slices"
	"testing"
)

func TestSelectAtLeast(t *testing.T) {
	r := newRand(1)
	for _, n := range []int{0, 1, 7, 8, 9, 100, selectElems, 2*selectElems + 13} {
		x := normals(r, n, 1)
		if n > 20 {
			x[3], x[11], x[n-1] = float32(math.NaN()), float32(math.Inf(1)), 0
		}
		thresholds := [4]float32{0, -1, 1.5, float32(math.Inf(-1))}
		counts := CountAtLeast(x, &thresholds)
		for k, at := range thresholds {
			want := []int32{-5}
			for i, v := range x {
				if v >= at {
					want = append(want, int32(i))
				}
			}
			if got := PickAtLeast([]int32{-5}, x, at); !slices.Equal(got, want) || counts[k] != len(want)-1 {
				t.Fatalf("%d numbers, threshold %g: %d counted, %d picked, want %d", n, at, counts[k], len(got)-1, len(want)-1)
			}
		}
	}
}
