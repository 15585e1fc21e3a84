package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The tile of the BF16 tier: numbers in bf16, two to a 32-bit word, products summed in f32. One instruction adds two products to
// each of sixteen sums, twice what a multiply-add does.
//
//	queries  [rows][d/2]        words (channel 2c, channel 2c+1)
//	keys     [2][d/2][32 keys]  the same of a panel of 32 keys
//	values   [32][dv]           words (key 2j, key 2j+1)
//	weights  [rows][32]         words (key 2j, key 2j+1)

const (
	halfRows    = 12
	pairBytes   = 4
	weightBytes = pairBytes * keyBlock / 2 // a row of a tile's weights
)

var bf16 = isa{"BF16", 16, halfRows}

func halfFile() {
	narrow()
	pairValues()
	scoresHalf()
	softmaxHalf("softmaxTileBF16", halfRows)
	softmaxHalf("softmaxTile16BF16", 16)
	valuesHalf()
}

// evex writes an instruction on three 512-bit registers, EVEX.512.0F38.W0 (Intel SDM, volume 2, 2.7), for which Go's assembler has no name:
// bytes below a comment with the mnemonic and Go's order of operands. A test of the package decodes them.
func evex(mnemonic string, prefix, opcode byte, second, first, dst reg.Register) {
	r, v, m := number(dst), number(first), number(second)
	bit := func(n, i byte) byte { return n >> i & 1 }
	code := []byte{0x62,
		(bit(r, 3)^1)<<7 | (bit(m, 4)^1)<<6 | (bit(m, 3)^1)<<5 | (bit(r, 4)^1)<<4 | 2,
		(^v&15)<<3 | 1<<2 | prefix,
		2<<5 | (bit(v, 4)^1)<<3,
		opcode, 3<<6 | r&7<<3 | m&7}
	op := ""
	for i, b := range code {
		if i > 0 {
			op += "; "
		}
		op += fmt.Sprintf("BYTE $0x%02x", b)
	}
	Comment(fmt.Sprintf("%s Z%d, Z%d, Z%d", mnemonic, m, v, r))
	Instruction(&ir.Instruction{Opcode: op, ISA: []string{"AVX512BF16"}})
}

func number(r reg.Register) byte { return byte(r.(reg.Physical).PhysicalIndex()) }

// dotPairs adds to every lane of c the products of its two pairs of a and b.
func dotPairs(b, a, c reg.Register) { evex("VDPBF16PS", 2, 0x52, b, a, c) }

// roundPairs rounds low to the lower and high to the upper sixteen numbers of dst.
func roundPairs(low, high, dst reg.Register) { evex("VCVTNE2PS2BF16", 3, 0x72, low, high, dst) }

// z are the registers by number. Instructions written as bytes need theirs fixed, so these routines choose all of them.
var z = func() (all [32]reg.VecPhysical) {
	copy(all[:], []reg.VecPhysical{reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
		reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31})
	return all
}()

// narrow rounds rows of f32 to bf16.
func narrow() {
	function("narrowBF16", "func(dst *uint32, src *float32, n int)",
		"narrowBF16 rounds n numbers, a multiple of 32, to bf16, half to even.")
	dst, src, n := ptr("dst"), ptr("src"), ptr("n")
	loop("numbers", n, 32, func() {
		VMOVUPS(at(src, 0), z[0])
		VMOVUPS(at(src, 64), z[1])
		roundPairs(z[0], z[1], z[2])
		VMOVUPS(z[2], at(dst, 0))
		ADDQ(operand.Imm(128), src)
		ADDQ(operand.Imm(64), dst)
	})
	ret()
}

// pairValues brings two rows of values side by side.
func pairValues() {
	function("pairValuesBF16", "func(dst *uint32, even, odd *float32, n int)",
		"pairValuesBF16 writes words of the channels of two rows of n, a multiple of 16, rounded to bf16.")
	interleave := GLOBL("interleaveWords", RODATA|NOPTR)
	for i := range 16 {
		DATA(4*i, operand.U32(uint32(i)|uint32(16+i)<<16))
	}
	dst, even, odd, n := ptr("dst"), ptr("even"), ptr("odd"), ptr("n")
	VMOVUPS(interleave, z[3])
	loop("channels", n, 16, func() {
		VMOVUPS(at(even, 0), z[0])
		VMOVUPS(at(odd, 0), z[1])
		roundPairs(z[0], z[1], z[2])
		VPERMW(z[2], z[3], z[2])
		VMOVUPS(z[2], at(dst, 0))
		for _, p := range []reg.GPVirtual{even, odd, dst} {
			ADDQ(operand.Imm(64), p)
		}
	})
	ret()
}

