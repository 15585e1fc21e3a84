package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	sketchTokens = 64
	sketchTile   = 16
	sketchAhead  = 1 // blocks
)

// sketchFile makes the products with sketched keys; the layout is that of kernel/sketch.go.
func sketchFile() {
	for heads := 1; heads <= 4; heads++ {
		dotSketch(heads)
	}
	weighSketch()
	for heads := 1; heads <= 4; heads++ {
		lossSketch(heads)
	}
	restSketch()
}

// dotSketch: accumulators [tile][head] of 16 tokens of int16, two tiles at a time. A pair of channels is one shift, one mask, and for every head one VPMADDUBSW with
// a vector of the same two 8-bit operands.
func dotSketch(heads int) {
	name := "dotSketchx" + itoa(heads) + "AVX2"
	function(name, "func(dst *float32, dstStride int, q *float32, codes *uint64, unit, shift *float32, blocks **byte, count, last, channels int)",
		name+" writes the products of "+itoa(heads)+" queries, channels numbers and twice as many words of codes apart, with the keys of count blocks to dst, dstStride bytes apart; no block behind the last one is asked for.")
	biases := AllocLocal(16)
	dst, dstStride := ptr("dst"), ptr("dstStride")
	outs := newStrided(dst, dstStride, heads)
	last, left := AllocLocal(8), AllocLocal(8)
	blocks, n := ptr("blocks"), ptr("count")
	{
		t := GP64()
		Load(Param("last"), t)
		LEAQ(indexed(blocks, t, 8, 0), t)
		MOVQ(t, last)
	}
	loop("blocks", n, 1, func() {
		MOVQ(n, left)
		block, channels := GP64(), ptr("channels")
		MOVQ(at(blocks, 0), block)
		// What is asked for is a block further on, or the last one again: a line for every 8 channels of the mean and of two tiles, which are 24 bytes a channel and
		// reach a little beyond it. All lines at once would fill the processor's list of lines to wait for, and it would wait.
		ahead := GP64()
		LEAQ(at(blocks, 8*sketchAhead), ahead)
		CMPQ(ahead, last)
		CMOVQHI(last, ahead)
		MOVQ(at(ahead, 0), ahead)
		ask := func() {
			PREFETCHT0(at(ahead, 0))
			ADDQ(operand.Imm(64), ahead)
		}

		sums := avx2.regs(heads)
		for _, r := range sums {
			avx2.zero(r)
		}
		q, qStride := ptr("q"), GP64()
		MOVQ(channels, qStride)
		SHLQ(operand.Imm(2), qStride)
		queries := newStrided(q, qStride, heads)
		c := GP64()
		MOVQ(channels, c)
		loop("mean", c, 8, func() {
			m := YMM()
			VCVTPH2PS(at(block, 0), m)
			for h := range heads {
				t := YMM()
				VMULPS(queries.at(h, 0), m, t)
				VADDPS(t, sums[h], sums[h])
			}
			ask()
			queries.advance(32)
			ADDQ(operand.Imm(16), block)
		})
		for h := range heads {
			x := avx2.foldTo128(sums[h], VADDPS)
			foldToLane(x, VADDPS)
			VMOVSS(x, biases.Offset(4*h))
		}

		scales := GP64()
		MOVQ(block, scales)
		ADDQ(operand.U32(2*sketchTokens), block)
		tileBytes := GP64()
		MOVQ(channels, tileBytes)
		SHLQ(operand.Imm(2), tileBytes)
		tiles := GP64()
		MOVQ(operand.U32(sketchTokens/sketchTile), tiles)
		loop("tiles", tiles, 2, func() {
			acc := [2][]reg.VecVirtual{avx2.regs(heads), avx2.regs(heads)}
			for i := range acc {
				for _, r := range acc[i] {
					VPXOR(r, r, r)
				}
			}
			codesStride := GP64()
			MOVQ(channels, codesStride)
			SHLQ(operand.Imm(4), codesStride)
			codes := newStrided(ptr("codes"), codesStride, heads)
			mask := all8Reg("mask2x4", 0x03030303)
			c := GP64()
			MOVQ(channels, c)
			loop("channels", c, 8, func() {
				w := []reg.VecVirtual{YMM(), YMM()}
				VMOVDQU(at(block, 0), w[0])
				VMOVDQU(indexed(block, tileBytes, 1, 0), w[1])
				for k := range 4 {
					x := avx2.regs(2)
					for i := range x {
						if k == 0 {
							VPAND(mask, w[i], x[i])
						} else {
							VPSRLW(operand.Imm(uint64(2*k)), w[i], x[i])
							VPAND(mask, x[i], x[i])
						}
					}
					for h := range heads {
						for i := range x {
							t := YMM()
							VPMADDUBSW(codes.at(h, 32*k), x[i], t)
							VPADDW(t, acc[i][h], acc[i][h])
						}
					}
				}
				ask()
				codes.advance(4 * 32)
				ADDQ(operand.Imm(32), block)
			})
			units, shifts := ptr("unit"), ptr("shift")
			for i := range acc {
				for half := range 2 {
					s := YMM()
					VCVTPH2PS(at(scales, 2*(sketchTile*i+8*half)), s)
					for h := range heads {
						x, y, b := acc[i][h].(reg.Vec).AsX(), YMM(), YMM()
						if half == 1 {
							x = XMM()
							VEXTRACTI128(operand.Imm(1), acc[i][h], x)
						}
						VPMOVSXWD(x, y)
						VCVTDQ2PS(y, y)
						VBROADCASTSS(at(shifts, 4*h), b)
						VADDPS(b, y, y)
						VBROADCASTSS(at(units, 4*h), b)
						VMULPS(b, y, y)
						VMULPS(s, y, y)
						VBROADCASTSS(biases.Offset(4*h), b)
						VADDPS(b, y, y)
						VMOVUPS(y, outs.at(h, 4*(sketchTile*i+8*half)))
					}
				}
			}
			outs.advance(4 * 2 * sketchTile)
			ADDQ(operand.Imm(4*sketchTile), scales)
			ADDQ(tileBytes, block)
		})
		ADDQ(operand.Imm(8), blocks)
		MOVQ(left, n)
	})
	ret()
}

