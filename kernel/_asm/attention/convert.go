package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
)

// convertFile makes the encoding and decoding of rows; kernel/rows_generic.go is the reference, bit for bit.
func convertFile() {
	encodeF16()
	encodeBF16()
	encodeQ8()
	decodePlain(plainFormats[1])
	decodePlain(plainFormats[2])
	decodeQ8()
	prefetch()
}

const maxF16 = 65504

func encodeF16() {
	function("encodeF16AVX2", "func(dst *byte, src *float32, n int) (overflow int)",
		"encodeF16AVX2 rounds n numbers, a multiple of 8, to f16 within ±65504 and returns how many were beyond.")
	dst, src, n := ptr("dst"), ptr("src"), ptr("n")
	count, bits := GP64(), GP64()
	XORQ(count, count)
	top, low, abs := YMM(), YMM(), YMM()
	VMOVUPS(float8("maxF16", maxF16), top)
	VMOVUPS(float8("minF16", -maxF16), low)
	VMOVUPS(all8("magnitude", 1<<31-1), abs)
	loop("vectors", n, 8, func() {
		x, a, h := YMM(), YMM(), XMM()
		VMOVUPS(at(src, 0), x)
		VANDPS(abs, x, a)
		VCMPPS(operand.Imm(0x1e), top, a, a) // greater, NaN is not
		VMOVMSKPS(a, bits.As32())
		POPCNTQ(bits, bits)
		ADDQ(bits, count)
		VMINPS(x, top, x) // a NaN in the last operand stays
		VMAXPS(x, low, x)
		VCVTPS2PH(operand.Imm(0), x, h)
		VMOVUPS(h, at(dst, 0))
		ADDQ(operand.U32(32), src)
		ADDQ(operand.U32(16), dst)
	})
	Store(count, ReturnIndex(0))
	ret()
}

func encodeBF16() {
	function("encodeBF16AVX2", "func(dst *byte, src *float32, n int)", "encodeBF16AVX2 rounds n numbers, a multiple of 8, to bf16.")
	dst, src, n := ptr("dst"), ptr("src"), ptr("n")
	half, one, quiet := YMM(), YMM(), YMM()
	VMOVUPS(all8("bf16Half", 0x7fff), half)
	VMOVUPS(all8("bf16One", 1), one)
	VMOVUPS(all8("bf16Quiet", 0x400000), quiet)
	loop("vectors", n, 8, func() {
		x, nan, r, t, h := YMM(), YMM(), YMM(), YMM(), XMM()
		VMOVUPS(at(src, 0), x)
		VCMPPS(operand.Imm(3), x, x, nan) // unordered
		VPSRLD(operand.Imm(16), x, r)
		VPAND(one, r, r)
		VPADDD(half, r, r)
		VPADDD(x, r, r)
		VPOR(quiet, x, t)
		VBLENDVPS(nan, t, r, r)
		VPSRLD(operand.Imm(16), r, r)
		VEXTRACTI128(operand.Imm(1), r, h)
		VPACKUSDW(h, r.AsX(), h)
		VMOVUPS(h, at(dst, 0))
		ADDQ(operand.U32(32), src)
		ADDQ(operand.U32(16), dst)
	})
	ret()
}

