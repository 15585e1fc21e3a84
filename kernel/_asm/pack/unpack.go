package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// unpacker opens a function that takes blocks >= 1 blocks apart and returns its pointers.
func unpacker(name string) (codes, scale, offset, src, blocks reg.GPVirtual) {
	TEXT(fmt.Sprintf("unpack%sAVX2", name), NOSPLIT, "func(codes *uint8, scale, offset *float32, src *uint8, blocks int)")
	Doc(fmt.Sprintf("unpack%sAVX2 takes blocks >= 1 blocks apart. See package quant for layout and reference.", name))
	Pragma("noescape")
	codes, scale, offset, src, blocks = GP64(), GP64(), GP64(), GP64(), GP64()
	Load(Param("codes"), codes)
	Load(Param("scale"), scale)
	Load(Param("src"), src)
	Load(Param("blocks"), blocks)
	return
}

// half loads an f16 as f32 into lane 0.
func half(m Mem) reg.VecVirtual {
	g, x := GP32(), XMM()
	MOVWLZX(m, g)
	VMOVD(g, x)
	VCVTPH2PS(x, x)
	return x
}

// ahead asks for the memory of a block of size bytes that comes 4 KiB later; see the generator of tiles.
func ahead(src reg.Register, size int) {
	for line := 0; line < size; line += 64 {
		PREFETCHT0(Mem{Base: src, Disp: 4096 + line})
	}
}

func loop(blocks reg.Register) {
	DECQ(blocks)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
}

// nibbles is the shift of each 32-bit lane that brings the low halves of 16 bytes below and the high halves above.
func nibbles() Mem {
	m := GLOBL("packNibbles", RODATA|NOPTR)
	for n := range 8 {
		DATA(4*n, U32(n/4*4))
	}
	return m
}

var shifts *Mem

// unpackQ4: the sixteen bytes are loaded into both halves of a register, the upper half shifted down by four.
func unpackQ4(name string, size int) {
	codes, scale, offset, src, blocks := unpacker(name)
	affine := size == 20
	if affine {
		Load(Param("offset"), offset)
	}
	mask, shift := splat(0x0f0f0f0f), YMM()
	if shifts == nil {
		m := nibbles()
		shifts = &m
	}
	VMOVDQU(*shifts, shift)
	Label("block")
	q := YMM()
	if affine {
		x := XMM()
		VMOVD(Mem{Base: src}, x)
		VCVTPH2PS(x, x)
		VMOVSS(x, Mem{Base: scale})
		VEXTRACTPS(U8(1), x, Mem{Base: offset})
		ADDQ(U8(4), offset)
	} else {
		VMOVSS(half(Mem{Base: src}), Mem{Base: scale})
	}
	VBROADCASTI128(Mem{Base: src, Disp: size - 16}, q)
	VPSRLVD(shift, q, q)
	VPAND(mask, q, q)
	VMOVDQU(q, Mem{Base: codes})
	ahead(src, size)
	ADDQ(U8(size), src)
	ADDQ(U8(32), codes)
	ADDQ(U8(4), scale)
	loop(blocks)
}

func unpackQ8_0() {
	codes, scale, _, src, blocks := unpacker("Q8_0")
	top := splat(0x80808080)
	Label("block")
	q := YMM()
	VMOVSS(half(Mem{Base: src}), Mem{Base: scale})
	VPXOR(Mem{Base: src, Disp: 2}, top, q)
	VMOVDQU(q, Mem{Base: codes})
	ahead(src, 34)
	ADDQ(U8(34), src)
	ADDQ(U8(32), codes)
	ADDQ(U8(4), scale)
	loop(blocks)
}

// pairsOf6 writes the eight scales and offsets of a Q4_K or Q5_K block. With the 12 bytes behind d and dmin as words u0, u1,
// u2, scales are [u0&63, u2&15 | u0>>2&48] and offsets [u1&63, u2>>4&15 | u1>>2&48], byte by byte.
func pairsOf6(src, scale, offset reg.Register) {
	u, first, high, low, both := XMM(), XMM(), XMM(), XMM(), XMM()
	VMOVDQU(Mem{Base: src, Disp: 4}, u)
	VPAND(constant32("Sixes", 0x3f3f3f3f), u, first)
	VPSRLD(U8(2), u, high)
	VPAND(constant32("UpperPair", 0x30303030), high, high)
	VPSHUFD(U8(0xaa), u, low)
	VPSRLVD(table("Alternate", [32]byte{4: 4, 12: 4}), low, low)
	VPAND(constant32("LowNibbles", 0x0f0f0f0f), low, low)
	VPOR(low, high, high)
	VPUNPCKLDQ(high, first, first)
	s, o, d := YMM(), YMM(), YMM()
	VPMOVZXBD(first, s)
	VPSHUFD(U8(0xee), first, first)
	VPMOVZXBD(first, o)
	VCVTDQ2PS(s, s)
	VCVTDQ2PS(o, o)
	VMOVD(Mem{Base: src}, both)
	VCVTPH2PS(both, both)
	VBROADCASTSS(both, d)
	VMULPS(d, s, s)
	VMOVUPS(s, Mem{Base: scale})
	VMOVSHDUP(both, both)
	VBROADCASTSS(both, d)
	VMULPS(d, o, o)
	VXORPS(constant32("Sign", 0x80000000), o, o)
	VMOVUPS(o, Mem{Base: offset})
}

