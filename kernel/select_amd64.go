package kernel

func countAtLeast(x []float32, thresholds *[4]float32) (counts [4]int32) {
	n := 0
	if CPU() >= AVX2 && len(x) >= 8 {
		n = len(x) &^ 7
		countAtLeastAVX2(&counts[0], &x[0], n, &thresholds[0])
	}
	rest := countAtLeastGeneric(x[n:], thresholds)
	for k := range counts {
		counts[k] += rest[k]
	}
	return counts
}

// pickAtLeast writes at most eight elements of dst and values behind what it counts.
func pickAtLeast(dst []int32, values []float32, x []float32, threshold float32, first int32) (count int) {
	n := 0
	if CPU() >= AVX2 && len(x) >= 8 {
		n = len(x) &^ 7
		count = pickAtLeastAVX2(&dst[0], &values[0], &x[0], n, threshold, first)
	}
	return count + pickAtLeastGeneric(dst[count:], values[count:], x[n:], threshold, first+int32(n))
}

// keepAtLeast's dst begins where indices do, or before, and may end behind what is read.
func keepAtLeast(dst, indices []int32, x []float32, threshold float32) (count int) {
	n := 0
	if CPU() >= AVX2 && len(x) >= 8 {
		n = len(x) &^ 7
		count = keepAtLeastAVX2(&dst[0], &indices[0], &x[0], n, threshold)
	}
	return count + keepAtLeastGeneric(dst[count:], indices[n:], x[n:], threshold)
}
