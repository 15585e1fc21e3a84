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
// broadcast. Its two halves have sums of their own, which meet when the group ends. The sixteen are two times eight rows, of two pages where one
// ends: where fewer than eight are left, the last eight are taken.
func dotRowsQ8VNNI(heads int) {
	v := avx512
	name := "dotRowsQ8x" + itoa(heads) + "VNNI"
	function(name, "func(dst *float32, rounded *byte, "+pagesParams+", dstStride, d, rowBytes int)",
		name+" writes the products of "+itoa(heads)+" rounded queries with the rows of count pages, at least 8 each, to dst, whose heads are dstStride bytes apart, and asks for askCount pages, at least 1. d is a multiple of 32.")
	var eights [2]struct{ rows, dst operand.Mem }
	for i := range eights {
		eights[i].rows, eights[i].dst = AllocLocal(8), AllocLocal(8)
	}
	rowsAt, left := AllocLocal(8), AllocLocal(8)
	halves := AllocLocal(2 * q8Rows)
	walk := newPageWalk()
	dst, rowBytes := ptr("dst"), ptr("rowBytes")
	signs := v.bits("rowsSigns", 0x80808080)
	load := func() { // the page at hand, and on to the next
		t, u := GP64(), GP64()
		MOVQ(walk.page, t)
		MOVQ(at(t, pageRows), u)
		MOVQ(u, rowsAt)
		MOVQ(at(t, pageCount), u)
		MOVQ(u, left)
		ADDQ(operand.Imm(pageSize), t)
		MOVQ(t, walk.page)
	}
	load()
	sixteen, finished := unique("sixteen"), unique("finished")
	Label(sixteen)
	for i, e := range eights {
		whole, some, taken := unique("whole"), unique("some"), unique("taken")
		rows, n := GP64(), GP64()
		MOVQ(left, n)
		CMPQ(n, operand.Imm(8))
		JGE(operand.LabelRef(whole))
		TESTQ(n, n)
		JNE(operand.LabelRef(some))
		MOVQ(walk.page, n)
		CMPQ(n, walk.end)
		if i == 0 {
			JAE(operand.LabelRef(finished))
		} else { // none: the first eight twice
			more := unique("more")
			JB(operand.LabelRef(more))
			MOVQ(eights[0].rows, rows)
			MOVQ(rows, e.rows)
			MOVQ(eights[0].dst, rows)
			MOVQ(rows, e.dst)
			JMP(operand.LabelRef(taken))
			Label(more)
		}
		load()
		JMP(operand.LabelRef(whole))
		Label(some)
		SUBQ(operand.Imm(8), n)
		LEAQ(indexed(dst, n, 4, 0), dst)
		IMULQ(rowBytes, n)
		ADDQ(n, rowsAt)
		MOVQ(operand.U32(8), left)
		Label(whole)
		MOVQ(rowsAt, rows)
		MOVQ(rows, e.rows)
		LEAQ(indexed(rows, rowBytes, 8, 0), rows)
		MOVQ(rows, rowsAt)
		MOVQ(dst, e.dst)
		ADDQ(operand.Imm(32), dst)
		SUBQ(operand.Imm(8), left)
		Label(taken)
	}
	acc := v.regs(heads)
	for _, r := range acc {
		v.zero(r)
	}
	q, groups, stride3 := GP64(), ptr("d"), GP64()
	Load(Param("rounded"), q)
	LEAQ(indexed(rowBytes, rowBytes, 2, 0), stride3)
	group := [2]*strided{}
	for i := range group {
		rows := GP64()
		MOVQ(eights[i].rows, rows)
		group[i] = &strided{base: rows, base4: GP64(), stride: rowBytes, stride3: stride3}
		LEAQ(indexed(rows, rowBytes, 4, 0), group[i].base4)
	}
	loop("groups", groups, q8Channels, func() {
		quads := turnCodes(v, group, halves, signs)
		sums := make([][2]reg.VecVirtual, heads)
		for h := range sums {
			sums[h] = [2]reg.VecVirtual{v.reg(), v.reg()}
			v.zero(sums[h][0])
			v.zero(sums[h][1])
		}
		for k, x := range quads {
			v.prefetchPart(walk.ahead, k, q8Quads, q8Rows*q8Bytes)
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
		for _, rows := range group {
			rows.advance(q8Bytes)
		}
	})
	walk.turn()
	dstStride := ptr("dstStride")
	for i, e := range eights {
		to := GP64()
		MOVQ(e.dst, to)
		for _, r := range acc {
			y := r.(reg.Vec).AsY()
			if i == 1 {
				y = YMM()
				VEXTRACTF64X4(operand.Imm(1), r, y)
			}
			VMOVUPS(y, at(to, 0))
			ADDQ(dstStride, to)
		}
	}
	JMP(operand.LabelRef(sixteen))
	Label(finished)
	ret()
}

// turnCodes returns the codes of a group of two times eight rows, plus 128: register k holds channels 4k to 4k+3 of row r in lane r. It leaves the rows'
// scales in halves.
func turnCodes(v isa, rows [2]*strided, halves operand.Mem, signs reg.VecVirtual) [q8Quads]reg.VecVirtual {
	var turned [2][4]reg.VecVirtual // words k and k+4 of rows 0 to 3 and 4 to 7; of 8 to 11 and 12 to 15
	for half, rows := range rows {
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
	}
	var quads [q8Quads]reg.VecVirtual
	for k := range 4 {
		quads[k], quads[k+4] = v.reg(), v.reg()
		VSHUFI32X4(operand.Imm(0x88), turned[1][k], turned[0][k], quads[k])
		VSHUFI32X4(operand.Imm(0xdd), turned[1][k], turned[0][k], quads[k+4])
	}
	return quads
}

// accumulateQ8Wide multiplies the weights of up to 64 rows by their scales, sixteen at a time, then adds products of two groups row by row: the
// bits of accumulateQ8. It takes a frame whose memory nobody clears.
func accumulateQ8Wide(heads int) {
	v := avx512
	name := "accumulateRowsQ8x" + itoa(heads) + v.name
	TEXT(name, 0, accumulatePagesSignature)
	Pragma("noescape")
	Doc(accumulatePagesDoc(v, name, heads) + " In fact of 32.")
	scaled := AllocLocal(2 * 4 * heads * rowsPerCall)
	halves := AllocLocal(2 * rowsPerCall)
	count, rest, from := AllocLocal(8), AllocLocal(8), AllocLocal(8) // rows of this pass, behind it, and where it begins
	walk := newPageWalk()
	weights, rowBytes := ptr("weights"), ptr("rowBytes")
	accStride := ptr("d")
	SHLQ(operand.Imm(2), accStride)
	out := newStrided(GP64(), accStride, heads)
	stride3 := GP64()
	LEAQ(indexed(rowBytes, rowBytes, 2, 0), stride3)
	last := K() // the lanes of a last vector that is not whole: what lies behind the weights is nobody's
	// A row of scaled holds the 64 weights of a group and head.
	place := func(base reg.Register, g, h int) operand.Mem { return at(base, 4*rowsPerCall*(g*heads+h)) }
	walk.each(func(page reg.GPVirtual) {
		n := GP64()
		MOVQ(at(page, pageRows), n)
		MOVQ(n, from)
		MOVQ(at(page, pageCount), n)
		MOVQ(n, rest)
		pass, passed := unique("pass"), unique("passed")
		Label(pass)
		MOVQ(rest, n)
		TESTQ(n, n)
		JLE(operand.LabelRef(passed))
		few := unique("few")
		CMPQ(n, operand.Imm(rowsPerCall))
		JLE(operand.LabelRef(few))
		MOVQ(operand.U32(rowsPerCall), n)
		Label(few)
		MOVQ(n, count)
		SUBQ(n, rest)
		lanes := GP64()
		ANDQ(operand.Imm(15), n)
		MOVQ(operand.I32(-1), lanes)
		BZHIQ(n, lanes, lanes)
		KMOVW(lanes.As32(), last)
		rows, d := GP64(), ptr("d")
		MOVQ(from, rows)
		Load(Param("acc"), out.base)
		for _, groups := range []int{2, 1} {
			loop("groups", d, q8Channels*groups, func() {
				k := GP64()
				LEAQ(scaled, k)
				for g := range groups {
					row, i := GP64(), GP64()
					MOVQ(rows, row)
					XORQ(i, i)
					left := GP64()
					MOVQ(count, left)
					for _, unroll := range []int{4, 1} {
						loop("scales", left, unroll, func() {
							for r := range unroll {
								half := GP32()
								m := at(row, q8Bytes*g)
								if r > 0 {
									m.Index, m.Scale = [4]reg.Register{nil, rowBytes, rowBytes, stride3}[r], [4]uint8{0, 1, 2, 1}[r]
								}
								MOVWLZX(m, half)
								h := halves.Idx(i, 2)
								h.Disp += 2 * r
								MOVW(half.As16(), h)
							}
							if unroll == 4 {
								LEAQ(indexed(row, rowBytes, 4, 0), row)
							} else {
								ADDQ(rowBytes, row)
							}
							ADDQ(operand.Imm(uint64(unroll)), i)
						})
					}
					w := GP64()
					MOVQ(weights, w)
					for h := range heads {
						scale := func(load func(m operand.Mem, x reg.VecVirtual)) {
							x, s := v.reg(), v.reg()
							VCVTPH2PS(halves.Idx(i, 2), s)
							load(indexed(w, i, 4, 0), x)
							VMULPS(s, x, x)
							m := place(k, g, h)
							m.Index, m.Scale = i, 4
							VMOVUPS(x, m)
						}
						MOVQ(count, left)
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
							ADDQ(param("weightStride"), w)
						}
					}
				}
				const perGroup = 2
				sums := loadSums(v, out, heads, perGroup*groups)
				row, left := GP64(), GP64()
				MOVQ(rows, row)
				MOVQ(count, left)
				loop("rows", left, 1, func() {
					v.prefetch(at(walk.ahead, 0))
					v.prefetch(at(walk.ahead, q8Bytes*groups-1)) // another line for every sixteenth row
					ADDQ(operand.U32(uint32(q8Bytes*groups)), walk.ahead)
					walk.turn()
					for g := range groups {
						for i := range perGroup {
							codes := v.loadCodes(at(row, q8Bytes*g+2+v.lanes*i))
							for h := range heads {
								VFMADD231PS_BCST(place(k, g, h), codes, sums[h][perGroup*g+i])
							}
						}
					}
					ADDQ(rowBytes, row)
					ADDQ(operand.U32(4), k)
				})
				storeSums(v, out, sums)
				out.advance(v.bytes() * perGroup * groups)
				ADDQ(operand.U32(uint32(q8Bytes*groups)), rows)
			})
		}
		n = GP64()
		MOVQ(count, n)
		LEAQ(indexed(weights, n, 4, 0), weights)
		IMULQ(rowBytes, n)
		ADDQ(n, from)
		JMP(operand.LabelRef(pass))
		Label(passed)
	})
	ret()
}
