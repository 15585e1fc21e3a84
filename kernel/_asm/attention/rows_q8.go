package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Rows of 8-bit codes on the tiers with VNNI. Widened to f32, a row's codes cost more than its products; in integers they need no widening.
// See kernel/rows_q8.go for the layouts.

const (
	q8Rows  = 16 // rows of a step, a lane each
	q8Quads = q8Channels / 4

	rowsPerCall = 64
)

// roundQueries rounds a group of each query to 16 bits.
func roundQueries() {
	v := avx512
	function("roundQueriesVNNI", "func(rounded *byte, q *float32, heads, d int)",
		"roundQueriesVNNI rounds queries q [heads][d] for dotRowsQ8: rounded [d/32] of codes [heads][2][32], units [heads] and biases [heads].")
	to, q, heads, d := ptr("rounded"), ptr("q"), ptr("heads"), ptr("d")
	stride := GP64()
	MOVQ(d, stride)
	SHLQ(operand.Imm(2), stride)
	magnitude, most := v.bits("rowsMagnitude", 0x7fffffff), v.float("rowsMost", 32512)
	half := v.bits("rowsHalf", 128)
	tiny := XMM()
	VMOVSS(constant("rowsTiny", math.Float32bits(0x1p-126)), tiny)
	loop("groups", d, q8Channels, func() {
		from, left, unit := GP64(), GP64(), GP64()
		MOVQ(q, from)
		MOVQ(heads, left)
		MOVQ(heads, unit)
		SHLQ(operand.Imm(6), unit)
		ADDQ(to, unit)
		loop("heads", left, 1, func() {
			x := [2]reg.VecVirtual{v.reg(), v.reg()}
			top, other := v.reg(), v.reg()
			for i := range x {
				VMOVUPS(at(from, 64*i), x[i])
			}
			VPANDD(magnitude, x[0], top)
			VPANDD(magnitude, x[1], other)
			VMAXPS(other, top, top)
			largest := v.foldTo128(top, VMAXPS)
			foldToLane(largest, VMAXPS)
			// The reciprocal of a zero would make codes of NaN: that of the smallest normal number is taken instead.
			step, per := XMM(), v.reg()
			VDIVSS(most.(reg.Vec).AsX(), largest, step)
			VMOVSS(step, at(unit, 0))
			VMAXSS(tiny, largest, largest)
			VDIVSS(largest, most.(reg.Vec).AsX(), largest)
			VBROADCASTSS(largest, per)
			total := v.reg()
			v.zero(total)
			for i := range x {
				high := v.reg()
				VMULPS(per, x[i], x[i])
				VCVTPS2DQ(x[i], x[i])
				VPADDD(x[i], total, total)
				VPADDD(half, x[i], high)
				VPSRAD(operand.Imm(8), high, high)
				VPMOVDB(high, at(to, 16*i))
				VPSLLD(operand.Imm(8), high, high)
				VPSUBD(high, x[i], x[i])
				VPMOVDB(x[i], at(to, 32+16*i))
			}
			sum := v.foldTo128(total, VPADDD)
			foldToLane(sum, VPADDD)
			VPSLLD(operand.Imm(7), sum, sum)
			VMOVD(sum, indexed(unit, heads, 4, 0))
			ADDQ(operand.U32(64), to)
			ADDQ(operand.U32(4), unit)
			ADDQ(stride, from)
		})
		LEAQ(indexed(to, heads, 8, 0), to)
		ADDQ(operand.U32(4*q8Channels), q)
	})
	ret()
}

