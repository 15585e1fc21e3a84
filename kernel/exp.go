package kernel

import "math"

// The exponentials of this package take arguments that are not positive (a score less its maximum, minus a magnitude),
// so they cannot overflow, and they flush to zero below 2^-126.5: a masked score of minus infinity has the weight 0
// exactly. Both are polynomials of degree 6 whose constant term is 1, so that the weight of the maximum itself is 1
// exactly, and both stay within 2 units in the last place in f32. Vector tiers use the same polynomials with fused
// multiply-add.
//
// Coefficients: interpolation at Chebyshev nodes of (2^r-1)/r on [-1/2, 1/2], relative error 9.2e-9, and of
// (e^r-1-r)/r^2 on [-ln2/2, ln2/2], relative error 1.1e-8, rounded to f32.
const (
	exp2C1 = 0.6931471824645996
	exp2C2 = 0.24022650718688965
	exp2C3 = 0.055503569543361664
	exp2C4 = 0.009618083015084267
	exp2C5 = 0.0013390863314270973
	exp2C6 = 0.00015453163359779865

	expC2 = 0.5
	expC3 = 0.16666576266288757
	expC4 = 0.041666556149721146
	expC5 = 0.008363178931176662
	expC6 = 0.0013926184037700295

	// ln 2 in two parts (Cody and Waite): the first has 9 bits, so that n*ln2Hi is exact for every exponent n.
	ln2Hi = 0.693359375
	ln2Lo = -2.12194440e-4
	log2E = 1.44269504088896341

	exp2Min = -127     // below: exponent bits of 0, hence the factor 0
	expMin  = -88.0296 // exp2Min in units of ln 2, rounded inwards
)

// roundMagic added to and subtracted from a f32 of magnitude below 2^22 rounds it to an integer, ties to even.
const roundMagic = 1 << 23 * 1.5

func roundEven(x float32) float32 {
	y := x + roundMagic
	return y - roundMagic
}

// pow2 returns 2^n for an integer n in [-127, 127], with 0 for -127.
func pow2(n float32) float32 { return math.Float32frombits(uint32(int32(n)+127) << 23) }

// exp2Neg returns 2^x for x <= 0.
func exp2Neg(x float32) float32 {
	if x < exp2Min {
		x = exp2Min
	}
	n := roundEven(x)
	r := x - n
	p := float32(exp2C6)
	p = p*r + exp2C5
	p = p*r + exp2C4
	p = p*r + exp2C3
	p = p*r + exp2C2
	p = p*r + exp2C1
	p = p*r + 1
	return p * pow2(n)
}

// expm1Parts returns t = 2^n and u with e^x = t + t*u, for x <= 0.
func expm1Parts(x float32) (t, u float32) {
	if x < expMin {
		x = expMin
	}
	n := roundEven(float32(x * log2E))
	r := x - n*ln2Hi
	r -= n * ln2Lo
	p := float32(expC6)
	p = p*r + expC5
	p = p*r + expC4
	p = p*r + expC3
	p = p*r + expC2
	p = p*r + 1
	return pow2(n), p * r
}

// expNeg returns e^x for x <= 0.
func expNeg(x float32) float32 {
	t, u := expm1Parts(x)
	return t * (1 + u)
}

// tanh32 returns tanh x with a relative error of a few units in the last place, near zero too: it is built from
// e^(-2|x|)-1, which cancels nothing.
func tanh32(x float32) float32 {
	a := float32(math.Abs(float64(x)))
	t, u := expm1Parts(-2 * a)
	e := t*u + (t - 1)
	return float32(math.Copysign(float64(-e/(2+e)), float64(x)))
}

// sigmoid32 returns 1/(1+e^-x), from e^-|x| so that neither side overflows.
func sigmoid32(x float32) float32 {
	e := expNeg(-float32(math.Abs(float64(x))))
	if x < 0 {
		return e / (1 + e)
	}
	return 1 / (1 + e)
}
