package kernel

// Dispatch to assembly; see elementwise_generic.go for the reference. Rows of the sizes that models have cost well below
// the 100 microseconds that an assembly call may take; longer slices are cut by pieces.

// pieceElems bounds the elements of one assembly call. It is a multiple of every unit that the kernels work in.
const pieceElems = 1 << 15

func rmsNormRow(dst, x, weight []float32, eps float32) {
	if CPU() < NEON {
		rmsNormGeneric(dst, x, weight, eps)
		return
	}
	n := len(x)
	r := normScale(sumSquaresRow(x), n, eps)
	if weight == nil {
		scaleRowNEON(&dst[0], &x[0], n, r)
	} else {
		scaleMulRowNEON(&dst[0], &x[0], &weight[0], n, r)
	}
}

func softmaxRow(x []float32, s float32) (top, sum float32) { return softmaxParts(x, s) }

func expRow(x []float32) (top float32, sum float64) {
	if CPU() < NEON {
		return expGeneric(x)
	}
	top = maxRowNEON(&x[0], len(x))
	for i := 0; i < len(x); i += pieceElems {
		sum += expSumRowNEON(&x[i], min(pieceElems, len(x)-i), top)
	}
	return top, sum
}

func siluMulRow(dst, gate, up []float32) {
	if CPU() < NEON {
		siluMulGeneric(dst, gate, up)
		return
	}
	for i := 0; i < len(dst); i += pieceElems {
		siluMulRowNEON(&dst[i], &gate[i], &up[i], min(pieceElems, len(dst)-i))
	}
}

func geluMulRow(dst, gate, up []float32) {
	if CPU() < NEON {
		geluMulGeneric(dst, gate, up)
		return
	}
	for i := 0; i < len(dst); i += pieceElems {
		geluMulRowNEON(&dst[i], &gate[i], &up[i], min(pieceElems, len(dst)-i))
	}
}

func addRow(dst, x []float32) {
	if CPU() < NEON {
		addGeneric(dst, x)
		return
	}
	for i := 0; i < len(dst); i += pieceElems {
		addRowNEON(&dst[i], &x[i], min(pieceElems, len(dst)-i))
	}
}

func addScaledRow(dst, x []float32, s float32) {
	if CPU() < NEON {
		addScaledGeneric(dst, x, s)
		return
	}
	for i := 0; i < len(dst); i += pieceElems {
		addScaledRowNEON(&dst[i], &x[i], min(pieceElems, len(dst)-i), s)
	}
}

func mulRow(dst, x []float32) {
	if CPU() < NEON {
		mulGeneric(dst, x)
		return
	}
	for i := 0; i < len(dst); i += pieceElems {
		mulRowNEON(&dst[i], &x[i], min(pieceElems, len(dst)-i))
	}
}

func scaleRow(dst []float32, s float32) {
	if CPU() < NEON {
		scaleGeneric(dst, s)
		return
	}
	for i := 0; i < len(dst); i += pieceElems {
		scaleRowNEON(&dst[i], &dst[i], min(pieceElems, len(dst)-i), s)
	}
}

// tanhRow replaces x by out*tanh(x*in).
func tanhRow(x []float32, in, out float32) {
	if CPU() < NEON {
		tanhRowGeneric(x, in, out)
		return
	}
	for i := 0; i < len(x); i += pieceElems {
		tanhRowNEON(&x[i], min(pieceElems, len(x)-i), in, out)
	}
}

func axpyRow(dst []float32, a float32, x []float32) {
	if CPU() < NEON {
		axpyGeneric(dst, a, x)
		return
	}
	for i := 0; i < len(dst); i += pieceElems {
		axpyRowNEON(&dst[i], &x[i], min(pieceElems, len(dst)-i), a)
	}
}

func dotRow(a, b []float32) float32 {
	if CPU() < NEON || len(a) == 0 {
		return dotGeneric(a, b)
	}
	n := len(a) / sumLanes
	if n*sumLanes == len(a) {
		return dotRowNEON(&a[0], &b[0], n, nil, nil)
	}
	// Zeros change no partial sum: one that starts at +0 never becomes -0.
	var x, y [sumLanes]float32
	copy(x[:], a[n*sumLanes:])
	copy(y[:], b[n*sumLanes:])
	return dotRowNEON(&a[0], &b[0], n, &x[0], &y[0])
}

func sumSquaresRow(x []float32) float32 {
	if CPU() < NEON || len(x) == 0 {
		return sumSquaresGeneric(x)
	}
	n := len(x) / sumLanes
	if n*sumLanes == len(x) {
		return sumSquaresRowNEON(&x[0], n, nil)
	}
	var tail [sumLanes]float32
	copy(tail[:], x[n*sumLanes:])
	return sumSquaresRowNEON(&x[0], n, &tail[0])
}

func rotatePairsRow(x, cos, sin []float32) {
	n := 0
	if CPU() >= NEON && len(cos) >= 4 {
		n = len(cos) &^ 3
		rotatePairsRowNEON(&x[0], &cos[0], &sin[0], n)
	}
	rotatePairsGeneric(x[2*n:], cos[n:], sin[n:])
}

func rotateHalvesRow(x, cos, sin []float32) {
	lo, hi := x[:len(cos)], x[len(cos):]
	n := 0
	if CPU() >= NEON && len(cos) >= 4 {
		n = len(cos) &^ 3
		rotateHalvesRowNEON(&lo[0], &hi[0], &cos[0], &sin[0], n)
	}
	rotateHalvesGeneric(lo[n:], hi[n:], cos[n:], sin[n:])
}