// stepHalf multiplies one broadcast pair of each row with two registers of pairs.
func stepHalf(b [2]operand.Mem, a func(row int) operand.Mem) {
	VMOVUPS(b[0], z[24])
	VMOVUPS(b[1], z[25])
	for r := range halfRows {
		x := z[26+r%6]
		VPBROADCASTD(a(r), x)
		dotPairs(x, z[24], z[2*r])
		dotPairs(x, z[25], z[2*r+1])
	}
}

// rowsOf addresses the rows of a tile from one pointer per three rows.
func rowsOf(base reg.GPVirtual, stride reg.Register) (bases []reg.GPVirtual, at_ func(r, disp int) operand.Mem) {
	bases = make([]reg.GPVirtual, halfRows/3)
	for i := range bases {
		bases[i] = GP64()
		if i == 0 {
			MOVQ(base, bases[0])
			continue
		}
		LEAQ(indexed(bases[i-1], stride, 2, 0), bases[i])
		ADDQ(stride, bases[i])
	}
	return bases, func(r, disp int) operand.Mem {
		if r%3 == 0 {
			return at(bases[r/3], disp)
		}
		return indexed(bases[r/3], stride, uint8(r%3), disp)
	}
}

func scoresHalf() {
	function("scoresBF16", "func(scores *float32, q, keys *uint32, d, panels int)",
		"scoresBF16 writes the products of 12 query rows with the keys of the first panels to the rows of scores; d, the channels, is a multiple of 8.")
	dst, q, b, d, panels := ptr("scores"), ptr("q"), ptr("keys"), ptr("d"), ptr("panels")
	stride := GP64()
	MOVQ(d, stride)
	SHLQ(operand.Imm(1), stride)
	loop("panel", panels, 1, func() {
		for i := range 2 * halfRows {
			VPXORD(z[i], z[i], z[i])
		}
		bases, row := rowsOf(q, stride)
		n := GP64()
		MOVQ(d, n)
		const unroll = 4
		loop("channel", n, 2*unroll, func() {
			for k := range unroll {
				stepHalf([2]operand.Mem{at(b, 128*k), at(b, 128*k+64)}, func(r int) operand.Mem { return row(r, pairBytes*k) })
			}
			ADDQ(operand.U32(128*unroll), b)
			for _, p := range bases {
				ADDQ(operand.Imm(pairBytes*unroll), p)
			}
		})
		for r := range halfRows {
			VMOVUPS(z[2*r], at(dst, r*rowBytes))
			VMOVUPS(z[2*r+1], at(dst, r*rowBytes+64))
		}
		ADDQ(operand.U32(128), dst)
	})
	ret()
}

// weightCoefficients are a polynomial for 2^x on [-1/2, 1/2] with a relative error of 2.6e-6, far below the 2e-3 of the rounding to bf16
// that follows. The common factor in front cancels against the sums.
var weightCoefficients = []float32{0.9999992847442627, 0.6931217908859253, 0.240247443318367, 0.05591785907745361, 0.009570102207362652}