// bf16Load is for weights, which are stored in bf16.
func bf16Load(m operand.Mem) reg.VecVirtual { return plainFormats[2].load(avx2, m) }

// weighSketch makes scores weights in two passes over what fits the first cache.
func weighSketch() {
	function("weighSketchAVX2", "func(dst *uint16, x *float32, n int) (top, sum float32)",
		"weighSketchAVX2 writes 2^(x-top) of n numbers, a multiple of 32, in bf16 to dst, top being the largest, and returns that and the sum.")
	dst, x, n := ptr("dst"), ptr("x"), ptr("n")
	from, left := GP64(), GP64()
	MOVQ(x, from)
	MOVQ(n, left)
	most := avx2.regs(4)
	for _, r := range most {
		VBROADCASTSS(constant("lowest", math.Float32bits(-math.MaxFloat32)), r)
	}
	loop("largest", left, 32, func() {
		for k, r := range most {
			VMAXPS(at(from, 32*k), r, r)
		}
		ADDQ(operand.U32(128), from)
	})
	VMAXPS(most[1], most[0], most[0])
	VMAXPS(most[3], most[2], most[2])
	VMAXPS(most[2], most[0], most[0])
	t := avx2.foldTo128(most[0], VMAXPS)
	foldToLane(t, VMAXPS)
	Store(t, Return("top"))
	top := YMM()
	VBROADCASTSS(t, top)

	low, magic := YMM(), YMM()
	VMOVUPS(float8("roughMin", roughMin), low)
	VMOVUPS(float8("roundMagic", 1<<23*1.5), magic)
	sum := YMM()
	avx2.zero(sum)
	loop("weights", n, 32, func() {
		v, p := avx2.regs(4), avx2.regs(4)
		step := func(f func(k int)) {
			for k := range v {
				f(k)
			}
		}
		step(func(k int) { VMOVUPS(at(x, 32*k), v[k]) })
		step(func(k int) { VSUBPS(top, v[k], v[k]) })
		step(func(k int) { VMAXPS(v[k], low, v[k]) })
		// The nearest integer is in the lowest bits of the sum with the magic number, and becomes the exponent.
		step(func(k int) { VADDPS(magic, v[k], p[k]) })
		step(func(k int) {
			whole := YMM()
			VSUBPS(magic, p[k], whole)
			VSUBPS(whole, v[k], v[k])
			VPSLLD(operand.Imm(23), p[k], whole)
			VMOVUPS(float8("rough3", roughCoefficients[3]), p[k])
			for c := 2; c >= 0; c-- {
				VFMADD213PS(float8("rough"+itoa(c), roughCoefficients[c]), v[k], p[k])
			}
			VPADDD(whole, p[k], p[k])
		})
		step(func(k int) {
			VPADDD(all8("half16", 1<<15), p[k], v[k])
			VPSRLD(operand.Imm(16), v[k], v[k])
		})
		for k := 0; k < 4; k += 2 {
			VPACKUSDW(v[k+1], v[k], v[k])
			VPERMQ(operand.Imm(0xd8), v[k], v[k])
			VMOVDQU(v[k], at(dst, 16*k))
		}
		VADDPS(p[1], p[0], p[0])
		VADDPS(p[3], p[2], p[2])
		VADDPS(p[2], p[0], p[0])
		VADDPS(p[0], sum, sum)
		ADDQ(operand.U32(128), x)
		ADDQ(operand.U32(64), dst)
	})
	s := avx2.foldTo128(sum, VADDPS)
	foldToLane(s, VADDPS)
	Store(s, Return("sum"))
	ret()
}

