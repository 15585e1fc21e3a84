package main

import (
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Packed weights (kernel/packed.go): a field of a block, a 32-bit word or an f16, of sixteen rows side by side. A register holds one word of every
// row, so that an output is a lane and nothing has to be added up across lanes. The decode kernels multiply them with one row of
// activations; the expansions make a panel of codes and scales of them for many.

// packed is the state of one such routine: the products if acc is set, else the expansion.
type packed struct {
	w                 reg.GPVirtual
	codes, scale, sum reg.GPVirtual
	acc               reg.VecVirtual
	panel, scales     reg.GPVirtual
	low               reg.VecVirtual // the low halves of bytes; as an operand in memory it would cost a load of 64 bytes each time
}

func packedKernels() {
	for _, product := range []bool{true, false} {
		packedQ4("Q4_0", 18, product)
		packedQ4("Q4_1", 20, product)
		packedQ8_0(product)
		packedQ4_K(product)
		packedQ6_K(product)
	}
}

// packedLoop frames the loop over blocks of so many stored bytes, groups of activations and weight groups.
func packedLoop(name string, bytes, groups, perGroup int, affine, product bool, constants func(), body func(p *packed)) {
	p := &packed{}
	load := func(name string) reg.GPVirtual {
		r := GP64()
		Load(Param(name), r)
		return r
	}
	if product {
		TEXT("packed"+name+"VNNI", NOSPLIT, "func(dst *float32, w *uint8, blocks int, codes *int8, scale, sums *float32)")
		Doc("packed" + name + "VNNI writes dst[16], the products of 16 packed rows with one row of activations; see packedProduct.")
		Pragma("noescape")
		p.codes, p.scale, p.sum = load("codes"), load("scale"), load("sums")
		p.acc = zeroed()
	} else {
		TEXT("expand"+name+"VNNI", NOSPLIT, "func(panel *uint8, scales *float32, w *uint8, blocks int)")
		Doc("expand" + name + "VNNI makes a panel of codes and scales of 16 packed rows; see packedExpand.")
		Pragma("noescape")
		p.panel, p.scales = load("panel"), load("scales")
	}
	p.w = load("w")
	count := load("blocks")
	p.low = loaded(constant("gemmNibbles", 0x0f0f0f0f))
	constants()
	Label("blocks")
	body(p)
	ADDQ(U32(uint32(16*bytes)), p.w)
	if product {
		ADDQ(U32(uint32(32*groups)), p.codes)
		ADDQ(U8(uint8(4*groups)), p.scale)
		ADDQ(U8(uint8(4*groups*perGroup)), p.sum)
	} else {
		ADDQ(U32(uint32(16*32*groups)), p.panel)
		size := 64
		if affine {
			size = 128
		}
		ADDQ(U32(uint32(size*groups*perGroup)), p.scales)
	}
	DECQ(count)
	JNZ(LabelRef("blocks"))
	if product {
		dst := load("dst")
		VMOVUPS(p.acc, Mem{Base: dst})
	}
	VZEROUPPER()
	RET()
}

// words loads the 32-bit words that lie at a place of a row's share of the block, of sixteen rows.
func (p *packed) words(at int) reg.VecVirtual { return loaded(Mem{Base: p.w, Disp: 16 * at}) }

// halves loads the f16 at such a place.
func (p *packed) halves(at int) reg.VecVirtual {
	x := ZMM()
	VCVTPH2PS(Mem{Base: p.w, Disp: 16 * at}, x)
	return x
}

func loaded(m Mem) reg.VecVirtual {
	x := ZMM()
	VMOVDQU32(m, x)
	return x
}

func zeroed() reg.VecVirtual {
	x := ZMM()
	VPXORD(x, x, x)
	return x
}

func mask(m Op, x reg.VecVirtual) reg.VecVirtual {
	y := ZMM()
	VPANDD(m, x, y)
	return y
}

// shifted moves bits down, for a negative n up.
func shifted(n int, x reg.VecVirtual) reg.VecVirtual {
	if n == 0 {
		return x
	}
	y := ZMM()
	if n > 0 {
		VPSRLD(U8(uint8(n)), x, y)
	} else {
		VPSLLD(U8(uint8(-n)), x, y)
	}
	return y
}

// nibble is the low or, as half 1, the high four bits of each byte.
func (p *packed) nibble(x reg.VecVirtual, half int) reg.VecVirtual {
	return mask(p.low, shifted(4*half, x))
}

// take uses the codes of columns at to at+3 of the block: their products join dot, or they go into the panel.
func (p *packed) take(at int, codes, dot reg.VecVirtual) {
	if p.acc != nil {
		VPDPBUSD_BCST(Mem{Base: p.codes, Disp: at}, codes, dot)
	} else {
		VMOVDQU32(codes, Mem{Base: p.panel, Disp: 16 * at})
	}
}

// dot returns a cleared sum, where sums are wanted.
func (p *packed) dot() reg.VecVirtual {
	if p.acc == nil {
		return nil
	}
	return zeroed()
}

// group ends weight group g of a block: it adds float32(dot-zero*sum)*(scaleW*scaleA), then offset*sum, or stores scale and offset. There are
// perGroup weight groups in a group of activations.
func (p *packed) group(g, perGroup int, dot, scale, offset reg.VecVirtual, zero int) {
	if p.acc == nil {
		size := 64
		if offset != nil {
			size = 128
			VMOVUPS(offset, Mem{Base: p.scales, Disp: size*g + 64})
		}
		VMOVUPS(scale, Mem{Base: p.scales, Disp: size * g})
		return
	}
	t := ZMM()
	if offset == nil {
		VPBROADCASTD(Mem{Base: p.sum, Disp: 4 * g}, t)
		VPSLLD(U8(uint8(bits.TrailingZeros(uint(zero)))), t, t)
		VPSUBD(t, dot, dot)
	}
	VCVTDQ2PS(dot, dot)
	VMULPS_BCST(Mem{Base: p.scale, Disp: 4 * (g / perGroup)}, scale, t)
	VMULPS(t, dot, dot)
	VADDPS(dot, p.acc, p.acc)
	if offset != nil {
		VMULPS_BCST(Mem{Base: p.sum, Disp: 4 * g}, offset, t)
		VADDPS(t, p.acc, p.acc)
	}
}

func packedQ4(name string, size int, product bool) {
	packedLoop(name, size, 1, 1, size == 20, product, func() {}, func(p *packed) {
		var w [4]reg.VecVirtual
		for k := range w {
			w[k] = p.words(size - 16 + 4*k)
		}
		dot := p.dot()
		for half := range 2 {
			for k := range w {
				p.take(16*half+4*k, p.nibble(w[k], half), dot)
			}
		}
		var offset reg.VecVirtual
		if size == 20 {
			offset = p.halves(2)
		}
		p.group(0, 1, dot, p.halves(0), offset, 8)
	})
}

// packedQ4_K: see quant's pairsOf6 for the packing of the scales and offsets, of which four lie in a register here, one a byte.
func packedQ4_K(product bool) {
	var lowest reg.VecVirtual
	packedLoop("Q4_K", 144, 8, 1, true, product, func() { lowest = loaded(constant("gemmByte", 0xff)) }, func(p *packed) {
		field := func(x reg.VecVirtual, n int) reg.VecVirtual { // byte n as f32
			y := shifted(8*n, x)
			if n < 3 {
				y = mask(lowest, y)
			}
			z := ZMM()
			VCVTDQ2PS(y, z)
			return z
		}
		d, m := p.halves(0), p.halves(2)
		VXORPS(constant("gemmSign", 0x80000000), m, m)
		six, upper := constant("gemmSixes", 0x3f3f3f3f), constant("gemmUpper", 0x30303030)
		u := [3]reg.VecVirtual{p.words(4), p.words(8), p.words(12)}
		scales := [2]reg.VecVirtual{mask(six, u[0]), p.nibble(u[2], 0)}
		offsets := [2]reg.VecVirtual{mask(six, u[1]), p.nibble(u[2], 1)}
		VPORD(mask(upper, shifted(2, u[0])), scales[1], scales[1])
		VPORD(mask(upper, shifted(2, u[1])), offsets[1], offsets[1])
		for q := range 4 { // 32 bytes: the low halves are one group, the high halves the next
			dots := [2]reg.VecVirtual{p.dot(), p.dot()}
			for k := range 8 {
				w := p.words(16 + 32*q + 4*k)
				for h, dot := range dots {
					p.take(64*q+32*h+4*k, p.nibble(w, h), dot)
				}
			}
			for h, dot := range dots {
				g := 2*q + h
				scale, offset := field(scales[g/4], g%4), field(offsets[g/4], g%4)
				VMULPS(d, scale, scale)
				VMULPS(m, offset, offset)
				p.group(g, 1, dot, scale, offset, 0)
			}
		}
	})
}

// packedQ8_0 adds 128 to the codes, which are signed in the file, by turning their sign.
func packedQ8_0(product bool) {
	var signs reg.VecVirtual
	packedLoop("Q8_0", 34, 1, 1, false, product, func() { signs = loaded(constant("gemmSigns", 0x80808080)) }, func(p *packed) {
		scale, dot := p.halves(0), p.dot()
		for k := range 8 {
			w := ZMM()
			VPXORD(Mem{Base: p.w, Disp: 16 * (2 + 4*k)}, signs, w)
			p.take(4*k, w, dot)
		}
		p.group(0, 1, dot, scale, nil, 128)
	})
}

// packedQ6_K: half of a block is 64 bytes of low and 32 of high bits, eight groups of sixteen. Fields lie in the order of their use.
func packedQ6_K(product bool) {
	var upper reg.VecVirtual
	packedLoop("Q6_K", 210, 8, 2, false, product, func() { upper = loaded(constant("gemmUpper", 0x30303030)) }, func(p *packed) {
		d, at := p.halves(0), 2
		next := func() reg.VecVirtual {
			at += 4
			return p.words(at - 4)
		}
		for n := range 2 {
			var dots [8]reg.VecVirtual
			for g := range dots {
				dots[g] = p.dot()
			}
			for k := range 8 {
				high := next()
				for q := range 2 {
					w := next()
					for h := range 2 {
						quarter := q + 2*h // of the half
						c := p.nibble(w, h)
						VPORD(mask(upper, shifted([]int{-4, -2, 0, 2}[quarter], high)), c, c)
						p.take(128*n+32*quarter+4*k, c, dots[2*quarter+k/4])
					}
				}
			}
			scales := [2]reg.VecVirtual{next(), next()}
			for g, dot := range dots {
				scale := ZMM()
				VPSLLD(U8(uint8(24-8*(g%4))), scales[g/4], scale)
				VPSRAD(U8(24), scale, scale)
				VCVTDQ2PS(scale, scale)
				VMULPS(d, scale, scale)
				p.group(8*n+g, 2, dot, scale, nil, 32)
			}
		}
	})
}
