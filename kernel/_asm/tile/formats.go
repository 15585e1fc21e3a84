package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// tileQ4: two blocks share a register, so their low halves meet activations [A0-15 | B0-15] and their high halves
// [A16-31 | B16-31]: the order that pairCodes writes. Sums of two pairs are at most 4*15*127.
func tileQ4(name string, size int) {
	affine := size == 20
	k := begin(name, "leaves the terms of 8*pieces groups; codes are in the order of pairCodes.", 1, affine)
	mask := keep(nibbles())
	Label("piece")
	r := vecs(4)
	l, h := YMM(), YMM()
	for n := range r {
		at := 2*n*size + size - 16
		VMOVDQU(Mem{Base: k.w, Disp: at}, h.AsX())
		VINSERTI128(U8(1), Mem{Base: k.w, Disp: at + size}, h, h)
		VPAND(mask, h, l)
		VPSRLW(U8(4), h, h)
		VPAND(mask, h, h)
		VPMADDUBSW(Mem{Base: k.codes, Disp: 64 * n}, l, r[n])
		VPMADDUBSW(Mem{Base: k.codes, Disp: 64*n + 32}, h, h)
		VPADDW(h, r[n], r[n])
	}
	dot := sum16(r)
	d := heads(k.w, size)
	if affine {
		// Words are d | m<<16: bring the d to the front of each half, then to the front of the register.
		VPSHUFB(constant("Split", 0x05040100, 0x0d0c0908, 0x07060302, 0x0f0e0b0a), d, d)
		VPERMQ(U8(0xd8), d, d)
		m := YMM()
		VEXTRACTI128(U8(1), d, m.AsX())
		VCVTPH2PS(m.AsX(), m)
		VCVTPH2PS(d.AsX(), d)
		VMULPS(Mem{Base: k.sums}, m, m)
		VMOVUPS(m, Mem{Base: k.u})
	} else {
		low16(d)
		z := YMM()
		VPSLLD(U8(3), loadY(k.sums), z)
		VPSUBD(z, dot, dot)
	}
	k.term(dot, d)
	k.end(8*size, 8, true)
}

// low16 converts the f16 in the low half of each 32-bit lane.
func low16(d reg.VecVirtual) {
	VPSHUFB(constant("Split", 0x05040100, 0x0d0c0908, 0x07060302, 0x0f0e0b0a), d, d)
	VPERMQ(U8(0xd8), d, d)
	VCVTPH2PS(d.AsX(), d)
}

func loadY(p reg.Register) reg.VecVirtual {
	y := YMM()
	VMOVDQU(Mem{Base: p}, y)
	return y
}

// tileQ8_0: the magnitude of a weight times the activation with the weight's sign. A pair is at most 2*128*127 = 32512.
func tileQ8_0() {
	k := begin("Q8_0", "leaves the terms of 8*pieces groups.", 1, false)
	one := keep(ones())
	Label("piece")
	var r []reg.VecVirtual
	for n := 0; n < 8; n += 2 {
		p := vecs(2)
		for i := range p {
			w, a := YMM(), YMM()
			VMOVDQU(Mem{Base: k.w, Disp: 34*(n+i) + 2}, w)
			VMOVDQU(Mem{Base: k.codes, Disp: 32 * (n + i)}, a)
			VPSIGNB(w, a, a)
			VPABSB(w, w)
			VPMADDUBSW(a, w, p[i])
			VPMADDWD(one, p[i], p[i])
		}
		r = append(r, halves(VPADDD, p[0], p[1]))
	}
	dot := sum32(r)
	d := heads(k.w, 34)
	low16(d)
	k.term(dot, d)
	k.end(8*34, 8, true)
}

// sixes assembles the eight 6-bit scales and offsets of a Q4_K head as f32. With the 12 bytes as words u0, u1, u2 (see quant's
// pairsOf6), scales are [u0&63, u2&15 | u0>>2&48] and offsets [u1&63, u2>>4&15 | u1>>2&48], byte by byte.
func sixes(w reg.Register) (scale, offset reg.VecVirtual) {
	u, first, high, low := XMM(), XMM(), XMM(), XMM()
	VMOVDQU(Mem{Base: w, Disp: 4}, u)
	VPAND(constant("Sixes", 0x3f3f3f3f), u, first)
	VPSRLD(U8(2), u, high)
	VPAND(constant("Upper", 0x30303030), high, high)
	VPSHUFD(U8(0xaa), u, low)
	VPSRLVD(constant("Shifts", 0, 4, 0, 4), low, low)
	VPAND(nibbles(), low, low)
	VPOR(low, high, high)
	VPUNPCKLDQ(high, first, first)
	scale, offset = YMM(), YMM()
	VPMOVZXBD(first, scale)
	VPSHUFD(U8(0xee), first, first)
	VPMOVZXBD(first, offset)
	VCVTDQ2PS(scale, scale)
	VCVTDQ2PS(offset, offset)
	return scale, offset
}