// Those of kernel/sketch.go.
var roughCoefficients = []float32{0.9999280735159697, 0.6932609854542462, 0.24261112222375328, 0.05517166909261008}

const (
	roughMin       = -125
	deviationShift = 20
	deviationLeast = (127 - 16) << 23
)

// lossSketch adds in the order of the heads, and multiplies by what the bytes stand for.
func lossSketch(heads int) {
	name := "lossSketchx" + itoa(heads) + "AVX2"
	function(name, "func(dst *float32, weights *uint16, stride, n int, shares *float32, deviations *byte, more bool)",
		name+" writes the sums of "+itoa(heads)+" rows of n numbers, a multiple of 16, stride bytes apart, each row times its share, times deviations, to dst, or adds them to it.")
	dst, weights, stride, n, shares, deviations := ptr("dst"), ptr("weights"), ptr("stride"), ptr("n"), ptr("shares"), ptr("deviations")
	rows := newStrided(weights, stride, heads)
	s := avx2.regs(heads)
	for h := range s {
		VBROADCASTSS(at(shares, 4*h), s[h])
	}
	least := all8Reg("deviationLeast", deviationLeast)
	keep := YMM() // all ones where dst counts
	{
		more := GP32()
		Load(Param("more"), more.As8())
		MOVBLZX(more.As8(), more)
		NEGL(more)
		x := XMM()
		VMOVD(more, x)
		VPBROADCASTD(x, keep)
	}
	loop("losses", n, 16, func() {
		for k := range 2 {
			sum, deviation, before := YMM(), YMM(), YMM()
			for h := range s {
				w := bf16Load(rows.at(h, 16*k))
				if h == 0 {
					VMULPS(w, s[h], sum)
				} else {
					VFMADD231PS(w, s[h], sum)
				}
			}
			VPMOVZXBD(at(deviations, 8*k), deviation)
			VPSLLD(operand.Imm(deviationShift), deviation, deviation)
			VPADDD(least, deviation, deviation)
			VANDPS(at(dst, 32*k), keep, before)
			VFMADD213PS(before, deviation, sum)
			VMOVUPS(sum, at(dst, 32*k))
		}
		rows.advance(32)
		ADDQ(operand.Imm(16), deviations)
		ADDQ(operand.Imm(64), dst)
	})
	ret()
}

// restSketch: the weights of a run of tokens are four vectors, added to one; several of these are reduced together.
func restSketch() {
	function("restSketchAVX2", "func(dst *float32, weights *uint16, loss *float32, n int)",
		"restSketchAVX2 writes the sums of n runs, an even number, of 32 weights each to dst, without those whose loss is below 0.")
	dst, weights, loss, n := ptr("dst"), ptr("weights"), ptr("loss"), ptr("n")
	zero := YMM()
	avx2.zero(zero)
	for _, runs := range []int{4, 2} {
		loop("runs", n, runs, func() {
			acc := avx2.regs(runs)
			for r := range acc {
				for k := range 4 {
					x, counts := bf16Load(at(weights, 64*r+16*k)), YMM()
					VCMPPS(operand.Imm(2), at(loss, 128*r+32*k), zero, counts) // 0 <= loss
					if k == 0 {
						VANDPS(x, counts, acc[r])
						continue
					}
					VANDPS(x, counts, x)
					VADDPS(x, acc[r], acc[r])
				}
			}
			sumRows(avx2, acc, func(int) operand.Mem { return at(dst, 0) })
			ADDQ(operand.U32(uint32(4*runs)), dst)
			ADDQ(operand.U32(uint32(64*runs)), weights)
			ADDQ(operand.U32(uint32(128*runs)), loss)
		})
	}
	ret()
}
