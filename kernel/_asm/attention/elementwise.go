package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Elementwise kernels are 8 lanes wide on every tier, but for softmaxRow. The last n%8 elements go through the same instructions under a mask, so
// that an element's result does not depend on its place.

// tailMask loads the mask of the first n lanes, 0 < n < 8: a window of a table of eight ones and eight zeros.
func tailMask(n reg.GPVirtual) reg.VecVirtual {
	m, ok := vectorConstants["tail"]
	if !ok {
		m = GLOBL("tail", RODATA|NOPTR)
		for i := range 16 {
			DATA(4*i, operand.U32([2]uint32{1<<32 - 1, 0}[i/8]))
		}
		vectorConstants["tail"] = m
	}
	p, back, mask := GP64(), GP64(), YMM()
	LEAQ(m, p)
	MOVQ(n, back)
	NEGQ(back)
	VMOVUPS(indexed(p, back, 4, 32), mask)
	return mask
}

// each loads 8 elements of every source, applies f and, where dst is given, stores the result; unroll vectors at a time, then
// single ones, then the masked rest.
func each(n, dst reg.GPVirtual, sources []reg.GPVirtual, unroll int, f func(place int, x []reg.VecVirtual) reg.VecVirtual) {
	if unroll > 1 {
		eachRun(n, dst, sources, unroll, f)
	}
	eachRun(n, dst, sources, 1, f)
	done := unique("done")
	TESTQ(n, n)
	JE(operand.LabelRef(done))
	mask := tailMask(n)
	x := make([]reg.VecVirtual, len(sources))
	for i, s := range sources {
		x[i] = YMM()
		VMASKMOVPS(at(s, 0), mask, x[i])
	}
	y := f(-1, x)
	if dst != nil {
		VMASKMOVPS(y, mask, at(dst, 0))
	}
	Label(done)
}

func eachRun(n, dst reg.GPVirtual, sources []reg.GPVirtual, unroll int, f func(place int, x []reg.VecVirtual) reg.VecVirtual) {
	loop("vectors", n, 8*unroll, func() {
		for k := range unroll {
			x := make([]reg.VecVirtual, len(sources))
			for i, s := range sources {
				x[i] = YMM()
				VMOVUPS(at(s, 32*k), x[i])
			}
			y := f(k, x)
			if dst != nil {
				VMOVUPS(y, at(dst, 32*k))
			}
		}
		moved := map[reg.GPVirtual]bool{nil: true}
		for _, p := range append([]reg.GPVirtual{dst}, sources...) {
			if !moved[p] {
				ADDQ(operand.U32(uint32(32*unroll)), p)
				moved[p] = true
			}
		}
	})
}

func elementwiseFile() {
	binary("addRow", "", "adds x to dst", 2, func(p, d, x reg.VecVirtual) { VADDPS(x, d, d) })
	binary("mulRow", "", "multiplies dst by x", 2, func(p, d, x reg.VecVirtual) { VMULPS(x, d, d) })
	binary("addScaledRow", "s", "adds s*x to dst, two roundings", 2, func(p, d, x reg.VecVirtual) {
		VMULPS(p, x, x)
		VADDPS(x, d, d)
	})
	binary("axpyRow", "a", "adds a*x to dst, one rounding", 2, func(p, d, x reg.VecVirtual) { VFMADD231PS(p, x, d) })
	scaleRow()
	scaleMulRow()
	gated("siluMulRow", "gate*sigmoid(gate)*up", func(g reg.VecVirtual) reg.VecVirtual {
		x := YMM()
		VMOVAPS(g, x)
		return x
	})
	gated("geluMulRow", "gelu(gate)*up", func(g reg.VecVirtual) reg.VecVirtual {
		// 0.5*(1+tanh u) = sigmoid(2u)
		x := YMM()
		VMULPS(g, g, x)
		VFMADD213PS(float8("geluLinear", geluLinear), all8Reg("geluCubic", math.Float32bits(geluCubic)), x)
		VMULPS(g, x, x)
		return x
	})
	tanhRow()
	products("sumSquaresRow", 1)
	products("dotRow", 2)
	maxRow()
	expSumRow()
	softmaxRow()
	rotatePairs()
	rotateHalves()
}

