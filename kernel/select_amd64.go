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

// pickAtLeast writes at most eight elements of dst behind what it counts.
func pickAtLeast(dst []int32, x []float32, threshold float32, first int32) (count int) {
	n := 0
	if CPU() >= AVX2 && len(x) >= 8 {
		n = len(x) &^ 7
		count = pickAtLeastAVX2(&dst[0], &x[0], n, threshold, first)
	}
	return count + pickAtLeastGeneric(dst[count:], x[n:], threshold, first+int32(n))
}
