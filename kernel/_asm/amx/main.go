// Command amx writes the products of whole strips of rows with AMX int8 tiles.
//
//	go run ./amx -out ../gemm_amx_amd64.s -stubs ../gemm_amx_amd64.go -pkg kernel
package main

import (
	"flag"

	. "github.com/mmcloughlin/avo/build"
)

func main() {
	flag.Parse()
	ConstraintExpr("amd64")
	for _, group := range []int{32, 16} {
		for _, affine := range []bool{false, true} {
			product{group: group, affine: affine}.write()
		}
	}
	centre()
	Generate()
}