const (
	geluLinear = 2 * 0.7978845608028654
	geluCubic  = geluLinear * 0.044715
)

// binary makes dst = f(dst, x) with a scalar parameter.
func binary(name, param, doc string, unroll int, f func(p, d, x reg.VecVirtual)) {
	signature := "func(dst, x *float32, n int)"
	if param != "" {
		signature = "func(dst, x *float32, n int, " + param + " float32)"
	}
	function(name+"AVX2", signature, name+"AVX2 "+doc+", n elements.")
	dst, x, n := ptr("dst"), ptr("x"), ptr("n")
	var p reg.VecVirtual
	if param != "" {
		p = avx2.param(param)
	}
	each(n, dst, []reg.GPVirtual{dst, x}, unroll, func(_ int, v []reg.VecVirtual) reg.VecVirtual {
		f(p, v[0], v[1])
		return v[0]
	})
	ret()
}

func scaleRow() {
	function("scaleRowAVX2", "func(dst, x *float32, n int, s float32)", "scaleRowAVX2 writes s*x to dst, n elements.")
	dst, x, n := ptr("dst"), ptr("x"), ptr("n")
	s := avx2.param("s")
	each(n, dst, []reg.GPVirtual{x}, 4, func(_ int, v []reg.VecVirtual) reg.VecVirtual {
		VMULPS(s, v[0], v[0])
		return v[0]
	})
	ret()
}

func scaleMulRow() {
	function("scaleMulRowAVX2", "func(dst, x, weight *float32, n int, s float32)", "scaleMulRowAVX2 writes (x*s)*weight to dst, n elements.")
	dst, x, w, n := ptr("dst"), ptr("x"), ptr("weight"), ptr("n")
	s := avx2.param("s")
	each(n, dst, []reg.GPVirtual{x, w}, 2, func(_ int, v []reg.VecVirtual) reg.VecVirtual {
		VMULPS(s, v[0], v[0])
		VMULPS(v[1], v[0], v[0])
		return v[0]
	})
	ret()
}

// gated makes dst = gate*sigmoid(f(gate))*up.
func gated(name, doc string, f func(g reg.VecVirtual) reg.VecVirtual) {
	function(name+"AVX2", "func(dst, gate, up *float32, n int)", name+"AVX2 writes "+doc+" to dst, n elements.")
	dst, gate, up, n := ptr("dst"), ptr("gate"), ptr("up"), ptr("n")
	each(n, dst, []reg.GPVirtual{gate, up}, 2, func(_ int, v []reg.VecVirtual) reg.VecVirtual {
		s := sigmoid8(f(v[0]))
		VMULPS(v[0], s, s)
		VMULPS(v[1], s, s)
		return s
	})
	ret()
}

func tanhRow() {
	function("tanhRowAVX2", "func(x *float32, n int, in, out float32)", "tanhRowAVX2 replaces n elements x by out*tanh(x*in).")
	x, n := ptr("x"), ptr("n")
	in, out := avx2.param("in"), avx2.param("out")
	each(n, x, []reg.GPVirtual{x}, 2, func(_ int, v []reg.VecVirtual) reg.VecVirtual {
		VMULPS(in, v[0], v[0])
		y := tanh8(v[0])
		VMULPS(out, y, y)
		return y
	})
	ret()
}

