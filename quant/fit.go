package quant

// Fitting scales: both searches alternate between rounding the weights with a trial scale and solving for the scale
// that is best, in the least-squares sense, for these codes, and keep the trial with the smallest squared error.

// quantise rounds (x-offset)/scale + zero to codes 0..top. A scale of zero, and NaN, give the code zero.
func quantise(codes []uint8, x []float32, scale, offset float32, zero, top int) {
	var inverse float32
	if scale != 0 {
		inverse = 1 / scale
	}
	for i, v := range x {
		codes[i] = uint8(nearest((v-offset)*inverse, zero, top))
	}
}

// nearest rounds v to an integer, half up, and clamps v+zero to 0..top. NaN gives zero.
func nearest(v float32, zero, top int) int {
	v += float32(zero) + 0.5
	switch {
	case v >= float32(top+1):
		return top
	case v >= 0:
		return int(v)
	case v < 0:
		return 0
	}
	return zero
}

// fitSymmetric finds a scale s such that s*q approximates x with q in -below..above. s is negative when the largest
// magnitude is positive: that way it gets the one level more that the negative side has.
func fitSymmetric(x []float32, below, above int) float32 {
	var top, magnitude float32
	for _, v := range x {
		if m := max(v, -v); m > magnitude {
			top, magnitude = v, m
		}
	}
	if magnitude == 0 {
		return 0
	}
	var best, bestGain float32
	// A somewhat smaller scale clips the largest weight and serves the others better; the trials span both sides.
	for trial := -4; trial <= 4; trial++ {
		s := top / -(float32(below) + 0.1*float32(trial)*float32(below)/8)
		inverse := 1 / s
		var xq, qq float32
		for _, v := range x {
			q := float32(nearest(v*inverse, below, below+above) - below)
			xq += v * q
			qq += q * q
		}
		// With the best scale xq/qq the squared error is sum(x²) - xq²/qq.
		if qq > 0 && xq*xq > bestGain*qq {
			best, bestGain = xq/qq, xq*xq/qq
		}
	}
	if best == 0 { // underflow of the sums
		return top / -float32(below)
	}
	return best
}

// fitAffine finds a scale s ≥ 0 and an offset o such that s*q+o approximates x with q in 0..top. With zeroInside the
// offset is at most zero, as in formats that store it unsigned and subtract it.
func fitAffine(x []float32, top int, zeroInside bool) (scale, offset float32) {
	low, high := x[0], x[0]
	for _, v := range x {
		low, high = min(low, v), max(high, v)
	}
	if zeroInside && low > 0 {
		low = 0
	}
	if !(high > low) {
		return 0, low
	}
	s, o := (high-low)/float32(top), low
	scale, offset = s, o
	bestError := float32(-1)
	for range 5 {
		inverse := 1 / s
		n := float32(len(x))
		var sumX, sumQ, sumQQ, sumXQ, sumError float32
		for _, v := range x {
			q := float32(nearest((v-o)*inverse, 0, top))
			sumX += v
			sumQ += q
			sumQQ += q * q
			sumXQ += v * q
			e := v - (s*q + o)
			sumError += e * e
		}
		if bestError < 0 || sumError < bestError {
			scale, offset, bestError = s, o, sumError
		}
		// The normal equations of s*q+o ≈ x.
		determinant := n*sumQQ - sumQ*sumQ
		if !(determinant > 0) {
			break
		}
		s = (n*sumXQ - sumQ*sumX) / determinant
		o = (sumX - s*sumQ) / n
		if zeroInside && o > 0 {
			s, o = sumXQ/sumQQ, 0
		}
		if !(s > 0) {
			break
		}
	}
	return scale, offset
}
