package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

var tables = map[string]Mem{}

// table is 32 bytes of read-only data.
func table(name string, b [32]byte) Mem {
	m, ok := tables[name]
	if !ok {
		m = GLOBL("pack"+name, RODATA|NOPTR)
		for n := range 4 {
			var v uint64
			for i := range 8 {
				v |= uint64(b[8*n+i]) << (8 * i)
			}
			DATA(8*n, U64(v))
		}
		tables[name] = m
	}
	return m
}

// twice repeats sixteen bytes.
func twice(b [16]byte) (t [32]byte) {
	copy(t[:], b[:])
	copy(t[16:], b[:])
	return t
}

func keep(m Mem) reg.VecVirtual {
	y := YMM()
	VMOVDQU(m, y)
	return y
}

// spread is the nibble expansion of unpackQ4: sixteen bytes to 32 codes, low halves first.
func spread(m Mem, mask, shift reg.VecVirtual) reg.VecVirtual {
	q := YMM()
	VBROADCASTI128(m, q)
	VPSRLVD(shift, q, q)
	VPAND(mask, q, q)
	return q
}

func nibbleShift() reg.VecVirtual {
	if shifts == nil {
		m := nibbles()
		shifts = &m
	}
	return keep(*shifts)
}

// unpackQ5: every lane picks the byte with its fifth bit, then the bit.
func unpackQ5(name string, size int) {
	codes, scale, offset, src, blocks := unpacker(name)
	affine := size == 24
	if affine {
		Load(Param("offset"), offset)
	}
	mask, shift := splat(0x0f0f0f0f), nibbleShift()
	var which, bit [32]byte
	for i := range which {
		which[i], bit[i] = byte(i/8), 1<<(i%8)
	}
	bits, bytes, sixteen := keep(table("Bits", bit)), keep(table("Bytes", which)), splat(0x10101010)
	Label("block")
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
	q, h := spread(Mem{Base: src, Disp: size - 16}, mask, shift), YMM()
	VPBROADCASTD(Mem{Base: src, Disp: size - 20}, h)
	VPSHUFB(bytes, h, h)
	VPAND(bits, h, h)
	VPCMPEQB(bits, h, h)
	VPAND(sixteen, h, h)
	VPOR(h, q, q)
	VMOVDQU(q, Mem{Base: codes})
	ahead(src, size)
	ADDQ(U8(size), src)
	ADDQ(U8(32), codes)
	ADDQ(U8(4), scale)
	loop(blocks)
}

// book looks nibbles up in sixteen byte values; the zero of the codes is 128.
func book(values [16]int8) reg.VecVirtual {
	var b [16]byte
	for i, v := range values {
		b[i] = byte(v) ^ 0x80
	}
	return keep(table(map[bool]string{true: "Microscale", false: "NonLinear"}[values[0] == 0], twice(b)))
}

var (
	nonLinear  = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
	microscale = [16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}
)

func lookUp(book, q reg.VecVirtual, to Mem) {
	VPSHUFB(q, book, q)
	VMOVDQU(q, to)
}

func unpackIQ4_NL() {
	codes, scale, _, src, blocks := unpacker("IQ4_NL")
	mask, shift, values := splat(0x0f0f0f0f), nibbleShift(), book(nonLinear)
	Label("block")
	VMOVSS(half(Mem{Base: src}), Mem{Base: scale})
	lookUp(values, spread(Mem{Base: src, Disp: 2}, mask, shift), Mem{Base: codes})
	ahead(src, 18)
	ADDQ(U8(18), src)
	ADDQ(U8(32), codes)
	ADDQ(U8(4), scale)
	loop(blocks)
}

