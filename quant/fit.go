package quant

// Fitting scales: both searches alternate between rounding the weights with a trial scale and solving for the scale
// that is best, in the least-squares sense, for these codes, and keep the trial with the smallest squared error.

//
// Each product is rounded before it is added (the conversions see to it), so that a compiler that fuses the two
// operations writes the same file as one that doesn't.

// quantise rounds (x-offset)/scale + zero to codes 0..top. With a scale of zero the codes are zero.
func quantise(codes []uint8, x []float32, scale, offset float32, zero, top int) {
	var inverse float32
	if scale != 0 {
		inverse = 1 / scale
	}
	low, high := float32(-zero), float32(top-zero)
	for i, v := range x {
		codes[i] = uint8(int(nearest(float32((v-offset)*inverse), low, high)) + zero)
	}
}

// nearest clamps v to low..high, integers below 2^22, and rounds to an integer, ties to even. NaN gives low.
func nearest(v, low, high float32) float32 {
	if !(v > low) {
		return low
	}
	if v > high {
		return high
	}
	return v + 0x1.8p23 - 0x1.8p23 // the sum has no room for a fraction
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
	low, high := float32(-below), float32(above)
	// A somewhat smaller scale clips the largest weight and serves the others better; the trials span both sides.
	for trial := -4; trial <= 4; trial++ {
		s := top / (low * (1 + float32(trial)/80))
		inverse := 1 / s
		var xq, qq float32
		for _, v := range x {
			q := nearest(float32(v*inverse), low, high)
			xq += float32(v * q)
			qq += float32(q * q)
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
			q := nearest(float32((v-o)*inverse), 0, float32(top))
			sumX += v
			sumQ += q
			sumQQ += float32(q * q)
			sumXQ += float32(v * q)
			e := v - (float32(s*q) + o)
			sumError += float32(e * e)
		}
		if bestError < 0 || sumError < bestError {
			scale, offset, bestError = s, o, sumError
		}
		// The normal equations of s*q+o ≈ x.
		determinant := float32(n*sumQQ) - float32(sumQ*sumQ)
		if !(determinant > 0) {
			break
		}
		s = (float32(n*sumXQ) - float32(sumQ*sumX)) / determinant
		o = (sumX - float32(s*sumQ)) / n
		if zeroInside && o > 0 {
			s, o = sumXQ/sumQQ, 0
		}
		if !(s > 0) {
			break
		}
	}
	return scale, offset
}
