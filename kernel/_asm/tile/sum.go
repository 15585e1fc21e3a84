package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// sumTerms adds the terms of eight rows, one row a lane, group after group. Groups beyond the last read as zero, which
// changes nothing: a sum that starts at +0 never becomes -0.
func sumTerms() {
	for _, affine := range []bool{false, true} {
		name := "sumTermsAVX2"
		if affine {
			name = "sumTermPairsAVX2"
		}
		TEXT(name, NOSPLIT, "func(dst, t, u *float32, groups int)")
		Doc(name + " writes the eight sums over groups >= 1 ascending of t[8][groups], after each of which u's is added if there is one.")
		Pragma("noescape")
		dst, n, stride, stride3 := GP64(), GP64(), GP64(), GP64()
		Load(Param("dst"), dst)
		Load(Param("groups"), n)
		MOVQ(n, stride)
		SHLQ(U8(2), stride)
		LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)
		names := []string{"t"}
		if affine {
			names = append(names, "u")
		}
		var base [][2]reg.GPVirtual
		for _, s := range names {
			p, q := GP64(), GP64()
			Load(Param(s), p)
			LEAQ(Mem{Base: p, Index: stride, Scale: 4}, q)
			base = append(base, [2]reg.GPVirtual{p, q})
		}
		at := func(p reg.Register, r int) Mem {
			m := Mem{Base: p}
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
		acc := YMM()
		VXORPS(acc, acc, acc)
		mask := XMM()
		// four adds the terms of four groups; load reads four terms of one row, first of the first four rows.
		four := func(first func(m Mem, x reg.VecVirtual), load func(m Mem, x reg.Register)) {
			var terms [][]reg.VecVirtual
			for _, b := range base {
				x, t := vecs(4), vecs(4)
				for r := range x {
					first(at(b[0], r), x[r])
					h := XMM()
					load(at(b[1], r), h)
					VINSERTF128(U8(1), h, x[r], x[r])
				}
				VUNPCKLPS(x[1], x[0], t[0])
				VUNPCKHPS(x[1], x[0], t[1])
				VUNPCKLPS(x[3], x[2], t[2])
				VUNPCKHPS(x[3], x[2], t[3])
				VUNPCKLPD(t[2], t[0], x[0])
				VUNPCKHPD(t[2], t[0], x[1])
				VUNPCKLPD(t[3], t[1], x[2])
				VUNPCKHPD(t[3], t[1], x[3])
				terms = append(terms, x)
			}
			for g := range 4 {
				for _, x := range terms {
					VADDPS(x[g], acc, acc)
				}
			}
		}
		SUBQ(U8(4), n)
		JLT(LabelRef("rest"))
		Label("four")
		// The broadcast fills the whole register, where a load of its lower half would tie it to its old contents.
		four(func(m Mem, x reg.VecVirtual) { VBROADCASTF128(m, x) }, func(m Mem, x reg.Register) { VMOVUPS(m, x) })
		for _, b := range base {
			ADDQ(U8(16), b[0])
			ADDQ(U8(16), b[1])
		}
		SUBQ(U8(4), n)
		JGE(LabelRef("four"))
		Label("rest")
		ADDQ(U8(4), n)
		JZ(LabelRef("store"))
		// Lanes below n: compare 0,1,2,3 with n.
		VMOVD(n.As32(), mask)
		VPBROADCASTD(mask, mask)
		VPCMPGTD(constant("Count", 0, 1, 2, 3), mask, mask)
		masked := func(m Mem, x reg.Register) { VMASKMOVPS(m, mask, x) }
		four(func(m Mem, x reg.VecVirtual) {
			VXORPS(x, x, x)
			masked(m, x.AsX())
		}, masked)
		Label("store")
		VMOVUPS(acc, Mem{Base: dst})
		VZEROUPPER()
		RET()
	}
}

// pairCodes reorders codes for tileQ4: of every two groups A and B, [A0-15 B0-15 A16-31 B16-31].
func pairCodes() {
	TEXT("pairCodesAVX2", NOSPLIT, "func(dst, src *int8, pairs int)")
	Doc("pairCodesAVX2 writes pairs >= 1 pairs of groups A, B as [A0-15 B0-15 A16-31 B16-31].")
	Pragma("noescape")
	dst, src, n := GP64(), GP64(), GP64()
	Load(Param("dst"), dst)
	Load(Param("src"), src)
	Load(Param("pairs"), n)
	a, b, t := YMM(), YMM(), YMM()
	Label("pair")
	VMOVDQU(Mem{Base: src}, a)
	VMOVDQU(Mem{Base: src, Disp: 32}, b)
	VPERM2I128(U8(0x20), b, a, t)
	VMOVDQU(t, Mem{Base: dst})
	VPERM2I128(U8(0x31), b, a, t)
	VMOVDQU(t, Mem{Base: dst, Disp: 32})
	ADDQ(U8(64), src)
	ADDQ(U8(64), dst)
	DECQ(n)
	JNZ(LabelRef("pair"))
	VZEROUPPER()
	RET()
}
