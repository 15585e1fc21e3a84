package main

import "math"

// Polynomials of kernel/exp.go, constant term first.
var (
	exp2Coefficients = []float32{1, 0.6931471824645996, 0.24022650718688965, 0.055503569543361664, 0.009618083015084267, 0.0013390863314270973, 0.00015453163359779865}
	expCoefficients  = []float32{1, 0.5, 0.16666576266288757, 0.041666556149721146, 0.008363178931176662, 0.0013926184037700295}
)

const (
	exp2Min = -127
	expMin  = -88.0296
	log2E   = 1.44269504088896341
	ln2Hi   = 0.693359375
	ln2Lo   = -2.12194440e-4
	// Added to a f32 of magnitude below 2^22 it leaves round(x)+127 in the low bits: the exponent of 2^round(x).
	exponentMagic = 1<<23*1.5 + 127
)

func float(reg int, x float32) { constant(reg, math.Float32bits(x)) }

// move copies a register.
func move(to, from int) { v("orr v%d.16b, v%d.16b, v%d.16b", to, from, from) }

// horner leaves the polynomial of x with coefficients in registers from c up, constant term first, in p or q, and says in which.
// Every step is one multiply-add onto a copy of the next coefficient.
func horner(x, c, n, p, q int) int {
	move(p, c+n-1)
	for k := n - 2; k >= 0; k-- {
		move(q, c+k)
		v("fmla v%d.4s, v%d.4s, v%d.4s", q, p, x)
		p, q = q, p
	}
	return p
}

// exp2 keeps the constants of 2^x in v23 to v31.
func exp2Constants() {
	float(23, exp2Min)
	float(24, exponentMagic)
	for k, c := range exp2Coefficients {
		float(25+k, c)
	}
}

// exp2 replaces x <= 0 by 2^x, through v20 to v22.
func exp2(x int) {
	v("fmax v%d.4s, v%d.4s, v23.4s", x, x)
	v("fadd v20.4s, v%d.4s, v24.4s", x)
	v("fsub v21.4s, v20.4s, v24.4s")
	v("fsub v%d.4s, v%d.4s, v21.4s", x, x)
	v("shl v20.4s, v20.4s, #23")
	p := horner(x, 25, len(exp2Coefficients), 21, 22)
	v("fmul v%d.4s, v%d.4s, v20.4s", x, p)
}

// expConstants keeps the constants of e^x in v21 to v31.
func expConstants() {
	for i, c := range []float32{expMin, exponentMagic, log2E, ln2Hi, ln2Lo} {
		float(21+i, c)
	}
	for k, c := range expCoefficients {
		float(26+k, c)
	}
}

// expm1Parts consumes x <= 0 and returns t = 2^n and u with e^x = t + t*u, in registers t and u; s is used.
func expm1Parts(x, t, u, s int) {
	v("fmax v%d.4s, v%d.4s, v21.4s", x, x)
	// The product is rounded before the magic number is added, as in the portable code: the choice of n must agree.
	v("fmul v%d.4s, v%d.4s, v23.4s", t, x)
	v("fadd v%d.4s, v%d.4s, v22.4s", t, t)
	v("fsub v%d.4s, v%d.4s, v22.4s", u, t)
	v("fmls v%d.4s, v%d.4s, v24.4s", x, u)
	v("fmls v%d.4s, v%d.4s, v25.4s", x, u)
	v("shl v%d.4s, v%d.4s, #23", t, t)
	p := horner(x, 26, len(expCoefficients), u, s)
	v("fmul v%d.4s, v%d.4s, v%d.4s", u, p, x)
}

// expNeg consumes x <= 0 and leaves e^x in to; u and s are used.
func expNeg(x, to, u, s int) {
	expm1Parts(x, to, u, s)
	v("fmla v%d.4s, v%d.4s, v%d.4s", to, to, u)
}
