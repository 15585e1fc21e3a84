package main

import (
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