// softmaxHalf is softmaxTile with weights in bf16. What was summed before shrinks by the exact polynomial: its value at 0 must be 1.
// The form for sixteen rows is for tiles of the AMX tier.
func softmaxHalf(name string, rows int) {
	function(name, "func(weights *uint32, scores, maxima, sums, shrink *float32, factor float32)",
		fmt.Sprintf("%s is softmaxTileAVX512 for %d rows, with the weights rounded to bf16 and written apart; shrink has room for 16.", name, rows))
	dst, s, maxima, sums, shrink := ptr("weights"), ptr("scores"), ptr("maxima"), ptr("sums"), ptr("shrink")
	factor, lowest, magic := z[31], z[30], z[29]
	broadcast := func(name string, x float32, to reg.VecPhysical) {
		VBROADCASTSS(constant(name, math.Float32bits(x)), to)
	}
	Load(Param("factor"), reg.X0)
	VBROADCASTSS(reg.X0, factor)
	broadcast("exp2Min", exp2Min, lowest)
	broadcast("exponentMagic", exponentMagic, magic)
	for r := range rows {
		VMOVUPS(at(s, r*rowBytes), z[0])
		VMOVUPS(at(s, r*rowBytes+64), z[1])
		VMAXPS(at(s, r*rowBytes+128), z[0], z[0])
		VMAXPS(at(s, r*rowBytes+192), z[1], z[1])
		VMAXPS(z[1], z[0], z[0])
		foldPhysical(VMAXPS)
		// new = max(old, top*factor)
		VMOVSS(at(maxima, 4*r), reg.X1)
		VMULSS(factor.AsX(), reg.X0, reg.X0)
		VMAXSS(reg.X0, reg.X1, reg.X0)
		VMOVSS(reg.X0, at(maxima, 4*r))
		VSUBSS(reg.X0, reg.X1, reg.X1)
		VMOVSS(reg.X1, at(shrink, 4*r))
	}
	// exponential replaces x <= 0 by 2^x with the coefficients in registers c..; t and p are working registers.
	exponential := func(x, t, p reg.VecPhysical, c []reg.VecPhysical) {
		VMAXPS(x, lowest, x)
		VADDPS(magic, x, t)
		VSUBPS(magic, t, p)
		VSUBPS(p, x, x)
		VPSLLD(operand.Imm(23), t, t)
		VMOVAPS(c[len(c)-1], p)
		for k := len(c) - 2; k >= 0; k-- {
			VFMADD213PS(c[k], x, p)
		}
		VMULPS(t, p, x)
	}
	exact := z[20:27]
	for k, c := range exp2Coefficients {
		broadcast("exp2C"+itoa(k), c, exact[k])
	}
	VMOVUPS(at(shrink, 0), z[0])
	exponential(z[0], z[1], z[2], exact) // of all rows, and of whatever lies behind them
	VMOVUPS(z[0], at(shrink, 0))
	quick := z[20:25]
	for k, c := range weightCoefficients {
		broadcast("weightC"+itoa(k), c, quick[k])
	}
	n := GP64()
	MOVQ(operand.U32(uint32(rows)), n)
	loop("row", n, 1, func() {
		now := z[28]
		VBROADCASTSS(at(maxima, 0), now)
		x := z[0:4]
		for k := range x {
			VMOVUPS(at(s, 64*k), x[k])
			VFMSUB213PS(now, factor, x[k])
			exponential(x[k], z[4+2*k], z[5+2*k], quick)
		}
		roundPairs(x[0], x[1], z[12])
		roundPairs(x[2], x[3], z[13])
		VMOVUPS(z[12], at(dst, 0))
		VMOVUPS(z[13], at(dst, 64))
		VADDPS(x[1], x[0], x[0])
		VADDPS(x[3], x[2], x[2])
		VADDPS(x[2], x[0], x[0])
		foldPhysical(VADDPS)
		VMOVSS(at(shrink, 0), reg.X1)
		VFMADD231SS(at(sums, 0), reg.X1, reg.X0)
		VMOVSS(reg.X0, at(sums, 0))
		ADDQ(operand.U32(rowBytes), s)
		ADDQ(operand.U32(weightBytes), dst)
		for _, p := range []reg.GPVirtual{maxima, sums, shrink} {
			ADDQ(operand.Imm(4), p)
		}
	})
	ret()
}

// foldPhysical reduces Z0 to its lowest lane, using Z1.
func foldPhysical(op func(...operand.Op)) {
	VEXTRACTF64X4(operand.Imm(1), reg.Z0, reg.Y1)
	op(reg.Y1, reg.Y0, reg.Y0)
	VEXTRACTF32X4(operand.Imm(1), reg.Y0, reg.X1)
	op(reg.X1, reg.X0, reg.X0)
	VMOVHLPS(reg.X0, reg.X0, reg.X1)
	op(reg.X1, reg.X0, reg.X0)
	VMOVSHDUP(reg.X0, reg.X1)
	op(reg.X1, reg.X0, reg.X0)
}

func valuesHalf() {
	function("valuesTileBF16", "func(out *float32, weights, values *uint32, shrink *float32, pairs, dv int)",
		"valuesTileBF16 multiplies out [12][dv] by shrink [12] and adds the weights of pairs of keys times their values; dv is a multiple of 32.")
	out, weights, values, shrink := ptr("out"), ptr("weights"), ptr("values"), ptr("shrink")
	pairs, dv := ptr("pairs"), ptr("dv")
	stride := GP64() // of out's rows and of a pair of values
	MOVQ(dv, stride)
	SHLQ(operand.Imm(2), stride)
	bases, row := rowsOf(out, stride)
	loop("columns", dv, 32, func() {
		for r := range halfRows {
			VBROADCASTSS(at(shrink, 4*r), z[26])
			VMULPS(row(r, 0), z[26], z[2*r])
			VMULPS(row(r, 64), z[26], z[2*r+1])
		}
		b, w, n := GP64(), GP64(), GP64()
		MOVQ(values, b)
		MOVQ(weights, w)
		MOVQ(pairs, n)
		for _, unroll := range []int{4, 1} {
			loop("pair", n, unroll, func() {
				for k := range unroll {
					stepHalf([2]operand.Mem{at(b, 0), at(b, 64)}, func(r int) operand.Mem { return at(w, r*weightBytes+pairBytes*k) })
					ADDQ(stride, b)
				}
				ADDQ(operand.U32(uint32(pairBytes*unroll)), w)
			})
		}
		for r := range halfRows {
			VMOVUPS(z[2*r], row(r, 0))
			VMOVUPS(z[2*r+1], row(r, 64))
		}
		for _, p := range bases {
			ADDQ(operand.U32(128), p)
		}
		ADDQ(operand.U32(128), values)
	})
	ret()
}
