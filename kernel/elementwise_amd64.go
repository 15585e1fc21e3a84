package kernel

// Dispatch to assembly; see elementwise_generic.go for the reference. Rows of the sizes that models have cost well below
// the 100 microseconds that an assembly call may take; longer slices are cut by pieces.

// pieceElems bounds the elements of one assembly call. It is a multiple of every unit that the kernels work in.
const pieceElems = 1 << 15

func rmsNormRow(dst, x, weight []float32, eps float32) {
	if CPU() < AVX2 {
		rmsNormGeneric(dst, x, weight, eps)
		return
	}
	n := len(x)
	r := normScale(sumSquaresRow(x), n, eps)
	if weight == nil {
		scaleRowAVX2(&dst[0], &x[0], n, r)
	} else {
		scaleMulRowAVX2(&dst[0], &x[0], &weight[0], n, r)
	}
}

func softmaxRow(x []float32, s float32) (top, sum float32) {
	if CPU() >= AVX512 && len(x) <= pieceElems && s > 0 {
		m, total := softmaxRowAVX512(&x[0], len(x), s)
		return m, float32(total)
	}
	return softmaxParts(x, s)
}

func expRow(x []float32) (top float32, sum float64) {
	if CPU() < AVX2 {
		return expGeneric(x)
	}
	top = maxRowAVX2(&x[0], len(x))
	for i := 0; i < len(x); i += pieceElems {
		sum += expSumRowAVX2(&x[i], min(pieceElems, len(x)-i), top)
	}
	return top, sum
}

func siluMulRow(dst, gate, up []float32) {
	if CPU() < AVX2 {
		siluMulGeneric(dst, gate, up)
		return
	}
	for i := 0; i < len(dst); i += pieceElems {
		siluMulRowAVX2(&dst[i], &gate[i], &up[i], min(pieceElems, len(dst)-i))
	}
}

func geluMulRow(dst, gate, up []float32) {
	if CPU() < AVX2 {
		geluMulGeneric(dst, gate, up)
		return
	}
	for i := 0; i < len(dst); i += pieceElems {
		geluMulRowAVX2(&dst[i], &gate[i], &up[i], min(pieceElems, len(dst)-i))
	}
}

func addRow(dst, x []float32) {
	if CPU() < AVX2 {
		addGeneric(dst, x)
		return
	}
	for i := 0; i < len(dst); i += pieceElems {
		addRowAVX2(&dst[i], &x[i], min(pieceElems, len(dst)-i))
	}
}

func addScaledRow(dst, x []float32, s float32) {
	if CPU() < AVX2 {
		addScaledGeneric(dst, x, s)
		return
	}
	for i := 0; i < len(dst); i += pieceElems {
		addScaledRowAVX2(&dst[i], &x[i], min(pieceElems, len(dst)-i), s)
	}
}

func mulRow(dst, x []float32) {
	if CPU() < AVX2 {
		mulGeneric(dst, x)
		return
	}
	for i := 0; i < len(dst); i += pieceElems {
		mulRowAVX2(&dst[i], &x[i], min(pieceElems, len(dst)-i))
	}
}

func scaleRow(dst []float32, s float32) {
	if CPU() < AVX2 {
		scaleGeneric(dst, s)
		return
	}
	for i := 0; i < len(dst); i += pieceElems {
		scaleRowAVX2(&dst[i], &dst[i], min(pieceElems, len(dst)-i), s)
	}
}

// tanhRow replaces x by out*tanh(x*in).
func tanhRow(x []float32, in, out float32) {
	if CPU() < AVX2 {
		tanhRowGeneric(x, in, out)
		return
	}
	for i := 0; i < len(x); i += pieceElems {
		tanhRowAVX2(&x[i], min(pieceElems, len(x)-i), in, out)
	}
}

func axpyRow(dst []float32, a float32, x []float32) {
	if CPU() < AVX2 {
		axpyGeneric(dst, a, x)
		return
	}
	for i := 0; i < len(dst); i += pieceElems {
		axpyRowAVX2(&dst[i], &x[i], min(pieceElems, len(dst)-i), a)
	}
}

func dotRow(a, b []float32) float32 {
	if CPU() < AVX2 || len(a) == 0 {
		return dotGeneric(a, b)
	}
	return dotRowAVX2(&a[0], &b[0], len(a))
}

func sumSquaresRow(x []float32) float32 {
	if CPU() < AVX2 || len(x) == 0 {
		return sumSquaresGeneric(x)
	}
	return sumSquaresRowAVX2(&x[0], len(x))
}

func rotatePairsRow(x, cos, sin []float32) {
	n := 0
	if CPU() >= AVX2 && len(cos) >= 4 {
		n = len(cos) &^ 3
		rotatePairsRowAVX2(&x[0], &cos[0], &sin[0], n)
	}
	rotatePairsGeneric(x[2*n:], cos[n:], sin[n:])
}

func rotateHalvesRow(x, cos, sin []float32) {
	lo, hi := x[:len(cos)], x[len(cos):]
	n := 0
	if CPU() >= AVX2 && len(cos) >= 8 {
		n = len(cos) &^ 7
		rotateHalvesRowAVX2(&lo[0], &hi[0], &cos[0], &sin[0], n)
	}
	rotateHalvesGeneric(lo[n:], hi[n:], cos[n:], sin[n:])
}
