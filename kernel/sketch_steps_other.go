//go:build !amd64

package kernel

func weighSketch(dst []uint16, x []float32) (top, sum float32) { return weighSketchGeneric(dst, x) }

func massSketch(dst []float32, weights []uint16, stride int, shares []float32) {
	massSketchGeneric(dst, weights, stride, shares)
}

func restSketch(dst []float32, weights []uint16, mass []float32) {
	restSketchGeneric(dst, weights, mass)
}