func unpackQ4_K() {
	codes, scale, offset, src, blocks := unpacker("Q4_K")
	Load(Param("offset"), offset)
	mask := splat(0x0f0f0f0f)
	Label("block")
	pairsOf6(src, scale, offset)
	for p := range 4 {
		l, h := YMM(), YMM()
		VMOVDQU(Mem{Base: src, Disp: 16 + 32*p}, h)
		VPAND(mask, h, l)
		VPSRLW(U8(4), h, h)
		VPAND(mask, h, h)
		VMOVDQU(l, Mem{Base: codes, Disp: 64 * p})
		VMOVDQU(h, Mem{Base: codes, Disp: 64*p + 32})
	}
	ahead(src, 144)
	ADDQ(U32(144), src)
	ADDQ(U32(256), codes)
	ADDQ(U8(32), scale)
	ADDQ(U8(32), offset)
	loop(blocks)
}

func unpackQ6_K() {
	codes, scale, _, src, blocks := unpacker("Q6_K")
	mask, upper := splat(0x0f0f0f0f), splat(0x30303030)
	Label("block")
	d := YMM()
	VBROADCASTSS(half(Mem{Base: src, Disp: 208}), d)
	for n := range 2 {
		y := YMM()
		VPMOVSXBD(Mem{Base: src, Disp: 192 + 8*n}, y)
		VCVTDQ2PS(y, y)
		VMULPS(d, y, y)
		VMOVUPS(y, Mem{Base: scale, Disp: 32 * n})
	}
	for n := range 2 {
		h, t, c := YMM(), YMM(), YMM()
		var low [2]reg.VecVirtual
		for i := range low {
			low[i] = YMM()
			VMOVDQU(Mem{Base: src, Disp: 64*n + 32*i}, low[i])
		}
		VMOVDQU(Mem{Base: src, Disp: 128 + 32*n}, h)
		for r := range 4 {
			q := low[r%2]
			if r >= 2 {
				VPSRLW(U8(4), q, q)
			}
			VPAND(mask, q, c)
			switch r {
			case 0:
				VPSLLW(U8(4), h, t)
				VPAND(upper, t, t)
			case 1:
				VPSLLW(U8(2), h, t)
				VPAND(upper, t, t)
			case 2:
				VPAND(upper, h, t)
			case 3:
				VPSRLW(U8(2), h, t)
				VPAND(upper, t, t)
			}
			VPOR(t, c, c)
			VMOVDQU(c, Mem{Base: codes, Disp: 128*n + 32*r})
		}
	}
	ahead(src, 210)
	ADDQ(U32(210), src)
	ADDQ(U32(256), codes)
	ADDQ(U8(64), scale)
	loop(blocks)
}

// dequantise writes (code-zero)*scale or code*scale + offset, rounded after each operation as quant.Format.Decode does.
func dequantise(group int, affine bool) {
	name := "Zero"
	if affine {
		name = "Offset"
	}
	TEXT(fmt.Sprintf("dequantise%s%dAVX2", name, group), NOSPLIT,
		"func(dst *float32, codes *uint8, scale, offset *float32, zero int, groups int)")
	Doc(fmt.Sprintf("dequantise%s%dAVX2 writes the weights of groups >= 1 groups of %d from their integer form; see quant.Format.", name, group, group))
	Pragma("noescape")
	dst, codes, scale, offset, groups := GP64(), GP64(), GP64(), GP64(), GP64()
	Load(Param("dst"), dst)
	Load(Param("codes"), codes)
	Load(Param("scale"), scale)
	Load(Param("groups"), groups)
	zero := YMM()
	if affine {
		Load(Param("offset"), offset)
	} else {
		g := GP64()
		Load(Param("zero"), g)
		VMOVD(g.As32(), zero.AsX())
		VPBROADCASTD(zero.AsX(), zero)
	}
	Label("block")
	s, o := YMM(), YMM()
	VBROADCASTSS(Mem{Base: scale}, s)
	if affine {
		VBROADCASTSS(Mem{Base: offset}, o)
	}
	for i := range group / 8 {
		y := YMM()
		VPMOVZXBD(Mem{Base: codes, Disp: 8 * i}, y)
		if !affine {
			VPSUBD(zero, y, y)
		}
		VCVTDQ2PS(y, y)
		VMULPS(s, y, y)
		if affine {
			VADDPS(o, y, y)
		}
		VMOVUPS(y, Mem{Base: dst, Disp: 32 * i})
	}
	ADDQ(U8(4), scale)
	if affine {
		ADDQ(U8(4), offset)
	}
	ADDQ(U8(group), codes)
	ADDQ(U32(4*group), dst)
	loop(groups)
}

func widener(name string) (dst, src, n reg.GPVirtual) {
	TEXT(fmt.Sprintf("widen%sAVX2", name), NOSPLIT, "func(dst *float32, src *uint8, n int)")
	Doc(fmt.Sprintf("widen%sAVX2 turns n numbers, a positive multiple of 8, into f32.", name))
	Pragma("noescape")
	dst, src, n = GP64(), GP64(), GP64()
	Load(Param("dst"), dst)
	Load(Param("src"), src)
	Load(Param("n"), n)
	Label("block")
	return
}

func widenF16() {
	dst, src, n := widener("F16")
	y := YMM()
	VCVTPH2PS(Mem{Base: src}, y)
	VMOVUPS(y, Mem{Base: dst})
	widenEnd(dst, src, n)
}

func widenBF16() {
	dst, src, n := widener("BF16")
	y := YMM()
	VPMOVZXWD(Mem{Base: src}, y)
	VPSLLD(U8(16), y, y)
	VMOVDQU(y, Mem{Base: dst})
	widenEnd(dst, src, n)
}

func widenEnd(dst, src, n reg.Register) {
	ADDQ(U8(16), src)
	ADDQ(U8(32), dst)
	SUBQ(U8(8), n)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
}