// dotRowsQ8VNNI: a row is a lane. Sixteen rows' codes of a group are turned so that a register holds four channels of each; a query's four are
// broadcast. Its two halves have sums of their own, which meet when the group ends.
func dotRowsQ8VNNI(heads int) {
	v := avx512
	name := "dotRowsQ8x" + itoa(heads) + "VNNI"
	function(name, "func(dst *float32, rounded, rows *byte, dstStride, n, d, rowBytes int, ahead *byte)",
		name+" writes the products of "+itoa(heads)+" rounded queries with n rows, a multiple of 16, to dst, whose heads are dstStride bytes apart. d is a multiple of 32.")
	dst, rounded, rows := ptr("dst"), ptr("rounded"), ptr("rows")
	dstStride, n, rowBytes, ahead := ptr("dstStride"), ptr("n"), ptr("rowBytes"), ptr("ahead")
	halves := AllocLocal(2 * q8Rows)
	signs := v.bits("rowsSigns", 0x80808080)
	loop("rows", n, q8Rows, func() {
		acc := v.regs(heads)
		for _, r := range acc {
			v.zero(r)
		}
		q, group, left := GP64(), GP64(), ptr("d")
		MOVQ(rounded, q)
		MOVQ(rows, group)
		loop("groups", left, q8Channels, func() {
			quads := turnCodes(v, newStrided(group, rowBytes, 8), halves, signs)
			sums := make([][2]reg.VecVirtual, heads)
			for h := range sums {
				sums[h] = [2]reg.VecVirtual{v.reg(), v.reg()}
				v.zero(sums[h][0])
				v.zero(sums[h][1])
			}
			for k, x := range quads {
				prefetchPart(ahead, k, q8Quads, q8Rows*q8Bytes)
				for h := range sums {
					for part, sum := range sums[h] {
						VPDPBUSD_BCST(at(q, 64*h+32*part+4*k), x, sum)
					}
				}
			}
			scale := v.reg()
			VCVTPH2PS(halves, scale)
			for h := range sums {
				t := v.reg()
				s := sums[h][0]
				VPSLLD(operand.Imm(8), s, s)
				VPADDD(sums[h][1], s, s)
				VPSUBD_BCST(at(q, 68*heads+4*h), s, s)
				VCVTDQ2PS(s, s)
				VMULPS_BCST(at(q, 64*heads+4*h), scale, t)
				VFMADD231PS(t, s, acc[h])
			}
			ADDQ(operand.U32(uint32(72*heads)), q)
			ADDQ(operand.U32(q8Bytes), group)
		})
		to := GP64()
		MOVQ(dst, to)
		for _, r := range acc {
			VMOVUPS(r, at(to, 0))
			ADDQ(dstStride, to)
		}
		ADDQ(operand.U32(4*q8Rows), dst)
		step := GP64()
		MOVQ(rowBytes, step)
		SHLQ(operand.Imm(4), step)
		ADDQ(step, rows)
	})
	ret()
}

// turnCodes returns the codes of a group of sixteen rows, plus 128: register k holds channels 4k to 4k+3 of row r in lane r. It leaves the rows'
// scales in halves. rows addresses eight at a time.
func turnCodes(v isa, rows *strided, halves operand.Mem, signs reg.VecVirtual) [q8Quads]reg.VecVirtual {
	var turned [2][4]reg.VecVirtual // words k and k+4 of rows 0 to 3 and 4 to 7; of 8 to 11 and 12 to 15
	base := GP64()
	MOVQ(rows.base, base)
	rows = &strided{base, rows.base4, rows.stride, rows.stride3}
	for half := range turned {
		for r := range 8 {
			h := GP32()
			MOVWLZX(rows.at(r, 0), h)
			MOVW(h.As16(), halves.Offset(2*(8*half+r)))
		}
		var x [4]reg.VecVirtual // rows i and i+4
		for i := range x {
			x[i] = v.reg()
			VMOVDQU(rows.at(i, 2), x[i].(reg.Vec).AsY())
			VINSERTI64X4(operand.Imm(1), rows.at(i+4, 2), x[i], x[i])
			VPXORD(signs, x[i], x[i])
		}
		for i, unpack := range []func(...operand.Op){VPUNPCKLDQ, VPUNPCKHDQ} {
			a, b, l, h := v.reg(), v.reg(), v.reg(), v.reg()
			unpack(x[1], x[0], a)
			unpack(x[3], x[2], b)
			VPUNPCKLQDQ(b, a, l)
			VPUNPCKHQDQ(b, a, h)
			turned[half][2*i], turned[half][2*i+1] = l, h
		}
		if half == 0 {
			LEAQ(indexed(rows.base, rows.stride, 8, 0), rows.base)
			LEAQ(indexed(rows.base4, rows.stride, 8, 0), rows.base4)
		}
	}
	var quads [q8Quads]reg.VecVirtual
	for k := range 4 {
		quads[k], quads[k+4] = v.reg(), v.reg()
		VSHUFI32X4(operand.Imm(0x88), turned[1][k], turned[0][k], quads[k])
		VSHUFI32X4(operand.Imm(0xdd), turned[1][k], turned[0][k], quads[k+4])
	}
	return quads
}

