package main

import (
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// selectFile makes the steps of choosing the largest of many numbers.
func selectFile() {
	countAtLeast()
	packAtLeast()
}

// countAtLeast compares every vector with four thresholds; a comparison is -1 where it holds.
func countAtLeast() {
	function("countAtLeastAVX2", "func(counts *int32, x *float32, n int, thresholds *float32)",
		"countAtLeastAVX2 writes how many of n numbers, a multiple of 8, reach each of four thresholds.")
	x, n, t := ptr("x"), ptr("n"), ptr("thresholds")
	least, sums := avx2.regs(4), avx2.regs(4)
	for k := range least {
		VBROADCASTSS(at(t, 4*k), least[k])
		VPXOR(sums[k], sums[k], sums[k])
	}
	loop("vectors", n, 8, func() {
		v := YMM()
		VMOVUPS(at(x, 0), v)
		for k := range least {
			c := YMM()
			VCMPPS(operand.Imm(2), v, least[k], c) // least <= v
			VPSUBD(c, sums[k], sums[k])
		}
		ADDQ(operand.Imm(32), x)
	})
	counts := ptr("counts")
	for k := range sums {
		sum := avx2.foldTo128(sums[k], VPADDD)
		foldToLane(sum, VPADDD)
		VMOVD(sum, at(counts, 4*k))
	}
	ret()
}

// packAtLeast makes pickAtLeast and keepAtLeast. Lanes of a vector are packed to the left by a table of the 256 sets of lanes.
func packAtLeast() {
	table := GLOBL("lanesOf", RODATA|NOPTR)
	for set := range 256 {
		var lanes uint64
		k := 0
		for rest := set; rest > 0; rest &= rest - 1 {
			lanes |= uint64(bits.TrailingZeros(uint(rest))) << (8 * k)
			k++
		}
		DATA(8*set, operand.U64(lanes))
	}
	iota := GLOBL("iota8", RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, operand.U32(uint32(i)))
	}
	// which gives the order that packs those of a vector that reach the threshold, and their number.
	which := func(v, threshold reg.VecVirtual, sets reg.GPVirtual) (lanes reg.VecVirtual, count reg.GPVirtual) {
		c, set := YMM(), GP64()
		lanes = YMM()
		VCMPPS(operand.Imm(2), v, threshold, c) // threshold <= v
		VMOVMSKPS(c, set.As32())
		VPMOVZXBD(indexed(sets, set, 8, 0), lanes)
		POPCNTQ(set, set)
		return lanes, set
	}
	end := func(dst, begin reg.GPVirtual) {
		SUBQ(begin, dst)
		SHRQ(operand.Imm(2), dst)
		Store(dst, Return("count"))
		ret()
	}

	function("pickAtLeastAVX2", "func(dst *int32, values, x *float32, n int, threshold float32, first int32) (count int)",
		"pickAtLeastAVX2 writes the indices, from first on, of those of n numbers, a multiple of 8, that reach a threshold to dst, and the numbers to values, and eight elements at most behind them.")
	dst, values, x, n, begin := ptr("dst"), ptr("values"), ptr("x"), ptr("n"), GP64()
	MOVQ(dst, begin)
	t := avx2.param("threshold")
	first, index, eight := XMM(), YMM(), YMM()
	f := GP32()
	Load(Param("first"), f)
	VMOVD(f, first)
	VPBROADCASTD(first, index)
	VPADDD(iota, index, index)
	VPBROADCASTD(constant("eight", 8), eight)
	sets := GP64()
	LEAQ(table, sets)
	loop("vectors", n, 8, func() {
		v, packed := YMM(), YMM()
		VMOVUPS(at(x, 0), v)
		lanes, count := which(v, t, sets)
		VPERMD(index, lanes, packed)
		VMOVDQU(packed, at(dst, 0))
		VPERMPS(v, lanes, v)
		VMOVUPS(v, at(values, 0))
		LEAQ(indexed(dst, count, 4, 0), dst)
		LEAQ(indexed(values, count, 4, 0), values)
		VPADDD(eight, index, index)
		ADDQ(operand.Imm(32), x)
	})
	end(dst, begin)

	function("keepAtLeastAVX2", "func(dst, indices *int32, x *float32, n int, threshold float32) (count int)",
		"keepAtLeastAVX2 writes those of n indices, a multiple of 8, whose number reaches a threshold to dst, which may be where the indices are, or before.")
	dst, x, n, begin = ptr("dst"), ptr("x"), ptr("n"), GP64()
	indices := ptr("indices")
	MOVQ(dst, begin)
	t = avx2.param("threshold")
	sets = GP64()
	LEAQ(table, sets)
	loop("vectors", n, 8, func() {
		v := YMM()
		VMOVUPS(at(x, 0), v)
		lanes, count := which(v, t, sets)
		VPERMD(at(indices, 0), lanes, lanes) // read before any of it is written
		VMOVDQU(lanes, at(dst, 0))
		LEAQ(indexed(dst, count, 4, 0), dst)
		ADDQ(operand.Imm(32), indices)
		ADDQ(operand.Imm(32), x)
	})
	end(dst, begin)
}
