package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	keyBlock = 64
	rowBytes = 4 * keyBlock // a row of a tile's scores
)

func attentionFile() {
	for _, v := range []isa{avx2, avx512} {
		packOctet(v)
		scores(v)
		softmaxTile(v)
		valuesTile(v)
		addProbs(v)
		topLogs(v)
	}
}

// step multiplies one broadcast number of each row with two registers of columns.
func (v isa) step(acc []reg.VecVirtual, b [2]operand.Mem, a func(row int) operand.Mem) {
	b0, b1 := v.reg(), v.reg()
	VMOVUPS(b[0], b0)
	VMOVUPS(b[1], b1)
	for r := range v.rows {
		x := v.reg()
		VBROADCASTSS(a(r), x)
		VFMADD231PS(b0, x, acc[2*r])
		VFMADD231PS(b1, x, acc[2*r+1])
	}
}

// packOctet transposes 8 keys into 8 columns of a panel.
func packOctet(v isa) {
	if v.lanes != 8 {
		return // the AVX-512 tile uses the same routine: panels are wider, octets are not
	}
	function("packOctetAVX2", "func(dst, keys *float32, octets, keyStride, dstStride int)",
		"packOctetAVX2 writes channel c of the 8 keys keys[i*keyStride] to dst[c*dstStride:], for 8*octets channels; strides in bytes.")
	dst, src, n := ptr("dst"), ptr("keys"), ptr("octets")
	ks, ds := ptr("keyStride"), ptr("dstStride")
	src4 := GP64()
	LEAQ(indexed(src, ks, 4, 0), src4)
	ks3 := GP64()
	LEAQ(indexed(ks, ks, 2, 0), ks3)
	ds3 := GP64()
	LEAQ(indexed(ds, ds, 2, 0), ds3)
	rowsOf := func(base reg.Register) [4]operand.Mem {
		return [4]operand.Mem{at(base, 0), indexed(base, ks, 1, 0), indexed(base, ks, 2, 0), indexed(base, ks3, 1, 0)}
	}
	loop("octet", n, 1, func() {
		// Rows i and i+4 share a register, so that only in-lane shuffles remain. Two halves of 4 channels.
		for half := range 2 {
			var r [4]reg.VecVirtual
			lo, hi := rowsOf(src), rowsOf(src4)
			for i := range r {
				x := XMM()
				l, h := lo[i], hi[i]
				l.Disp += 16 * half
				h.Disp += 16 * half
				VMOVUPS(l, x)
				r[i] = YMM()
				VINSERTF128(operand.Imm(1), h, x.AsY(), r[i])
			}
			t0, t1, t2, t3 := YMM(), YMM(), YMM(), YMM()
			VUNPCKLPS(r[1], r[0], t0) // a0 b0 a1 b1
			VUNPCKHPS(r[1], r[0], t1) // a2 b2 a3 b3
			VUNPCKLPS(r[3], r[2], t2)
			VUNPCKHPS(r[3], r[2], t3)
			VUNPCKLPD(t2, t0, r[0])
			VUNPCKHPD(t2, t0, r[1])
			VUNPCKLPD(t3, t1, r[2])
			VUNPCKHPD(t3, t1, r[3])
			VMOVUPS(r[0], at(dst, 0))
			VMOVUPS(r[1], indexed(dst, ds, 1, 0))
			VMOVUPS(r[2], indexed(dst, ds, 2, 0))
			VMOVUPS(r[3], indexed(dst, ds3, 1, 0))
			LEAQ(indexed(dst, ds, 4, 0), dst)
		}
		ADDQ(operand.U32(32), src)
		ADDQ(operand.U32(32), src4)
	})
	ret()
}

// scores multiplies the tile's query rows [rows][d] with panels of keys [d][2 registers].
func scores(v isa) {
	function("scores"+v.name, "func(scores, q, keys *float32, d, panels int)",
		"scores"+v.name+" writes the products of "+itoa(v.rows)+" query rows with the keys of the first panels to the rows of scores, each product one chain of multiply-adds over ascending channels.")
	dst, q, b, d, panels := ptr("scores"), ptr("q"), ptr("keys"), ptr("d"), ptr("panels")
	stride := GP64()
	MOVQ(d, stride)
	SHLQ(operand.Imm(2), stride)
	bases := make([]reg.GPVirtual, v.rows/3)
	loop("panel", panels, 1, func() {
		acc := v.regs(2 * v.rows)
		for _, r := range acc {
			v.zero(r)
		}
		for i := range bases {
			bases[i] = GP64()
			if i == 0 {
				MOVQ(q, bases[0])
				continue
			}
			LEAQ(indexed(bases[i-1], stride, 2, 0), bases[i])
			ADDQ(stride, bases[i])
		}
		a := func(k int) func(int) operand.Mem {
			return func(r int) operand.Mem {
				if r%3 == 0 {
					return at(bases[r/3], 4*k)
				}
				return indexed(bases[r/3], stride, uint8(r%3), 4*k)
			}
		}
		n := GP64()
		MOVQ(d, n)
		for _, unroll := range []int{4, 1} {
			loop("channel", n, unroll, func() {
				for k := range unroll {
					v.step(acc, [2]operand.Mem{at(b, 2*k*v.bytes()), at(b, (2*k+1)*v.bytes())}, a(k))
				}
				ADDQ(operand.U32(uint32(2*unroll*v.bytes())), b)
				for _, r := range bases {
					ADDQ(operand.U32(uint32(4*unroll)), r)
				}
			})
		}
		for r := range v.rows {
			VMOVUPS(acc[2*r], at(dst, r*rowBytes))
			VMOVUPS(acc[2*r+1], at(dst, r*rowBytes+v.bytes()))
		}
		ADDQ(operand.U32(uint32(2*v.bytes())), dst)
	})
	ret()
}

