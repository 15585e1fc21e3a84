package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// groupFile makes the products of folded operands with panels of 2, 3 and 4 bit codes; the layout is that of
// kernel/rows_group.go.
func groupFile() {
	fold()
	for bits := 2; bits <= 4; bits++ {
		for heads := 1; heads <= 4; heads++ {
			panel(bits, heads)
		}
	}
}

const (
	foldLimit  = 32767
	foldLowest = 1e-30
)

// fold is foldGeneric.
func fold() {
	function("foldAVX2", "func(out *int16, x *float32, steps, mins *byte, slots int, unit, bias *float32)",
		"foldAVX2 rounds x*step to integers of at most 32767 in out, and writes their unit and the sum of x*min; slots is a multiple of 8.")
	out, x, steps, mins, n := ptr("out"), ptr("x"), ptr("steps"), ptr("mins"), ptr("slots")
	top, part := YMM(), YMM()
	avx2.zero(top)
	avx2.zero(part)
	xs, ss, left := GP64(), GP64(), GP64()
	MOVQ(x, xs)
	MOVQ(steps, ss)
	MOVQ(n, left)
	abs := YMM()
	VMOVUPS(all8("magnitude", 1<<31-1), abs)
	loop("largest", left, 8, func() {
		v, s, m := YMM(), YMM(), YMM()
		VMOVUPS(at(xs, 0), v)
		VCVTPH2PS(at(ss, 0), s)
		VCVTPH2PS(at(mins, 0), m)
		VMULPS(s, v, s)
		VANDPS(abs, s, s)
		VMAXPS(s, top, top)
		VMULPS(m, v, m)
		VADDPS(m, part, part)
		ADDQ(operand.U32(32), xs)
		ADDQ(operand.U32(16), ss)
		ADDQ(operand.U32(16), mins)
	})
	b := avx2.foldTo128(part, VADDPS)
	foldToLane(b, VADDPS)
	p := ptr("bias")
	VMOVSS(b, at(p, 0))
	t := avx2.foldTo128(top, VMAXPS)
	foldToLane(t, VMAXPS)
	limit := XMM()
	VMAXSS(constant("foldLowest", math.Float32bits(foldLowest)), t, t)
	VMOVSS(constant("foldLimit", math.Float32bits(foldLimit)), limit)
	u := XMM()
	VDIVSS(limit, t, u)
	p = ptr("unit")
	VMOVSS(u, at(p, 0))
	VDIVSS(t, limit, limit)
	inv := YMM()
	VBROADCASTSS(limit, inv)
	loop("round", n, 8, func() {
		s, h := YMM(), XMM()
		VCVTPH2PS(at(steps, 0), s)
		VMULPS(at(x, 0), s, s)
		VMULPS(inv, s, s)
		VCVTPS2DQ(s, s)
		VEXTRACTI128(operand.Imm(1), s, h)
		VPACKSSDW(h, s.AsX(), h)
		VMOVDQU(h, at(out, 0))
		ADDQ(operand.U32(32), x)
		ADDQ(operand.U32(16), steps)
		ADDQ(operand.U32(16), out)
	})
	ret()
}