// unpackMXFP4: half of 2^(e-127) is a number with exponent e-1, subnormal for e below 2.
func unpackMXFP4() {
	codes, scale, _, src, blocks := unpacker("MXFP4")
	mask, shift, values := splat(0x0f0f0f0f), nibbleShift(), book(microscale)
	Label("block")
	e, s := GP32(), GP32()
	MOVBLZX(Mem{Base: src}, e)
	LEAL(Mem{Base: e.As64(), Disp: -1}, s)
	SHLL(U8(23), s)
	CMPL(e, U8(2))
	JGE(LabelRef("normal"))
	LEAL(Mem{Base: e.As64(), Disp: 1}, s) // 1 << e for e of 0 and 1
	SHLL(U8(21), s)
	Label("normal")
	MOVL(s, Mem{Base: scale})
	lookUp(values, spread(Mem{Base: src, Disp: 1}, mask, shift), Mem{Base: codes})
	ahead(src, 17)
	ADDQ(U8(17), src)
	ADDQ(U8(32), codes)
	ADDQ(U8(4), scale)
	loop(blocks)
}

func unpackIQ4_XS() {
	codes, scale, _, src, blocks := unpacker("IQ4_XS")
	mask, shift, values := splat(0x0f0f0f0f), nibbleShift(), book(nonLinear)
	Label("block")
	low, up, s, h, d := XMM(), XMM(), YMM(), YMM(), YMM()
	VMOVD(Mem{Base: src, Disp: 4}, low)
	VPSRLW(U8(4), low, up)
	VPUNPCKLBW(up, low, low)
	VPAND(mask.AsX(), low, low)
	VPMOVZXBD(low, s)
	VPBROADCASTW(Mem{Base: src, Disp: 2}, h)
	var by [32]byte
	for n := range 8 {
		by[4*n] = byte(2 * n)
	}
	VPSRLVD(table("Pairs", by), h, h)
	VPAND(constant32("Three", 3), h, h)
	VPSLLD(U8(4), h, h)
	VPOR(h, s, s)
	VPSUBD(constant32("ThirtyTwo", 32), s, s)
	VCVTDQ2PS(s, s)
	VBROADCASTSS(half(Mem{Base: src}), d)
	VMULPS(d, s, s)
	VMOVUPS(s, Mem{Base: scale})
	for g := range 8 {
		lookUp(values, spread(Mem{Base: src, Disp: 8 + 16*g}, mask, shift), Mem{Base: codes, Disp: 32 * g})
	}
	ahead(src, 136)
	ADDQ(U32(136), src)
	ADDQ(U32(256), codes)
	ADDQ(U8(32), scale)
	loop(blocks)
}

// constant32 repeats a 32-bit word.
func constant32(name string, v uint32) Mem {
	var b [32]byte
	for n := range 8 {
		for i := range 4 {
			b[4*n+i] = byte(v >> (8 * i))
		}
	}
	return table(name, b)
}

// shifted moves bits of every byte by n places, left if positive; bits that cross into a neighbour are masked out later.
func shifted(n int, from, to reg.VecVirtual) {
	switch {
	case n > 0:
		VPSLLW(U8(n), from, to)
	case n < 0:
		VPSRLW(U8(-n), from, to)
	default:
		VMOVDQA(from, to)
	}
}

func unpackQ5_K() {
	codes, scale, offset, src, blocks := unpacker("Q5_K")
	Load(Param("offset"), offset)
	mask, sixteen := splat(0x0f0f0f0f), splat(0x10101010)
	Label("block")
	pairsOf6(src, scale, offset)
	fifth := YMM()
	VMOVDQU(Mem{Base: src, Disp: 16}, fifth)
	for p := range 4 {
		q, c, h := YMM(), YMM(), YMM()
		VMOVDQU(Mem{Base: src, Disp: 48 + 32*p}, q)
		for n := range 2 {
			shifted(-4*n, q, c)
			VPAND(mask, c, c)
			shifted(4-2*p-n, fifth, h)
			VPAND(sixteen, h, h)
			VPOR(h, c, c)
			VMOVDQU(c, Mem{Base: codes, Disp: 64*p + 32*n})
		}
	}
	ahead(src, 176)
	ADDQ(U32(176), src)
	ADDQ(U32(256), codes)
	ADDQ(U8(32), scale)
	ADDQ(U8(32), offset)
	loop(blocks)
}

