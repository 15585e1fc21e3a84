//go:build !amd64

package kernel

func weighSketch(dst []uint16, x []float32) (top, sum float32) { return weighSketchGeneric(dst, x) }

func lossSketch(dst []float32, weights []uint16, stride int, shares []float32, deviations []byte) {
	lossSketchGeneric(dst, weights, stride, shares, deviations)
}

func restSketch(dst []float32, weights []uint16, loss []float32) {
	restSketchGeneric(dst, weights, loss)
}
