package kernel

import "math"

// The portable twins. Products are converted to float32 before they are added, which forbids the compiler to fuse
// them on processors where it otherwise would: see the promise of bit equality in elementwise.go.

// foldLanes adds the upper half of the partial sums to the lower until one is left.
func foldLanes(s *[sumLanes]float32) float32 {
	for h := sumLanes / 2; h > 0; h /= 2 {
		for i := range h {
			s[i] += s[i+h]
		}
	}
	return s[0]
}

func sumSquaresGeneric(x []float32) float32 {
	var s [sumLanes]float32
	i := 0
	for ; i+sumLanes <= len(x); i += sumLanes {
		for l, v := range x[i : i+sumLanes] {
			s[l] += float32(v * v)
		}
	}
	for l, v := range x[i:] {
		s[l] += float32(v * v)
	}
	return foldLanes(&s)
}

// normScale returns 1/sqrt(sum/n+eps).
func normScale(sum float32, n int, eps float32) float32 {
	return 1 / float32(math.Sqrt(float64(sum/float32(n)+eps)))
}

func rmsNormGeneric(dst, x, weight []float32, eps float32) {
	r := normScale(sumSquaresGeneric(x), len(x), eps)
	if weight == nil {
		for i, v := range x {
			dst[i] = v * r
		}
		return
	}
	for i, v := range x {
		dst[i] = float32(v*r) * weight[i]
	}
}

func dotGeneric(a, b []float32) float32 {
	var s [sumLanes]float32
	i := 0
	for ; i+sumLanes <= len(a); i += sumLanes {
		x, y := a[i:i+sumLanes:i+sumLanes], b[i:i+sumLanes:i+sumLanes]
		for l := range s {
			s[l] += float32(x[l] * y[l])
		}
	}
	for l := range a[i:] {
		s[l] += float32(a[i+l] * b[i+l])
	}
	return foldLanes(&s)
}

// expGeneric sums the weights in blocks of 64, and the blocks in f64: rows can be as long as the context.
func expGeneric(x []float32) (top float32, sum float64) {
	top = -math.MaxFloat32
	for _, v := range x {
		top = max(top, v)
	}
	for i := 0; i < len(x); i += keyBlock {
		var part float32
		b := x[i:min(i+keyBlock, len(x))]
		for j, v := range b {
			b[j] = expNeg(v - top)
			part += b[j]
		}
		sum += float64(part)
	}
	return top, sum
}

func siluMulGeneric(dst, gate, up []float32) {
	for i, g := range gate {
		dst[i] = g * sigmoid32(g) * up[i]
	}
}

func geluMulGeneric(dst, gate, up []float32) {
	const a, b = 2 * 0.7978845608028654, 0.044715
	for i, g := range gate { // 0.5*(1+tanh u) = sigmoid(2u)
		dst[i] = g * sigmoid32(g*(a*b*(g*g)+a)) * up[i]
	}
}

func addGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] += v
	}
}

func addScaledGeneric(dst, x []float32, s float32) {
	for i, v := range x {
		dst[i] += float32(v * s)
	}
}

func mulGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] *= v
	}
}

func scaleGeneric(dst []float32, s float32) {
	for i := range dst {
		dst[i] *= s
	}
}

func tanhRowGeneric(x []float32, in, out float32) {
	for i, v := range x {
		x[i] = out * tanh32(v*in)
	}
}

func axpyGeneric(dst []float32, a float32, x []float32) {
	for i, v := range x {
		dst[i] += a * v
	}
}
