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
			want, reaching, indices := []int32{-5}, []float32{-5}, make([]int32, n)
			for i, v := range x {
				indices[i] = int32(i)
				if v >= at {
					want, reaching = append(want, int32(i)), append(reaching, v)
				}
			}
			got, values := PickAtLeast([]int32{-5}, []float32{-5}, x, at)
			if !slices.Equal(got, want) || !slices.Equal(values, reaching) || counts[k] != len(want)-1 {
				t.Fatalf("%d numbers, threshold %g: %d counted, %d picked, want %d", n, at, counts[k], len(got)-1, len(want)-1)
			}
			if got := KeepAtLeast(indices, x, at); !slices.Equal(got, want[1:]) {
				t.Fatalf("%d numbers, threshold %g: %d kept, want %d", n, at, len(got), len(want)-1)
			}
		}
	}
}
