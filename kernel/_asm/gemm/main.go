// Command gemm writes the micro-kernels of matrix products: a few rows of activations times sixteen rows of weights.
//
//	go run ./gemm -isa avx2 -out ../gemm_avx2_amd64.s -stubs ../gemm_avx2_amd64.go -pkg kernel
package main

import (
	"flag"

	. "github.com/mmcloughlin/avo/build"
)

var isa = flag.String("isa", "avx2", "avx2, avx512 or vnni")

func main() {
	flag.Parse()
	ConstraintExpr("amd64")
	switch *isa {
	case "avx2":
		for _, f := range formats {
			for _, rows := range []int{4, 2, 1} {
				integerKernel(f, "AVX2", false, rows)
			}
		}
		for _, rows := range []int{6, 4, 2, 1} {
			floatKernel("AVX2", false, rows)
		}
	}
	Generate()
}
