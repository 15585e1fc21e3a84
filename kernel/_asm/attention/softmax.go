package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// softmaxRow is maxRow, expSumRow and scaleRow in sixteen lanes and one call, with their bits: a block's sums are taken in eight lanes, the lower half of a
// register before the upper. Scores are scaled on the way: the largest product is that of the largest score, rounding keeps the order.
func softmaxRow() {
	v := avx512
	function("softmaxRowAVX512", "func(x *float32, n int, s float32) (top float32, sum float64)",
		"softmaxRowAVX512 replaces n elements x by the softmax of x*s, s being positive, and returns the largest x*s, or the lowest finite number, and the sum of e^(x*s-top).")
	x, n := ptr("x"), ptr("n")
	s := v.param("s")
	tail, rest := K(), GP64()
	MOVQ(n, rest)
	ANDQ(operand.Imm(15), rest)
	lanes := GP64()
	MOVQ(operand.I32(-1), lanes)
	BZHIQ(rest, lanes, lanes)
	KMOVW(lanes.As32(), tail)

	// Whole vectors, unroll at a time, then what is left under the mask.
	pass := func(label string, unroll int, vector func(k int, m operand.Mem), masked func(m operand.Mem)) {
		at16, left := GP64(), GP64()
		MOVQ(x, at16)
		MOVQ(n, left)
		for _, u := range []int{unroll, 1} {
			loop(label, left, 16*u, func() {
				for k := range u {
					vector(k, at(at16, 64*k))
				}
				ADDQ(operand.U32(uint32(64*u)), at16)
			})
		}
		done := unique("done")
		TESTQ(left, left)
		JE(operand.LabelRef(done))
		masked(at(at16, 0))
		Label(done)
	}

	most := v.regs(4)
	for _, r := range most {
		VBROADCASTSS(constant("minusInf", math.Float32bits(float32(math.Inf(-1)))), r)
	}
	pass("largest", 4,
		func(k int, m operand.Mem) { VMAXPS(m, most[k], most[k]) },
		func(m operand.Mem) { VMAXPS(m, most[0], tail, most[0]) })
	VMAXPS(most[1], most[0], most[0])
	VMAXPS(most[3], most[2], most[2])
	VMAXPS(most[2], most[0], most[0])
	top, m := v.foldTo128(most[0], VMAXPS), v.reg()
	foldToLane(top, VMAXPS)
	VMULSS(s.(reg.Vec).AsX(), top, top)
	VMAXSS(constant("lowest", math.Float32bits(-math.MaxFloat32)), top, top)
	Store(top, Return("top"))
	VBROADCASTSS(top, m)

	low, magic, log2, hi, lo := v.float("expMin", expMin), v.float("exponentMagic", exponentMagic), v.float("log2E", log2E), v.float("ln2Hi", ln2Hi), v.float("ln2Lo", ln2Lo)
	var c []reg.VecVirtual
	for k, x := range expCoefficients {
		c = append(c, v.float("expC"+itoa(k), x))
	}
	// exp is expNeg8, of several vectors in turn: the processor does not look far enough ahead to take the next one's steps between this one's.
	exp := func(e ...reg.VecVirtual) []reg.VecVirtual {
		t, p := v.regs(len(e)), v.regs(len(e))
		step := func(f func(e, t, p reg.VecVirtual)) {
			for i := range e {
				f(e[i], t[i], p[i])
			}
		}
		step(func(e, t, p reg.VecVirtual) { VMULPS(s, e, e) })
		step(func(e, t, p reg.VecVirtual) { VSUBPS(m, e, e) })
		step(func(e, t, p reg.VecVirtual) { VMAXPS(e, low, e) })
		step(func(e, t, p reg.VecVirtual) { VMULPS(log2, e, t) })
		step(func(e, t, p reg.VecVirtual) { VADDPS(magic, t, t) })
		step(func(e, t, p reg.VecVirtual) { VSUBPS(magic, t, p) })
		step(func(e, t, p reg.VecVirtual) { VFNMADD231PS(hi, p, e) })
		step(func(e, t, p reg.VecVirtual) { VFNMADD231PS(lo, p, e) })
		step(func(e, t, p reg.VecVirtual) { VPSLLD(operand.Imm(23), t, t) })
		step(func(e, t, p reg.VecVirtual) { VMOVAPS(c[6], p) })
		for k := 5; k >= 1; k-- {
			step(func(e, t, p reg.VecVirtual) { VFMADD213PS(c[k], e, p) })
		}
		step(func(e, t, p reg.VecVirtual) { VMULPS(e, p, p) })
		step(func(e, t, p reg.VecVirtual) { VFMADD213PS(t, t, p) })
		return p
	}
	total := [2]reg.VecVirtual{YMM(), YMM()}
	VPXOR(total[0], total[0], total[0])
	VPXOR(total[1], total[1], total[1])
	add := func(e, sum reg.VecVirtual) {
		h := YMM()
		VEXTRACTF64X4(operand.Imm(1), e, h)
		VADDPS(e.(reg.Vec).AsY(), sum, sum)
		VADDPS(h, sum, sum)
	}
	flush := func(sum reg.VecVirtual) {
		d, h := YMM(), XMM()
		VCVTPS2PD(sum.(reg.Vec).AsX(), d)
		VADDPD(d, total[0], total[0])
		VEXTRACTF32X4(operand.Imm(1), sum, h)
		VCVTPS2PD(h, d)
		VADDPD(d, total[1], total[1])
	}
	from, left := GP64(), GP64()
	MOVQ(x, from)
	MOVQ(n, left)
	loop("block", left, 64, func() {
		sum := YMM()
		VPXOR(sum, sum, sum)
		e := v.regs(4)
		for k, e := range e {
			VMOVUPS(at(from, 64*k), e)
		}
		for k, e := range exp(e...) {
			VMOVUPS(e, at(from, 64*k))
			add(e, sum)
		}
		flush(sum)
		ADDQ(operand.U32(256), from)
	})
	sum := YMM()
	VPXOR(sum, sum, sum)
	loop("vectors", left, 16, func() {
		e := v.reg()
		VMOVUPS(at(from, 0), e)
		e = exp(e)[0]
		VMOVUPS(e, at(from, 0))
		add(e, sum)
		ADDQ(operand.U32(64), from)
	})
	done := unique("done")
	TESTQ(left, left)
	JE(operand.LabelRef(done))
	e := v.reg()
	VMOVUPS_Z(at(from, 0), tail, e)
	e = exp(e)[0]
	VMOVUPS_Z(e, tail, e)
	VMOVUPS(e, tail, at(from, 0))
	add(e, sum)
	Label(done)
	flush(sum)
	VADDPD(total[1], total[0], total[0])
	h, l, t := XMM(), total[0].(reg.Vec).AsX(), XMM()
	VEXTRACTF128(operand.Imm(1), total[0], h)
	VADDPD(h, l, h)
	VUNPCKHPD(h, h, t)
	VADDPD(t, h, h)
	Store(h, Return("sum"))

	blind := unique("blind")
	zero, share, factor := XMM(), XMM(), v.reg()
	VPXOR(zero, zero, zero)
	VUCOMISD(zero, h)
	JE(operand.LabelRef(blind)) // not a number goes there as well, and stays one
	VMOVSD(one64(), share)
	VDIVSD(h, share, share)
	VCVTSD2SS(share, share, share)
	VBROADCASTSS(share, factor)
	pass("shares", 4,
		func(_ int, m operand.Mem) {
			e := v.reg()
			VMULPS(m, factor, e)
			VMOVUPS(e, m)
		},
		func(m operand.Mem) {
			e := v.reg()
			VMULPS_Z(m, factor, tail, e)
			VMOVUPS(e, tail, m)
		})
	Label(blind)
	ret()
}

func one64() operand.Mem {
	m := GLOBL("one64", RODATA|NOPTR)
	DATA(0, operand.U64(math.Float64bits(1)))
	return m
}