// accumulateQ8Wide multiplies the weights of all rows by their scales, sixteen at a time, then adds products of two groups row by row: the
// bits of accumulateQ8.
func accumulateQ8Wide(heads int) {
	v := avx512
	name := "accumulateRowsQ8x" + itoa(heads) + v.name
	function(name, "func(acc, weights *float32, rows *byte, weightStride, n, d, rowBytes int, scaled *float32, ahead *byte)",
		name+" adds the weighted sums of n rows, at most 64, to acc ["+itoa(heads)+"][d]; the weights of the heads are weightStride bytes apart. d is a multiple of 32. scaled has room for 512 numbers.")
	acc, weights, rows := ptr("acc"), ptr("weights"), ptr("rows")
	weightStride, n, d, rowBytes, scaled := ptr("weightStride"), ptr("n"), ptr("d"), ptr("rowBytes"), ptr("scaled")
	halves := AllocLocal(2 * rowsPerCall)
	accStride := GP64()
	MOVQ(d, accStride)
	SHLQ(operand.Imm(2), accStride)
	out := newStrided(acc, accStride, heads)
	last, count := K(), GP64() // the lanes of a last vector that is not whole: what lies behind the weights is nobody's
	MOVQ(n, count)
	ANDQ(operand.Imm(15), count)
	lanes := GP64()
	MOVQ(operand.I32(-1), lanes)
	BZHIQ(count, lanes, lanes)
	KMOVW(lanes.As32(), last)
	// A row of scaled holds the 64 weights of a group and head.
	place := func(base reg.GPVirtual, g, h int) operand.Mem { return at(base, 4*rowsPerCall*(g*heads+h)) }
	for _, groups := range []int{2, 1} {
		loop("groups", d, q8Channels*groups, func() {
			for g := range groups {
				from, i := GP64(), GP64()
				MOVQ(rows, from)
				XORQ(i, i)
				each := unique("scales")
				Label(each)
				half := GP32()
				MOVWLZX(at(from, q8Bytes*g), half)
				MOVW(half.As16(), halves.Idx(i, 2))
				ADDQ(rowBytes, from)
				INCQ(i)
				CMPQ(i, n)
				JLT(operand.LabelRef(each))
				w := GP64()
				MOVQ(weights, w)
				for h := range heads {
					scale := func(load func(m operand.Mem, x reg.VecVirtual)) {
						x, s := v.reg(), v.reg()
						VCVTPH2PS(halves.Idx(i, 2), s)
						load(indexed(w, i, 4, 0), x)
						VMULPS(s, x, x)
						m := place(scaled, g, h)
						m.Index, m.Scale = i, 4
						VMOVUPS(x, m)
					}
					left := GP64()
					MOVQ(n, left)
					XORQ(i, i)
					loop("weights", left, 16, func() {
						scale(func(m operand.Mem, x reg.VecVirtual) { VMOVUPS(m, x) })
						ADDQ(operand.U32(16), i)
					})
					whole := unique("whole")
					TESTQ(left, left)
					JE(operand.LabelRef(whole))
					scale(func(m operand.Mem, x reg.VecVirtual) { VMOVUPS_Z(m, last, x) })
					Label(whole)
					if h+1 < heads {
						ADDQ(weightStride, w)
					}
				}
			}
			const perGroup = 2
			sums := loadSums(v, out, heads, perGroup*groups)
			from, k, left := GP64(), GP64(), GP64()
			MOVQ(rows, from)
			MOVQ(scaled, k)
			MOVQ(n, left)
			ahead := ptr("ahead")
			loop("rows", left, 1, func() {
				PREFETCHT0(at(ahead, 0))
				ADDQ(rowBytes, ahead)
				for i := range perGroup * groups {
					g := i / perGroup
					x := v.loadCodes(at(from, q8Bytes*g+2+v.lanes*(i%perGroup)))
					for h := range heads {
						VFMADD231PS_BCST(place(k, g, h), x, sums[h][i])
					}
				}
				ADDQ(rowBytes, from)
				ADDQ(operand.U32(4), k)
			})
			storeSums(v, out, sums)
			out.advance(v.bytes() * perGroup * groups)
			ADDQ(operand.U32(uint32(q8Bytes*groups)), rows)
		})
	}
	ret()
}