func encodeQ8() {
	function("encodeQ8AVX2", "func(dst *byte, src *float32, groups int) (overflow int)",
		"encodeQ8AVX2 encodes groups of 32 numbers and returns how many codes were clamped.")
	dst, src, n := ptr("dst"), ptr("src"), ptr("groups")
	count, bits := GP64(), GP64()
	XORQ(count, count)
	abs, limit := YMM(), YMM()
	VMOVUPS(all8("magnitude", 1<<31-1), abs)
	VMOVUPS(float8("q8Limit", 127.5), limit)
	loop("groups", n, 1, func() {
		x := avx2.regs(4)
		top := YMM()
		avx2.zero(top)
		for i := range x {
			a := YMM()
			VMOVUPS(at(src, 32*i), x[i])
			VANDPS(abs, x[i], a)
			VMAXPS(top, a, top) // a NaN in the first operand is dropped
		}
		t := avx2.foldTo128(top, VMAXPS)
		foldToLane(t, VMAXPS)
		VDIVSS(constant("q8Top", math.Float32bits(127)), t, t)
		VMINSS(constant("q8MaxScale", math.Float32bits(maxF16)), t, t)
		h := XMM()
		VCVTPS2PH(operand.Imm(0), t, h)
		VPEXTRW(operand.Imm(0), h, at(dst, 0))
		VCVTPH2PS(h, t)
		// 1/0 is infinite, and 0 or less than a code's step times it must be no code: mask.
		inv, ok, zero := XMM(), XMM(), XMM()
		VMOVSS(constant("q8One", math.Float32bits(1)), inv)
		VXORPS(zero, zero, zero)
		VCMPSS(operand.Imm(0x1e), zero, t, ok)
		VDIVSS(t, inv, inv)
		VANDPS(ok, inv, inv)
		k := YMM()
		VBROADCASTSS(inv, k)
		for i := range x {
			VMULPS(k, x[i], x[i])
			a := YMM()
			VROUNDPS(operand.Imm(0), x[i], x[i])
			VANDPS(abs, x[i], a)
			VCMPPS(operand.Imm(5), limit, a, a) // not less: NaN counts
			VMOVMSKPS(a, bits.As32())
			POPCNTQ(bits, bits)
			ADDQ(bits, count)
			// A NaN has no code; large numbers are clamped before the conversion, which would turn them to -2^31.
			VCMPPS(operand.Imm(7), x[i], x[i], a) // ordered
			VANDPS(a, x[i], x[i])
			VMINPS(float8("q8Most", 127), x[i], x[i])
			VMAXPS(float8("q8Least", -127), x[i], x[i])
			VCVTPS2DQ(x[i], x[i])
		}
		VPACKSSDW(x[1], x[0], x[0])
		VPACKSSDW(x[3], x[2], x[2])
		VPACKSSWB(x[2], x[0], x[0])
		order := YMM()
		VMOVUPS(dwords("q8Order", 0, 4, 1, 5, 2, 6, 3, 7), order)
		VPERMD(x[0], order, x[0])
		VMOVDQU(x[0], at(dst, 2))
		ADDQ(operand.U32(128), src)
		ADDQ(operand.U32(q8Bytes), dst)
	})
	Store(count, ReturnIndex(0))
	ret()
}

// dwords returns the memory of a constant vector.
func dwords(name string, x ...uint32) operand.Mem {
	m, ok := vectorConstants[name]
	if !ok {
		m = GLOBL("v"+name, RODATA|NOPTR)
		for i, v := range x {
			DATA(4*i, operand.U32(v))
		}
		vectorConstants[name] = m
	}
	return m
}

func decodePlain(f rowFormat) {
	name := "decode" + f.name + "AVX2"
	function(name, "func(dst *float32, src *byte, n int)", name+" widens n numbers, a multiple of 8.")
	dst, src, n := ptr("dst"), ptr("src"), ptr("n")
	loop("vectors", n, 8, func() {
		VMOVUPS(f.load(avx2, at(src, 0)), at(dst, 0))
		ADDQ(operand.U32(uint32(8*f.bytes)), src)
		ADDQ(operand.U32(32), dst)
	})
	ret()
}

func decodeQ8() {
	function("decodeQ8AVX2", "func(dst *float32, src *byte, groups int)", "decodeQ8AVX2 decodes groups of 32 numbers.")
	dst, src, n := ptr("dst"), ptr("src"), ptr("groups")
	loop("groups", n, 1, func() {
		s := avx2.loadScale(at(src, 0))
		for i := range 4 {
			x := avx2.loadCodes(at(src, 2+8*i))
			VMULPS(s, x, x)
			VMOVUPS(x, at(dst, 32*i))
		}
		ADDQ(operand.U32(q8Bytes), src)
		ADDQ(operand.U32(128), dst)
	})
	ret()
}

func prefetch() {
	function("prefetchAVX2", "func(p *byte, lines int)", "prefetchAVX2 asks for cache lines.")
	p, n := ptr("p"), ptr("lines")
	loop("lines", n, 1, func() {
		PREFETCHT0(at(p, 0))
		ADDQ(operand.U32(64), p)
	})
	RET()
}