// softmaxTile turns scores into weights and keeps the running maxima and sums. It goes through the rows three times, for the
// maxima, the weights and the sums, so that the long chains of one row overlap with those of the next.
func softmaxTile(v isa) {
	function("softmaxTile"+v.name, "func(scores, maxima, sums, shrink *float32, factor float32)",
		"softmaxTile"+v.name+" is the weights' part of attendGeneric for "+itoa(v.rows)+" rows; shrink, of 16 elements, receives the factor of what was summed before.")
	s, maxima, sums, shrink := ptr("scores"), ptr("maxima"), ptr("sums"), ptr("shrink")
	factor := v.param("factor")
	per := keyBlock / v.lanes
	for r := range v.rows {
		m := v.regs(min(2, per/2))
		for k := range per {
			x := at(s, r*rowBytes+k*v.bytes())
			if k < len(m) {
				VMOVUPS(x, m[k])
			} else {
				VMAXPS(x, m[k%len(m)], m[k%len(m)])
			}
		}
		if len(m) == 2 {
			VMAXPS(m[1], m[0], m[0])
		}
		top := v.foldTo128(m[0], VMAXPS)
		foldToLane(top, VMAXPS)
		// new = max(old, top*factor)
		old := XMM()
		VMOVSS(at(maxima, 4*r), old)
		VMULSS(factor.(reg.Vec).AsX(), top, top)
		VMAXSS(top, old, top)
		VMOVSS(top, at(maxima, 4*r))
		VSUBSS(top, old, old)
		VMOVSS(old, at(shrink, 4*r))
	}
	e := newExp2(v)
	w := v.reg()
	VMOVUPS(at(shrink, 0), w)
	e.apply(w) // of all rows, and of whatever lies behind them
	VMOVUPS(w, at(shrink, 0))
	n := GP64()
	MOVQ(operand.U32(uint32(v.rows)), n)
	loop("row", n, 1, func() {
		now := v.reg()
		VBROADCASTSS(at(maxima, 0), now)
		sum := v.reg()
		v.zero(sum)
		for k := range per {
			x := v.reg()
			VMOVUPS(at(s, k*v.bytes()), x)
			VFMSUB213PS(now, factor, x)
			e.apply(x)
			VMOVUPS(x, at(s, k*v.bytes()))
			VADDPS(x, sum, sum)
		}
		total := v.foldTo128(sum, VADDPS)
		foldToLane(total, VADDPS)
		x := XMM()
		VMOVSS(at(shrink, 0), x)
		VFMADD231SS(at(sums, 0), x, total)
		VMOVSS(total, at(sums, 0))
		ADDQ(operand.U32(rowBytes), s)
		for _, p := range []reg.GPVirtual{maxima, sums, shrink} {
			ADDQ(operand.Imm(4), p)
		}
	})
	ret()
}