// panel: accumulators [octet][head] of 8 lanes of int32. A pair of slots is one mask, one shift, and for every head a
// broadcast of two 16-bit operands and VPMADDWD.
func panel(bits, heads int) {
	name := "dotPanel" + itoa(bits) + "x" + itoa(heads) + "AVX2"
	function(name, "func(dst *float32, x *int16, xStride int, panel *byte, octets, slots int, unit, bias *float32)",
		name+" writes sum*unit+bias of "+itoa(heads)+" folded operands, xStride bytes apart, with the lanes of a panel to dst [heads][64].")
	dst, x, xs, codes := ptr("dst"), ptr("x"), ptr("xStride"), ptr("panel")
	octets, slots := ptr("octets"), ptr("slots")
	operands := newStrided(x, xs, heads)
	octetBytes := GP64()
	MOVQ(slots, octetBytes)
	IMUL3Q(operand.U32(uint32(bits)), octetBytes, octetBytes)
	for _, count := range []int{2, 1} {
		loop("octets", octets, count, func() {
			acc := make([][]reg.VecVirtual, count)
			for o := range acc {
				acc[o] = avx2.regs(heads)
				for _, r := range acc[o] {
					VPXOR(r, r, r)
				}
			}
			from := make([]reg.GPVirtual, count)
			for o := range from {
				from[o] = GP64()
				if o == 0 {
					MOVQ(codes, from[0])
				} else {
					LEAQ(indexed(from[0], octetBytes, 1, 0), from[o])
				}
			}
			left := GP64()
			MOVQ(slots, left)
			ops := operands.clone()
			pair := func(c []reg.VecVirtual, k int) {
				for h := range heads {
					b := YMM()
					VPBROADCASTD(ops.at(h, 4*k), b)
					for o := range c {
						t := b
						if o+1 < len(c) {
							t = YMM()
						}
						VPMADDWD(c[o], b, t)
						VPADDD(t, acc[o][h], acc[o][h])
					}
				}
			}
			unit := 32 / bits // slots of a word
			if bits == 3 {
				unit = 32
			}
			words := 1
			if bits == 3 {
				words = 3
			}
			loop("slots", left, unit, func() {
				if bits == 3 {
					threeBits(from, pair)
				} else {
					w := loadWords(from, 0)
					mask := all8("mask"+itoa(bits), uint32(1<<bits-1)*0x10001)
					for k := range unit / 2 {
						c := w
						if k+1 < unit/2 {
							c = shifted(w, bits*k)
							for o := range c {
								VPAND(mask, c[o], c[o])
							}
						} else {
							for o := range w {
								VPSRLW(operand.Imm(uint64(bits*k)), w[o], w[o])
							}
						}
						pair(c, k)
					}
				}
				ops.advance(2 * unit)
				for _, p := range from {
					ADDQ(operand.U32(uint32(32*words)), p)
				}
			})
			us, bs := ptr("unit"), ptr("bias")
			for h := range heads {
				u, b := YMM(), YMM()
				VBROADCASTSS(at(us, 4*h), u)
				VBROADCASTSS(at(bs, 4*h), b)
				for o := range acc {
					y := acc[o][h]
					VCVTDQ2PS(y, y)
					VMULPS(u, y, y)
					VADDPS(b, y, y)
					VMOVUPS(y, at(dst, 256*h+32*o))
				}
			}
			ADDQ(operand.U32(uint32(32*count)), dst)
			for range count {
				ADDQ(octetBytes, codes)
			}
		})
	}
	ret()
}

func loadWords(from []reg.GPVirtual, disp int) []reg.VecVirtual {
	w := avx2.regs(len(from))
	for o, p := range from {
		VMOVDQU(at(p, disp), w[o])
	}
	return w
}

// shifted copies w, its 16-bit halves shifted down.
func shifted(w []reg.VecVirtual, by int) []reg.VecVirtual {
	c := avx2.regs(len(w))
	for o := range w {
		if by == 0 {
			VMOVDQA(w[o], c[o])
		} else {
			VPSRLW(operand.Imm(uint64(by)), w[o], c[o])
		}
	}
	return c
}

// threeBits takes 32 slots: two words of lower bits and one of upper bits.
func threeBits(from []reg.GPVirtual, pair func(c []reg.VecVirtual, k int)) {
	low2, high := all8("mask2", 3*0x10001), all8("high3", 4*0x10001)
	upper := loadWords(from, 64)
	for half := range 2 {
		lower := loadWords(from, 32*half)
		for k := range 8 {
			c := shifted(lower, 2*k)
			j := 8*half + k // the upper bit's place
			for o := range c {
				VPAND(low2, c[o], c[o])
				t := YMM()
				switch {
				case j < 2:
					VPSLLW(operand.Imm(uint64(2-j)), upper[o], t)
					VPAND(high, t, t)
				case j == 2:
					VPAND(high, upper[o], t)
				default:
					VPSRLW(operand.Imm(uint64(j-2)), upper[o], t)
					VPAND(high, t, t)
				}
				VPOR(t, c[o], c[o])
			}
			pair(c, j)
		}
	}
}