// products sums x*x or a*b in 32 partial sums: vector k of each run of four, and the rest, goes to sum k.
func products(name string, sources int) {
	signature, doc := "func(x *float32, n int) float32", "the sum of squares of n elements"
	names := []string{"x"}
	if sources == 2 {
		signature, doc, names = "func(a, b *float32, n int) float32", "the scalar product of n elements", []string{"a", "b"}
	}
	function(name+"AVX2", signature, name+"AVX2 returns "+doc+", in the order of foldLanes.")
	var src []reg.GPVirtual
	for _, s := range names {
		src = append(src, ptr(s))
	}
	n := ptr("n")
	sums := avx2.regs(4)
	for _, r := range sums {
		avx2.zero(r)
	}
	term := func(k int, x []reg.VecVirtual) {
		VMULPS(x[len(x)-1], x[0], x[0])
		VADDPS(x[0], sums[k], sums[k])
	}
	eachRun(n, nil, src, 4, func(k int, x []reg.VecVirtual) reg.VecVirtual {
		term(k, x)
		return nil
	})
	done := unique("done")
	for k := range 4 {
		part := unique("part")
		CMPQ(n, operand.U32(8))
		JLT(operand.LabelRef(part))
		x := make([]reg.VecVirtual, len(src))
		for i, s := range src {
			x[i] = YMM()
			VMOVUPS(at(s, 0), x[i])
			ADDQ(operand.U32(32), s)
		}
		term(k, x)
		SUBQ(operand.U32(8), n)
		next := unique("next")
		JMP(operand.LabelRef(next))
		Label(part)
		TESTQ(n, n)
		JE(operand.LabelRef(done))
		mask := tailMask(n)
		x = make([]reg.VecVirtual, len(src))
		for i, s := range src {
			x[i] = YMM()
			VMASKMOVPS(at(s, 0), mask, x[i])
		}
		term(k, x)
		JMP(operand.LabelRef(done))
		Label(next)
	}
	Label(done)
	VADDPS(sums[2], sums[0], sums[0])
	VADDPS(sums[3], sums[1], sums[1])
	VADDPS(sums[1], sums[0], sums[0])
	x := avx2.foldTo128(sums[0], VADDPS)
	foldToLane(x, VADDPS)
	Store(x, ReturnIndex(0))
	ret()
}

func maxRow() {
	function("maxRowAVX2", "func(x *float32, n int) float32", "maxRowAVX2 returns the largest of n elements and the lowest finite number.")
	x, n := ptr("x"), ptr("n")
	low := avx2.float("lowest", -math.MaxFloat32)
	m := avx2.regs(2)
	VMOVAPS(low, m[0])
	VMOVAPS(low, m[1])
	eachRun(n, nil, []reg.GPVirtual{x}, 2, func(k int, v []reg.VecVirtual) reg.VecVirtual {
		VMAXPS(v[0], m[k], m[k])
		return nil
	})
	eachRun(n, nil, []reg.GPVirtual{x}, 1, func(_ int, v []reg.VecVirtual) reg.VecVirtual {
		VMAXPS(v[0], m[0], m[0])
		return nil
	})
	done := unique("done")
	TESTQ(n, n)
	JE(operand.LabelRef(done))
	mask, v := tailMask(n), YMM()
	VMASKMOVPS(at(x, 0), mask, v)
	VBLENDVPS(mask, v, low, v)
	VMAXPS(v, m[0], m[0])
	Label(done)
	VMAXPS(m[1], m[0], m[0])
	r := avx2.foldTo128(m[0], VMAXPS)
	foldToLane(r, VMAXPS)
	Store(r, ReturnIndex(0))
	ret()
}

