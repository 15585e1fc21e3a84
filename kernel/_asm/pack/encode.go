package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// splat fills a register with one 32-bit pattern.
func splat(v uint32) reg.VecVirtual {
	g, y := GP32(), YMM()
	MOVL(U32(v), g)
	VMOVD(g, y.AsX())
	VPBROADCASTD(y.AsX(), y)
	return y
}

// encode rounds activations to 8 bits, a group of 32 at a time. All arithmetic is what encodeActivationsGeneric does: one
// IEEE operation each, so codes and scales are the same bits. Lane order after the packs is repaired by one VPERMD.
func encode() {
	TEXT("encodeActivationsAVX2", NOSPLIT,
		"func(codes *int8, scale, sum32, sum16 *float32, isum32, isum16 *int32, x *float32, groups int)")
	Doc("encodeActivationsAVX2 rounds groups >= 1 groups of 32. See encodeActivationsGeneric for the reference.")
	Pragma("noescape")
	load := func(name string) reg.GPVirtual {
		r := GP64()
		Load(Param(name), r)
		return r
	}
	codes, scale, sum32, sum16 := load("codes"), load("scale"), load("sum32"), load("sum16")
	isum32, isum16, x, groups := load("isum32"), load("isum16"), load("x"), load("groups")
	i := GP64()
	XORQ(i, i)
	abs := splat(0x7fffffff)
	tiny := splat(math.Float32bits(0x1p-100))
	c127 := splat(math.Float32bits(127))
	one := splat(math.Float32bits(1))
	order := YMM()
	lanes := GLOBL("packOrder", RODATA|NOPTR)
	for n, v := range []uint32{0, 4, 1, 5, 2, 6, 3, 7} {
		DATA(4*n, U32(v))
	}
	VMOVDQU(lanes, order)

	Label("group")
	var v [4]reg.VecVirtual
	top, m := YMM(), YMM()
	for n := range v {
		v[n] = YMM()
		VMOVUPS(Mem{Base: x, Disp: 32 * n}, v[n])
		if n == 0 {
			VPAND(abs, v[n], top)
			continue
		}
		VPAND(abs, v[n], m)
		VPMAXUD(m, top, top)
	}
	a, t := top.AsX(), m.AsX()
	VEXTRACTI128(U8(1), top, t)
	VPMAXUD(t, a, a)
	VPSHUFD(U8(0x4e), a, t)
	VPMAXUD(t, a, a)
	VPSHUFD(U8(0xb1), a, t)
	VPMAXUD(t, a, a)

	d, inverse, keep := XMM(), YMM(), XMM()
	VDIVPS(c127.AsX(), a, d)
	VSUBPS(a, a, t)
	VADDPS(t, d, d)
	VCMPPS(U8(5), tiny.AsX(), a, keep) // not less than: true for NaN
	VANDPS(keep, d, d)
	VDIVPS(d, one.AsX(), inverse.AsX())
	VANDPS(keep, inverse.AsX(), inverse.AsX())
	VBROADCASTSS(inverse.AsX(), inverse)
	VMOVSS(d, Mem{Base: scale, Index: i, Scale: 4})
	for n := range v {
		VMULPS(inverse, v[n], v[n])
		VCVTPS2DQ(v[n], v[n])
	}
	s, u := YMM(), YMM()
	VPADDD(v[1], v[0], s)
	VPADDD(v[3], v[2], u)
	VPHADDD(u, s, s)
	VEXTRACTI128(U8(1), s, u.AsX())
	VPADDD(u.AsX(), s.AsX(), s.AsX())
	VPHADDD(s.AsX(), s.AsX(), s.AsX())
	VMOVQ(s.AsX(), Mem{Base: isum16, Index: i, Scale: 8})
	VCVTDQ2PS(s.AsX(), u.AsX())
	VMULPS(d, u.AsX(), u.AsX())
	VMOVQ(u.AsX(), Mem{Base: sum16, Index: i, Scale: 8})
	VPHADDD(s.AsX(), s.AsX(), s.AsX())
	VMOVD(s.AsX(), Mem{Base: isum32, Index: i, Scale: 4})
	VCVTDQ2PS(s.AsX(), u.AsX())
	VMULPS(d, u.AsX(), u.AsX())
	VMOVSS(u.AsX(), Mem{Base: sum32, Index: i, Scale: 4})

	VPACKSSDW(v[1], v[0], v[0])
	VPACKSSDW(v[3], v[2], v[2])
	VPACKSSWB(v[2], v[0], v[0])
	VPERMD(v[0], order, v[0])
	VMOVDQU(v[0], Mem{Base: codes})
	ADDQ(U8(32), codes)
	ADDQ(U32(128), x)
	INCQ(i)
	CMPQ(i, groups)
	JLT(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// transpose interleaves sixteen rows of 32-bit words: dst[count][16] from src[16][count]. Loading row r below row r+4
// leaves a four-by-four transposition in each half of a register.
func transpose() {
	TEXT("transpose16AVX2", NOSPLIT, "func(dst *uint32, dstStride int, src *uint32, srcStride int, count int)")
	Doc("transpose16AVX2 writes dst[count][16] from src[16][count]; count is a multiple of 4, strides are in bytes.")
	Pragma("noescape")
	dst, ds, s, s3, count := GP64(), GP64(), GP64(), GP64(), GP64()
	Load(Param("dst"), dst)
	Load(Param("dstStride"), ds)
	Load(Param("srcStride"), s)
	Load(Param("count"), count)
	LEAQ(Mem{Base: s, Index: s, Scale: 2}, s3)
	var rows [4]reg.GPVirtual
	for n := range rows {
		rows[n] = GP64()
		if n == 0 {
			Load(Param("src"), rows[0])
		} else {
			LEAQ(Mem{Base: rows[n-1], Index: s, Scale: 4}, rows[n])
		}
	}
	ds3 := GP64()
	LEAQ(Mem{Base: ds, Index: ds, Scale: 2}, ds3)
	at := func(base, stride, stride3 reg.Register, r, off int) Mem {
		m := Mem{Base: base, Disp: off}
		switch r {
		case 1:
			m.Index, m.Scale = stride, 1
		case 2:
			m.Index, m.Scale = stride, 2
		case 3:
			m.Index, m.Scale = stride3, 1
		}
		return m
	}
	Label("columns")
	for half := range 2 {
		var x, t [4]reg.VecVirtual
		for r := range x {
			x[r], t[r] = YMM(), YMM()
			VMOVUPS(at(rows[2*half], s, s3, r, 0), x[r].AsX())
			VINSERTF128(U8(1), at(rows[2*half+1], s, s3, r, 0), x[r], x[r])
		}
		VUNPCKLPS(x[1], x[0], t[0])
		VUNPCKHPS(x[1], x[0], t[1])
		VUNPCKLPS(x[3], x[2], t[2])
		VUNPCKHPS(x[3], x[2], t[3])
		VUNPCKLPD(t[2], t[0], x[0])
		VUNPCKHPD(t[2], t[0], x[1])
		VUNPCKLPD(t[3], t[1], x[2])
		VUNPCKHPD(t[3], t[1], x[3])
		for r := range x {
			VMOVUPS(x[r], at(dst, ds, ds3, r, 32*half))
		}
	}
	for _, r := range rows {
		ADDQ(U8(16), r)
	}
	LEAQ(Mem{Base: dst, Index: ds, Scale: 4}, dst)
	SUBQ(U8(4), count)
	JNZ(LabelRef("columns"))
	VZEROUPPER()
	RET()
}
