package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// tileCodes writes the first routine of formats without one of their own: their rows have been unpacked to codes, scales
// and offsets. bits is 8 for codes around 128, 6 for codes below 64.
func tileCodes(bits, group int, affine bool) {
	name := fmt.Sprintf("Codes%dx%d", bits, group)
	if affine {
		name += "Offset"
	}
	TEXT("tile"+name+"AVX2", NOSPLIT,
		"func(t, u *float32, w *uint8, scaleW, offsetW *float32, zero, pieces int, codes *int8, scale, sums *float32, period int)")
	Doc("tile" + name + "AVX2 leaves the terms of 8*pieces groups of 32 unpacked weights.")
	Pragma("noescape")
	k := frame(32/group, affine)
	scaleW, offsetW := GP64(), GP64()
	Load(Param("scaleW"), scaleW)
	one := keep(ones())
	zero, top := YMM(), YMM()
	switch {
	case bits == 8:
		VMOVDQU(constant("Top", 0x80808080), top)
	case affine:
		Load(Param("offsetW"), offsetW)
	default:
		g := GP64()
		Load(Param("zero"), g)
		VMOVD(g.As32(), zero.AsX())
		VPBROADCASTD(zero.AsX(), zero)
	}
	Label("piece")
	terms := 8 * k.sumsPerGroup
	product := func(n int) reg.VecVirtual {
		p := YMM()
		if bits == 8 {
			w, a := YMM(), YMM()
			VPXOR(Mem{Base: k.w, Disp: 32 * n}, top, w)
			VMOVDQU(Mem{Base: k.codes, Disp: 32 * n}, a)
			VPSIGNB(w, a, a)
			VPABSB(w, w)
			VPMADDUBSW(a, w, p)
		} else {
			VMOVDQU(Mem{Base: k.w, Disp: 32 * n}, p)
			VPMADDUBSW(Mem{Base: k.codes, Disp: 32 * n}, p, p)
		}
		VPMADDWD(one, p, p)
		return p
	}
	for half := range k.sumsPerGroup {
		var r []reg.VecVirtual
		for n := range 4 {
			if group == 16 {
				r = append(r, product(4*half+n))
			} else {
				r = append(r, halves(VPADDD, product(2*n), product(2*n+1)))
			}
		}
		dot, s := sum32(r), YMM()
		VMOVUPS(Mem{Base: scaleW, Disp: 32 * half}, s)
		switch {
		case affine:
			o := YMM()
			VMOVUPS(Mem{Base: offsetW, Disp: 32 * half}, o)
			VMULPS(Mem{Base: k.sums, Disp: 32 * half}, o, o)
			VMOVUPS(o, Mem{Base: k.u, Disp: 32 * half})
		case bits == 6:
			z := YMM()
			VPMULLD(Mem{Base: k.sums, Disp: 32 * half}, zero, z)
			VPSUBD(z, dot, dot)
		}
		VCVTDQ2PS(dot, dot)
		if group == 16 {
			a := YMM()
			VBROADCASTF128(Mem{Base: k.scale, Disp: 16 * half}, a)
			VPERMILPS(keep(constant("Twice", 0, 0, 1, 1, 2, 2, 3, 3)), a, a)
			VMULPS(a, s, s)
		} else {
			VMULPS(Mem{Base: k.scale}, s, s)
		}
		VMULPS(s, dot, dot)
		VMOVUPS(dot, Mem{Base: k.t, Disp: 32 * half})
	}
	ADDQ(U32(4*terms), scaleW)
	if affine {
		ADDQ(U32(4*terms), offsetW)
	}
	k.end(256, terms, false)
}
