package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
)

// peakFile makes the yardsticks of the benchmarks.
func peakFile() {
	for _, v := range []isa{avx2, avx512} {
		function("fmaLoop"+v.name, "func(n int)", "fmaLoop"+v.name+" runs n times 12 independent multiply-adds of "+itoa(v.lanes)+" lanes, in registers alone.")
		n := ptr("n")
		acc := v.regs(12)
		for _, r := range acc {
			v.zero(r)
		}
		x := v.reg()
		v.zero(x)
		loop("fma", n, 1, func() {
			for _, r := range acc {
				VFMADD231PS(x, x, r)
			}
		})
		ret()
	}
	readLoop()
}

func readLoop() {
	function("readLoopAVX2", "func(p *byte, lines int)", "readLoopAVX2 reads cache lines, four in flight at a time; lines is a multiple of 4.")
	p, n := ptr("p"), ptr("lines")
	sums := avx2.regs(4)
	for _, r := range sums {
		avx2.zero(r)
	}
	loop("lines", n, 4, func() {
		for i := range 8 {
			VPADDD(at(p, 32*i), sums[i%4], sums[i%4])
		}
		ADDQ(operand.U32(256), p)
	})
	ret()
}
