package kernel

import "slices"

// selectElems bounds the elements of one assembly call.
const selectElems = 1 << 14

// CountAtLeast returns how many of x reach each threshold.
func CountAtLeast(x []float32, thresholds *[4]float32) (counts [4]int) {
	for len(x) > 0 {
		n := min(len(x), selectElems)
		part := countAtLeast(x[:n], thresholds)
		for k := range counts {
			counts[k] += int(part[k])
		}
		x = x[n:]
	}
	return counts
}

func countAtLeastGeneric(x []float32, thresholds *[4]float32) (counts [4]int32) {
	for _, v := range x {
		for k, t := range thresholds {
			if v >= t {
				counts[k]++
			}
		}
	}
	return counts
}

// PickAtLeast appends the indices of those of x that reach a threshold to dst, ascending, and the numbers to values, whose elements belong to those of dst.
func PickAtLeast(dst []int32, values []float32, x []float32, threshold float32) ([]int32, []float32) {
	for first := 0; first < len(x); first += selectElems {
		n := min(len(x)-first, selectElems)
		dst, values = slices.Grow(dst, n+8), slices.Grow(values, n+8)
		count := pickAtLeast(dst[len(dst):len(dst)+n+8], values[len(values):len(values)+n+8], x[first:first+n], threshold, int32(first))
		dst, values = dst[:len(dst)+count], values[:len(values)+count]
	}
	return dst, values
}

func pickAtLeastGeneric(dst []int32, values []float32, x []float32, threshold float32, first int32) (count int) {
	for i, v := range x {
		if v >= threshold {
			dst[count], values[count] = first+int32(i), v
			count++
		}
	}
	return count
}

// KeepAtLeast returns those indices whose numbers x reach a threshold, in their place.
func KeepAtLeast(indices []int32, x []float32, threshold float32) []int32 {
	kept := 0
	for first := 0; first < len(x); first += selectElems {
		n := min(len(x)-first, selectElems)
		kept += keepAtLeast(indices[kept:], indices[first:first+n], x[first:first+n], threshold)
	}
	return indices[:kept]
}

func keepAtLeastGeneric(dst, indices []int32, x []float32, threshold float32) (count int) {
	for i, v := range x {
		if v >= threshold {
			dst[count] = indices[i]
			count++
		}
	}
	return count
}
