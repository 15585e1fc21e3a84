package policy

import (
	"cmp"
	"math"
	"slices"
)

// LargestRemainder rounds shares of a total to whole numbers that sum to it: every share is floored and what is left goes to the
// largest fractions, ties to the lower index. No result exceeds its limit while another has room.
func LargestRemainder(shares []float64, total int, limit []int) []int {
	out := make([]int, len(shares))
	order := make([]int, len(shares))
	left := total
	for i, s := range shares {
		out[i] = min(int(math.Floor(s+1e-9)), limit[i])
		left -= out[i]
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(shares[b]-float64(out[b]), shares[a]-float64(out[a]))
	})
	for left > 0 {
		given := false
		for _, i := range order {
			if left > 0 && out[i] < limit[i] {
				out[i]++
				left--
				given = true
			}
		}
		if !given {
			break // every limit is reached
		}
	}
	return out
}
