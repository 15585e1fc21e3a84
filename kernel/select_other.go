//go:build !amd64

package kernel

func countAtLeast(x []float32, thresholds *[4]float32) [4]int32 {
	return countAtLeastGeneric(x, thresholds)
}

func pickAtLeast(dst []int32, values []float32, x []float32, threshold float32, first int32) int {
	return pickAtLeastGeneric(dst, values, x, threshold, first)
}

func keepAtLeast(dst, indices []int32, x []float32, threshold float32) int {
	return keepAtLeastGeneric(dst, indices, x, threshold)
}