// half loads an f16 into every lane.
func half(m Mem) reg.VecVirtual {
	g, y := GP32(), YMM()
	MOVWLZX(m, g)
	VMOVD(g, y.AsX())
	VCVTPH2PS(y.AsX(), y.AsX())
	VBROADCASTSS(y.AsX(), y)
	return y
}

func tileQ4_K() {
	k := begin("Q4_K", "leaves the terms of pieces blocks.", 1, true)
	mask := keep(nibbles())
	Label("piece")
	var r []reg.VecVirtual
	for p := range 4 {
		l, h := YMM(), YMM()
		VMOVDQU(Mem{Base: k.w, Disp: 16 + 32*p}, h)
		VPAND(mask, h, l)
		VPSRLW(U8(4), h, h)
		VPAND(mask, h, h)
		VPMADDUBSW(Mem{Base: k.codes, Disp: 64 * p}, l, l)
		VPMADDUBSW(Mem{Base: k.codes, Disp: 64*p + 32}, h, h)
		r = append(r, halves(VPADDW, l, h))
	}
	dot := sum16(r)
	s, m := sixes(k.w)
	both, d := XMM(), YMM()
	VMOVD(Mem{Base: k.w}, both)
	VCVTPH2PS(both, both)
	VBROADCASTSS(both, d)
	VMULPS(d, s, s)
	VMOVSHDUP(both, both)
	VBROADCASTSS(both, d)
	VXORPS(constant("Sign", 0x80000000), d, d)
	VMULPS(d, m, m)
	VMULPS(Mem{Base: k.sums}, m, m)
	VMOVUPS(m, Mem{Base: k.u})
	k.term(dot, s)
	k.end(144, 8, true)
}

// tileQ6_K: a register holds two groups of 16, one a half. A pair is at most 2*63*127 = 16002.
func tileQ6_K() {
	k := begin("Q6_K", "leaves the terms of pieces blocks.", 2, false)
	mask, upper, one := keep(nibbles()), keep(constant("Upper", 0x30303030)), keep(ones())
	Label("piece")
	d := half(Mem{Base: k.w, Disp: 208})
	for n := range 2 {
		low, h, t := vecs(2), YMM(), YMM()
		for i := range low {
			VMOVDQU(Mem{Base: k.w, Disp: 64*n + 32*i}, low[i])
		}
		VMOVDQU(Mem{Base: k.w, Disp: 128 + 32*n}, h)
		r := vecs(4)
		for i := range r {
			q := low[i%2]
			if i >= 2 {
				VPSRLW(U8(4), q, q)
			}
			VPAND(mask, q, r[i])
			switch i {
			case 0:
				VPSLLW(U8(4), h, t)
			case 1:
				VPSLLW(U8(2), h, t)
			case 2:
				VMOVDQA(h, t)
			case 3:
				VPSRLW(U8(2), h, t)
			}
			VPAND(upper, t, t)
			VPOR(t, r[i], r[i])
			VPMADDUBSW(Mem{Base: k.codes, Disp: 128*n + 32*i}, r[i], r[i])
			VPMADDWD(one, r[i], r[i])
		}
		dot := sum32(r)
		z, s, a := YMM(), YMM(), YMM()
		VMOVDQU(Mem{Base: k.sums, Disp: 32 * n}, z)
		VPSLLD(U8(5), z, z)
		VPSUBD(z, dot, dot)
		VPMOVSXBD(Mem{Base: k.w, Disp: 192 + 8*n}, s)
		VCVTDQ2PS(s, s)
		VMULPS(d, s, s)
		// Four scales of activations serve eight groups.
		VBROADCASTF128(Mem{Base: k.scale, Disp: 16 * n}, a)
		VPERMILPS(keep(constant("Twice", 0, 0, 1, 1, 2, 2, 3, 3)), a, a)
		VCVTDQ2PS(dot, dot)
		VMULPS(a, s, s)
		VMULPS(s, dot, dot)
		VMOVUPS(dot, Mem{Base: k.t, Disp: 32 * n})
	}
	k.end(210, 16, true)
}
