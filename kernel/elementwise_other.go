//go:build !amd64 && !arm64

package kernel

func rmsNormRow(dst, x, weight []float32, eps float32) { rmsNormGeneric(dst, x, weight, eps) }
func siluMulRow(dst, gate, up []float32)               { siluMulGeneric(dst, gate, up) }
func geluMulRow(dst, gate, up []float32)               { geluMulGeneric(dst, gate, up) }
func addRow(dst, x []float32)                          { addGeneric(dst, x) }
func addScaledRow(dst, x []float32, s float32)         { addScaledGeneric(dst, x, s) }
func mulRow(dst, x []float32)                          { mulGeneric(dst, x) }
func scaleRow(dst []float32, s float32)                { scaleGeneric(dst, s) }

func dotRow(a, b []float32) float32                 { return dotGeneric(a, b) }
func axpyRow(dst []float32, a float32, x []float32) { axpyGeneric(dst, a, x) }
func rotatePairsRow(x, cos, sin []float32)          { rotatePairsGeneric(x, cos, sin) }
func rotateHalvesRow(x, cos, sin []float32) {
	rotateHalvesGeneric(x[:len(cos)], x[len(cos):], cos, sin)
}
func sumSquaresRow(x []float32) float32    { return sumSquaresGeneric(x) }
func tanhRow(x []float32, in, out float32) { tanhRowGeneric(x, in, out) }

func expRow(x []float32) (top float32, sum float64)        { return expGeneric(x) }
func softmaxRow(x []float32, s float32) (top, sum float32) { return softmaxParts(x, s) }
