package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Polynomials of kernel/exp.go.
var (
	exp2Coefficients = []float32{1, 0.6931471824645996, 0.24022650718688965, 0.055503569543361664, 0.009618083015084267, 0.0013390863314270973, 0.00015453163359779865}
	expCoefficients  = []float32{1, 1, 0.5, 0.16666576266288757, 0.041666556149721146, 0.008363178931176662, 0.0013926184037700295}
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

// exp2 holds the constants of 2^x, 9 registers.
type exp2 struct {
	v             isa
	lowest, magic reg.VecVirtual
	c             []reg.VecVirtual // coefficients, constant term first
}

func newExp2(v isa) *exp2 {
	e := &exp2{v: v, lowest: v.float("exp2Min", exp2Min), magic: v.float("exponentMagic", exponentMagic)}
	for k, c := range exp2Coefficients {
		e.c = append(e.c, v.float("exp2C"+itoa(k), c))
	}
	return e
}

// apply replaces x <= 0 by 2^x. It uses two more registers.
func (e *exp2) apply(x reg.VecVirtual) {
	t, n := e.v.reg(), e.v.reg()
	VMAXPS(x, e.lowest, x)
	VADDPS(e.magic, x, t)
	VSUBPS(e.magic, t, n)
	VSUBPS(n, x, x)
	VPSLLD(operand.Imm(23), t, t)
	p := n
	VMOVAPS(e.c[6], p)
	for k := 5; k >= 0; k-- {
		VFMADD213PS(e.c[k], x, p)
	}
	VMULPS(t, p, x)
}

var vectorConstants = map[string]operand.Mem{}

// all8 returns the memory of a constant repeated in 8 lanes, for use as an operand.
func all8(name string, bits uint32) operand.Mem {
	m, ok := vectorConstants[name]
	if !ok {
		m = GLOBL("v"+name, RODATA|NOPTR)
		for i := range 8 {
			DATA(4*i, operand.U32(bits))
		}
		vectorConstants[name] = m
	}
	return m
}

func float8(name string, x float32) operand.Mem { return all8(name, math.Float32bits(x)) }

// expm1Parts consumes x <= 0 and returns t = 2^n and u with e^x = t + t*u; AVX2.
func expm1Parts(x reg.VecVirtual) (t, u reg.VecVirtual) {
	ts, us := expm1Each(x)
	return ts[0], us[0]
}

// expm1Each is expm1Parts of several vectors in turn: the processor does not look far enough ahead to take the next one's steps between this one's.
func expm1Each(x ...reg.VecVirtual) (t, u []reg.VecVirtual) {
	t, u = avx2.regs(len(x)), avx2.regs(len(x))
	step := func(f func(x, t, p reg.VecVirtual)) {
		for i := range x {
			f(x[i], t[i], u[i])
		}
	}
	step(func(x, t, p reg.VecVirtual) { VMOVUPS(float8("expMin", expMin), t) })
	step(func(x, t, p reg.VecVirtual) { VMAXPS(x, t, x) }) // in this order NaN stays
	// The product is rounded before the magic number is added, as in the portable code: the choice of n must agree.
	step(func(x, t, p reg.VecVirtual) { VMULPS(float8("log2E", log2E), x, t) })
	step(func(x, t, p reg.VecVirtual) { VADDPS(float8("exponentMagic", exponentMagic), t, t) })
	step(func(x, t, p reg.VecVirtual) { VSUBPS(float8("exponentMagic", exponentMagic), t, p) })
	step(func(x, t, p reg.VecVirtual) { VFNMADD231PS(float8("ln2Hi", ln2Hi), p, x) })
	step(func(x, t, p reg.VecVirtual) { VFNMADD231PS(float8("ln2Lo", ln2Lo), p, x) })
	step(func(x, t, p reg.VecVirtual) { VPSLLD(operand.Imm(23), t, t) })
	step(func(x, t, p reg.VecVirtual) { VMOVUPS(float8("expC6", expCoefficients[6]), p) })
	for k := 5; k >= 1; k-- {
		step(func(x, t, p reg.VecVirtual) { VFMADD213PS(float8("expC"+itoa(k), expCoefficients[k]), x, p) })
	}
	step(func(x, t, p reg.VecVirtual) { VMULPS(x, p, p) })
	return t, u
}

// expNeg8 consumes x <= 0 and returns e^x.
func expNeg8(x reg.VecVirtual) reg.VecVirtual { return expNegEach(x)[0] }

// expNegEach is expNeg8 of several vectors in turn.
func expNegEach(x ...reg.VecVirtual) []reg.VecVirtual {
	t, u := expm1Each(x...)
	for i := range x {
		VFMADD213PS(t[i], t[i], u[i]) // u*t + t
	}
	return u
}

// sigmoid8 consumes x and returns 1/(1+e^-x).
func sigmoid8(x reg.VecVirtual) reg.VecVirtual {
	a := YMM()
	VORPS(all8("sign", 1<<31), x, a)
	e := expNeg8(a)
	one := YMM()
	VMOVUPS(float8("one", 1), one)
	sum := YMM()
	VADDPS(one, e, sum)
	VBLENDVPS(x, e, one, one)
	VDIVPS(sum, one, one)
	return one
}

// tanh8 consumes x and returns its hyperbolic tangent.
func tanh8(x reg.VecVirtual) reg.VecVirtual {
	a := YMM()
	VORPS(all8("sign", 1<<31), x, a)
	VADDPS(a, a, a)
	t, u := expm1Parts(a)
	e := YMM()
	VSUBPS(float8("one", 1), t, e)
	VFMADD213PS(e, t, u) // e^(-2|x|) - 1 = t*u + (t-1), not positive
	VADDPS(float8("two", 2), u, e)
	VANDNPS(u, all8Reg("sign", 1<<31), u)
	VDIVPS(e, u, u)
	VANDPS(all8("sign", 1<<31), x, x)
	VORPS(x, u, u)
	return u
}

func all8Reg(name string, bits uint32) reg.VecVirtual {
	r := YMM()
	VMOVUPS(all8(name, bits), r)
	return r
}
