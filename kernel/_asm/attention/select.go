package main

import (
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
)

// selectFile makes the steps of choosing the largest of many numbers.
func selectFile() {
	countAtLeast()
	pickAtLeast()
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
		h, lo := XMM(), XMM()
		VEXTRACTI128(operand.Imm(1), sums[k], h)
		VPADDD(sums[k].AsX(), h, h)
		VPSHUFD(operand.Imm(0x4e), h, lo)
		VPADDD(lo, h, h)
		VPSHUFD(operand.Imm(0xb1), h, lo)
		VPADDD(lo, h, h)
		VMOVD(h, at(counts, 4*k))
	}
	ret()
}

// pickAtLeast packs the indices of a vector to the left by a table of the 256 sets of lanes.
func pickAtLeast() {
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
	function("pickAtLeastAVX2", "func(dst *int32, x *float32, n int, threshold float32, first int32) (count int)",
		"pickAtLeastAVX2 writes the indices, from first on, of those of n numbers, a multiple of 8, that reach a threshold to dst, and eight numbers at most behind them.")
	dst, x, n, begin := ptr("dst"), ptr("x"), ptr("n"), GP64()
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
		c, set, lanes := YMM(), GP64(), YMM()
		VCMPPS(operand.Imm(2), at(x, 0), t, c) // t <= x
		VMOVMSKPS(c, set.As32())
		VPMOVZXBD(indexed(sets, set, 8, 0), lanes)
		VPERMD(index, lanes, lanes)
		VMOVDQU(lanes, at(dst, 0))
		POPCNTQ(set, set)
		LEAQ(indexed(dst, set, 4, 0), dst)
		VPADDD(eight, index, index)
		ADDQ(operand.Imm(32), x)
	})
	SUBQ(begin, dst)
	SHRQ(operand.Imm(2), dst)
	Store(dst, Return("count"))
	ret()
}
