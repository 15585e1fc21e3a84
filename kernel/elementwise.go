package kernel

import "math"

// Elementwise steps of a layer, on rows of f32. No function keeps a slice or allocates. Where dst and a source are both
// given they may be the same slice; other overlaps are not allowed. Sources must be at least as long as dst.
//
// Sums over a row are taken in 32 interleaved partial sums, folded by halves: that order is the same on every tier, and
// RMSNorm, Add, Scale, the rotations and their kin are equal bit for bit on all of them. What contains an exponential
// agrees between tiers within a few units in the last place.

// sumLanes is the number of interleaved partial sums of a reduction over a row.
const sumLanes = 32

// RMSNorm writes x/sqrt(mean(x²)+eps)*weight to dst, one row. A nil weight stands for ones.
func RMSNorm(dst, x, weight []float32, eps float32) {
	if len(x) == 0 {
		return
	}
	dst = dst[:len(x)]
	if weight != nil {
		weight = weight[:len(x)]
	}
	rmsNormRow(dst, x, weight, eps)
}

// Softmax replaces the row x by its softmax. Scores of minus infinity get the weight 0; a row of nothing else becomes
// zeros.
func Softmax(x []float32) { SoftmaxStats(x) }

// SoftmaxStats is Softmax and returns the largest score and the sum of e^(score-largest), from which softmaxes of parts of a row
// are put together. The sum is 0 where nothing is visible; the largest score is then the lowest finite number.
func SoftmaxStats(x []float32) (top, sum float32) {
	return SoftmaxScaled(x, 1)
}

// SoftmaxScaled is Scale and SoftmaxStats, to the bit.
func SoftmaxScaled(x []float32, s float32) (top, sum float32) {
	if len(x) == 0 {
		return -math.MaxFloat32, 0
	}
	return softmaxRow(x, s)
}

// softmaxParts is softmaxRow in steps.
func softmaxParts(x []float32, s float32) (top, sum float32) {
	if s != 1 {
		scaleRow(x, s)
	}
	top, total := expRow(x)
	if total != 0 {
		scaleRow(x, float32(1/total))
	}
	return top, float32(total)
}

// SiLUMul writes gate*sigmoid(gate)*up to dst.
func SiLUMul(dst, gate, up []float32) {
	n := len(dst)
	siluMulRow(dst, gate[:n], up[:n])
}

// GELUMul writes gelu(gate)*up to dst, with gelu in its tanh form 0.5x(1+tanh(sqrt(2/pi)(x+0.044715x³))).
func GELUMul(dst, gate, up []float32) {
	n := len(dst)
	geluMulRow(dst, gate[:n], up[:n])
}

// Add adds x to dst.
func Add(dst, x []float32) { addRow(dst, x[:len(dst)]) }

// AddScaled adds s*x to dst; the product is rounded before it is added.
func AddScaled(dst, x []float32, s float32) { addScaledRow(dst, x[:len(dst)], s) }

// Mul multiplies dst by x, element by element.
func Mul(dst, x []float32) { mulRow(dst, x[:len(dst)]) }

// Scale multiplies dst by s.
func Scale(dst []float32, s float32) { scaleRow(dst, s) }

// SoftCap replaces every x by c*tanh(x/c), which keeps it within [-c, c]. c must be positive.
func SoftCap(x []float32, c float32) { tanhRow(x, 1/c, c) }

// Dot returns the scalar product of a and b, which have the same length.
func Dot(a, b []float32) float32 { return dotRow(a, b[:len(a)]) }

// SumSquares returns the sum of x².
func SumSquares(x []float32) float32 { return sumSquaresRow(x) }

// Axpy adds a*x to dst with one rounding where the processor has fused multiply-add.
func Axpy(dst []float32, a float32, x []float32) { axpyRow(dst, a, x[:len(dst)]) }
