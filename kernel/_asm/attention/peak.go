package main

import (
	. "github.com/mmcloughlin/avo/build"
)

// peakFile makes the yardstick of the benchmarks.
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
}