func unpackQ2_K() {
	codes, scale, offset, src, blocks := unpacker("Q2_K")
	Load(Param("offset"), offset)
	three, sign := splat(0x03030303), splat(0x80000000)
	Label("block")
	d, m := YMM(), YMM()
	VBROADCASTSS(half(Mem{Base: src, Disp: 80}), d)
	VBROADCASTSS(half(Mem{Base: src, Disp: 82}), m)
	VXORPS(sign, m, m)
	for n := range 2 {
		s, o := YMM(), YMM()
		VPMOVZXBD(Mem{Base: src, Disp: 8 * n}, s)
		VPSRLD(U8(4), s, o)
		VPAND(constant32("Fifteen", 15), s, s)
		for _, x := range []struct {
			v, by reg.VecVirtual
			to    reg.Register
		}{{s, d, scale}, {o, m, offset}} {
			VCVTDQ2PS(x.v, x.v)
			VMULPS(x.by, x.v, x.v)
			VMOVUPS(x.v, Mem{Base: x.to, Disp: 32 * n})
		}
	}
	for n := range 2 {
		q, c := YMM(), YMM()
		VMOVDQU(Mem{Base: src, Disp: 16 + 32*n}, q)
		for r := range 4 {
			shifted(-2*r, q, c)
			VPAND(three, c, c)
			VMOVDQU(c, Mem{Base: codes, Disp: 128*n + 32*r})
		}
	}
	ahead(src, 84)
	ADDQ(U32(84), src)
	ADDQ(U32(256), codes)
	ADDQ(U8(64), scale)
	ADDQ(U8(64), offset)
	loop(blocks)
}

func unpackQ3_K() {
	codes, scale, _, src, blocks := unpacker("Q3_K")
	three, four, mask := splat(0x03030303), splat(0x04040404), splat(0x0f0f0f0f)
	Label("block")
	low, up, high := XMM(), XMM(), XMM()
	VMOVQ(Mem{Base: src, Disp: 96}, low)
	VPSRLW(U8(4), low, up)
	VPUNPCKLQDQ(up, low, low)
	VPAND(mask.AsX(), low, low)
	VPBROADCASTD(Mem{Base: src, Disp: 104}, high)
	var by [32]byte
	for n := range 8 {
		by[4*n] = byte(2 * (n % 4))
	}
	VPSRLVD(table("Quarters", by), high, high)
	VPAND(three.AsX(), high, high)
	VPSLLW(U8(4), high, high)
	VPOR(high, low, low)
	VPSUBB(constant32("ThirtyTwos", 0x20202020), low, low)
	d := YMM()
	VBROADCASTSS(half(Mem{Base: src, Disp: 108}), d)
	for n := range 2 {
		s := YMM()
		VPMOVSXBD(low, s)
		VCVTDQ2PS(s, s)
		VMULPS(d, s, s)
		VMOVUPS(s, Mem{Base: scale, Disp: 32 * n})
		if n == 0 {
			VPSRLDQ(U8(8), low, low)
		}
	}
	third, q, c, h := YMM(), YMM(), YMM(), YMM()
	VMOVDQU(Mem{Base: src}, third)
	for r := range 8 {
		if r%4 == 0 {
			VMOVDQU(Mem{Base: src, Disp: 32 + 8*r}, q)
		}
		shifted(-2*(r%4), q, c)
		VPAND(three, c, c)
		shifted(2-r, third, h)
		VPAND(four, h, h)
		VPOR(h, c, c)
		VMOVDQU(c, Mem{Base: codes, Disp: 32 * r})
	}
	ahead(src, 110)
	ADDQ(U32(110), src)
	ADDQ(U32(256), codes)
	ADDQ(U8(64), scale)
	loop(blocks)
}
