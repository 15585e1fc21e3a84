// Command pack writes the AVX2 routines that prepare operands of products: rounding activations to 8 bits, taking
// weight blocks apart, turning them into f32, and interleaving sixteen rows into a panel.
//
//	go run ./pack -out ../pack_avx2_amd64.s -stubs ../pack_avx2_amd64.go -pkg kernel
package main

import . "github.com/mmcloughlin/avo/build"

func main() {
	ConstraintExpr("amd64")
	encode()
	transpose()
	unpackQ4("Q4_0", 18)
	unpackQ4("Q4_1", 20)
	unpackQ8_0()
	unpackQ4_K()
	unpackQ6_K()
	unpackQ5("Q5_0", 22)
	unpackQ5("Q5_1", 24)
	unpackQ5_K()
	unpackQ2_K()
	unpackQ3_K()
	unpackIQ4_NL()
	unpackIQ4_XS()
	unpackMXFP4()
	for _, group := range []int{32, 16} {
		dequantise(group, true)
		dequantise(group, false)
	}
	widenF16()
	widenBF16()
	Generate()
}
