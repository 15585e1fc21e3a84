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
		variants("AVX2", plain, []int{4, 2, 1}, []int{6, 4, 2, 1})
	case "avx512":
		variants("AVX512", wide, []int{8, 4, 2, 1}, []int{12, 8, 4, 2, 1})
	case "vnni":
		variants("VNNI", vnni, []int{8, 4, 2, 1}, nil)
		packedKernels()
	}
	Generate()
}

// level is the instruction set of a kernel: AVX2, AVX-512 with BW, or that with VNNI.
type level int

const (
	plain level = iota
	wide
	vnni
)

func variants(suffix string, l level, integerRows, floatRows []int) {
	for _, f := range formats {
		for _, rows := range integerRows {
			integerKernel(f, suffix, l, rows)
		}
	}
	for _, rows := range floatRows {
		floatKernel(suffix, l, rows)
	}
}
