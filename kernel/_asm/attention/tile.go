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

// softmaxTile turns scores into weights and keeps the running maxima and sums.
func softmaxTile(v isa) {
	function("softmaxTile"+v.name, "func(scores, maxima, sums, shrink *float32, factor float32)",
		"softmaxTile"+v.name+" is the weights' part of attendGeneric for "+itoa(v.rows)+" rows; shrink receives the factor of what was summed before.")
	s, maxima, sums, shrink := ptr("scores"), ptr("maxima"), ptr("sums"), ptr("shrink")
	factor := v.param("factor")
	e := newExp2(v)
	n := GP64()
	MOVQ(operand.U32(uint32(v.rows)), n)
	per := keyBlock / v.lanes
	loop("row", n, 1, func() {
		m := v.reg()
		VMOVUPS(at(s, 0), m)
		for k := 1; k < per; k++ {
			VMAXPS(at(s, k*v.bytes()), m, m)
		}
		top := v.foldTo128(m, VMAXPS)
		foldToLane(top, VMAXPS)
		// new = max(old, top*factor); shrink = 2^(old-new)
		fx := factor.(reg.Vec).AsX()
		old := XMM()
		VMOVSS(at(maxima, 0), old)
		VMULSS(fx, top, top)
		VMAXSS(top, old, top)
		VMOVSS(top, at(maxima, 0))
		VSUBSS(top, old, old)
		VMOVSS(old, at(shrink, 0)) // spilled: AVX2 has no register left
		now := v.reg()
		VBROADCASTSS(top, now)
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
		w := v.reg()
		wx := w.(reg.Vec).AsX()
		VMOVSS(at(shrink, 0), wx)
		e.apply(w)
		VMOVSS(wx, at(shrink, 0))
		VFMADD231SS(at(sums, 0), wx, total)
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

// addProbs is addProbsGeneric.
func addProbs(v isa) {
	function("addProbs"+v.name, "func(sums, scores *float32, factor, lse float32)",
		"addProbs"+v.name+" adds 2^(factor*score-lse) to sums, 64 of each.")
	sums, s := ptr("sums"), ptr("scores")
	factor, lse := v.param("factor"), v.param("lse")
	e := newExp2(v)
	zero := v.reg()
	v.zero(zero)
	for k := range keyBlock / v.lanes {
		x := v.reg()
		VMOVUPS(at(s, k*v.bytes()), x)
		VFMSUB213PS(lse, factor, x)
		VMINPS(x, zero, x)
		e.apply(x)
		VADDPS(at(sums, k*v.bytes()), x, x)
		VMOVUPS(x, at(sums, k*v.bytes()))
	}
	ret()
}