// valuesTile adds weights times values to the tile's sums.
func valuesTile(v isa) {
	function("valuesTile"+v.name, "func(out, weights, values, shrink *float32, stride, n, dv int)",
		"valuesTile"+v.name+" multiplies out [rows][dv] by shrink [rows] and adds the weights [rows][64] of n keys times their values, one chain of multiply-adds over ascending keys; stride, between values, in bytes; dv a multiple of "+itoa(2*v.lanes)+".")
	out, weights, values, shrink := ptr("out"), ptr("weights"), ptr("values"), ptr("shrink")
	stride, keys, dv := ptr("stride"), ptr("n"), ptr("dv")
	outStride := GP64()
	MOVQ(dv, outStride)
	SHLQ(operand.Imm(2), outStride)
	bases := make([]reg.GPVirtual, v.rows/3)
	for i := range bases {
		bases[i] = GP64()
		if i == 0 {
			MOVQ(out, bases[0])
			continue
		}
		LEAQ(indexed(bases[i-1], outStride, 2, 0), bases[i])
		ADDQ(outStride, bases[i])
	}
	o := func(r, c int) operand.Mem {
		if r%3 == 0 {
			return at(bases[r/3], c*v.bytes())
		}
		return indexed(bases[r/3], outStride, uint8(r%3), c*v.bytes())
	}
	loop("columns", dv, 2*v.lanes, func() {
		acc := v.regs(2 * v.rows)
		for r := range v.rows {
			x := v.reg()
			VBROADCASTSS(at(shrink, 4*r), x)
			VMULPS(o(r, 0), x, acc[2*r])
			VMULPS(o(r, 1), x, acc[2*r+1])
		}
		b, w, n := GP64(), GP64(), GP64()
		MOVQ(values, b)
		MOVQ(weights, w)
		MOVQ(keys, n)
		for _, unroll := range []int{4, 1} {
			loop("key", n, unroll, func() {
				for k := range unroll {
					v.step(acc, [2]operand.Mem{at(b, 0), at(b, v.bytes())}, func(r int) operand.Mem { return at(w, r*rowBytes+4*k) })
					ADDQ(stride, b)
				}
				ADDQ(operand.U32(uint32(4*unroll)), w)
			})
		}
		for r := range v.rows {
			VMOVUPS(acc[2*r], o(r, 0))
			VMOVUPS(acc[2*r+1], o(r, 1))
		}
		for _, r := range bases {
			ADDQ(operand.U32(uint32(2*v.bytes())), r)
		}
		ADDQ(operand.U32(uint32(2*v.bytes())), values)
	})
	ret()
}

// addProbs is addProbsGeneric. Columns run outside and rows inside, so that sums stay in a register.
func addProbs(v isa) {
	function("addProbs"+v.name, "func(sums, scores, lse *float32, rows, step int, factor float32)",
		"addProbs"+v.name+" adds 2^(factor*score-lse) of every step-th row of 64 scores to sums.")
	sums, s, lse := ptr("sums"), ptr("scores"), ptr("lse")
	rows, step := ptr("rows"), ptr("step")
	factor := v.param("factor")
	e := newExp2(v)
	SHLQ(operand.Imm(2), step)
	stride := GP64()
	MOVQ(step, stride)
	SHLQ(operand.Imm(6), stride)
	n := GP64()
	MOVQ(operand.U32(uint32(keyBlock/v.lanes)), n)
	loop("columns", n, 1, func() {
		sum := v.reg()
		VMOVUPS(at(sums, 0), sum)
		from, l, left := GP64(), GP64(), GP64()
		MOVQ(s, from)
		MOVQ(lse, l)
		MOVQ(rows, left)
		loop("rows", left, 1, func() {
			x, y := v.reg(), v.reg()
			VMOVUPS(at(from, 0), x)
			VBROADCASTSS(at(l, 0), y)
			VFMSUB213PS(y, factor, x)
			v.zero(y)
			VMINPS(x, y, x)
			e.apply(x)
			VADDPS(x, sum, sum)
			ADDQ(stride, from)
			ADDQ(step, l)
		})
		VMOVUPS(sum, at(sums, 0))
		ADDQ(operand.U32(uint32(v.bytes())), sums)
		ADDQ(operand.U32(uint32(v.bytes())), s)
	})
	ret()
}

// topLogs is topLogsGeneric. Columns run outside and rows inside, so that maxima stay in two registers, for two rows in turn.
func topLogs(v isa) {
	function("topLogs"+v.name, "func(best, scores, lse *float32, rows int, factor float32)",
		"topLogs"+v.name+" raises best to factor*score-lse of rows of 64 scores.")
	best, s, lse := ptr("best"), ptr("scores"), ptr("lse")
	rows := ptr("rows")
	factor := v.param("factor")
	n := GP64()
	MOVQ(operand.U32(uint32(keyBlock/(2*v.lanes))), n)
	loop("columns", n, 1, func() {
		top := v.regs(2)
		VMOVUPS(at(best, 0), top[0])
		VMOVUPS(at(best, v.bytes()), top[1])
		from, l, left := GP64(), GP64(), GP64()
		MOVQ(s, from)
		MOVQ(lse, l)
		MOVQ(rows, left)
		loop("rows", left, 1, func() {
			y := v.reg()
			VBROADCASTSS(at(l, 0), y)
			for k := range top {
				x := v.reg()
				VMOVUPS(at(from, k*v.bytes()), x)
				VFMSUB213PS(y, factor, x)
				VMAXPS(x, top[k], top[k])
			}
			ADDQ(operand.U32(rowBytes), from)
			ADDQ(operand.Imm(4), l)
		})
		VMOVUPS(top[0], at(best, 0))
		VMOVUPS(top[1], at(best, v.bytes()))
		ADDQ(operand.U32(uint32(2*v.bytes())), best)
		ADDQ(operand.U32(uint32(2*v.bytes())), s)
	})
	ret()
}