// expSumRow adds 8 partial sums of each block of 64 in f64.
func expSumRow() {
	function("expSumRowAVX2", "func(x *float32, n int, m float32) float64", "expSumRowAVX2 replaces n elements x by e^(x-m) and returns their sum, blocks of 64 in f32, the blocks in f64.")
	x, n := ptr("x"), ptr("n")
	m := avx2.param("m")
	total := avx2.regs(2)
	avx2.zero(total[0])
	avx2.zero(total[1])
	flush := func(sum reg.VecVirtual) {
		d, h := YMM(), XMM()
		VCVTPS2PD(sum.(reg.Vec).AsX(), d)
		VADDPD(d, total[0], total[0])
		VEXTRACTF128(operand.Imm(1), sum, h)
		VCVTPS2PD(h, d)
		VADDPD(d, total[1], total[1])
	}
	loop("block", n, 64, func() {
		sum := YMM()
		avx2.zero(sum)
		for half := range 2 {
			v := avx2.regs(4)
			for k := range v {
				VMOVUPS(at(x, 128*half+32*k), v[k])
				VSUBPS(m, v[k], v[k])
			}
			for k, e := range expNegEach(v...) {
				VMOVUPS(e, at(x, 128*half+32*k))
				VADDPS(e, sum, sum)
			}
		}
		flush(sum)
		ADDQ(operand.U32(256), x)
	})
	sum := YMM()
	avx2.zero(sum)
	loop("vectors", n, 8, func() {
		v := YMM()
		VMOVUPS(at(x, 0), v)
		VSUBPS(m, v, v)
		e := expNeg8(v)
		VMOVUPS(e, at(x, 0))
		VADDPS(e, sum, sum)
		ADDQ(operand.U32(32), x)
	})
	done := unique("done")
	TESTQ(n, n)
	JE(operand.LabelRef(done))
	mask, v := tailMask(n), YMM()
	VMASKMOVPS(at(x, 0), mask, v)
	VSUBPS(m, v, v)
	e := expNeg8(v)
	VANDPS(mask, e, e)
	VMASKMOVPS(e, mask, at(x, 0))
	VADDPS(e, sum, sum)
	Label(done)
	flush(sum)
	VADDPD(total[1], total[0], total[0])
	h, lo := XMM(), total[0].(reg.Vec).AsX()
	VEXTRACTF128(operand.Imm(1), total[0], h)
	VADDPD(h, lo, h)
	t := XMM()
	VUNPCKHPD(h, h, t)
	VADDPD(t, h, h)
	Store(h, ReturnIndex(0))
	ret()
}

// rotatePairs turns 4 planes a vector.
func rotatePairs() {
	function("rotatePairsRowAVX2", "func(x, cos, sin *float32, n int)", "rotatePairsRowAVX2 turns n planes (x[2i], x[2i+1]), n a multiple of 4.")
	x, cos, sin, n := ptr("x"), ptr("cos"), ptr("sin"), ptr("n")
	spread := func(p reg.GPVirtual) reg.VecVirtual {
		r := YMM()
		VPMOVZXDQ(at(p, 0), r)
		VMOVSLDUP(r, r)
		return r
	}
	loop("planes", n, 4, func() {
		c, s, v, w := spread(cos), spread(sin), YMM(), YMM()
		VMOVUPS(at(x, 0), v)
		VPERMILPS(operand.Imm(0xb1), v, w)
		VMULPS(c, v, v)
		VMULPS(s, w, w)
		VADDSUBPS(w, v, v)
		VMOVUPS(v, at(x, 0))
		ADDQ(operand.U32(32), x)
		ADDQ(operand.U32(16), cos)
		ADDQ(operand.U32(16), sin)
	})
	ret()
}

func rotateHalves() {
	function("rotateHalvesRowAVX2", "func(lo, hi, cos, sin *float32, n int)", "rotateHalvesRowAVX2 turns n planes (lo[i], hi[i]), n a multiple of 8.")
	lo, hi, cos, sin, n := ptr("lo"), ptr("hi"), ptr("cos"), ptr("sin"), ptr("n")
	loop("planes", n, 8, func() {
		c, s, a, b := YMM(), YMM(), YMM(), YMM()
		VMOVUPS(at(cos, 0), c)
		VMOVUPS(at(sin, 0), s)
		VMOVUPS(at(lo, 0), a)
		VMOVUPS(at(hi, 0), b)
		t, u := YMM(), YMM()
		VMULPS(c, a, t)
		VMULPS(s, b, u)
		VSUBPS(u, t, t)
		VMULPS(c, b, b)
		VMULPS(s, a, a)
		VADDPS(a, b, b)
		VMOVUPS(t, at(lo, 0))
		VMOVUPS(b, at(hi, 0))
		for _, p := range []reg.GPVirtual{lo, hi, cos, sin} {
			ADDQ(operand.U32(32), p)
		}
	})
	ret()
}
