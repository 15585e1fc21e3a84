// Command amx writes the routines that use AMX tiles: products of whole strips of rows in int8, and attention in bf16.
//
//	go run ./amx -part gemm -out ../gemm_amx_amd64.s -stubs ../gemm_amx_amd64.go -pkg kernel
package main

import (
	"flag"
	"log"

	. "github.com/mmcloughlin/avo/build"
)

var part = flag.String("part", "", "which file to make: gemm or attention")

func main() {
	flag.Parse()
	ConstraintExpr("amd64")
	switch *part {
	case "gemm":
		for _, group := range []int{32, 16} {
			for _, affine := range []bool{false, true} {
				product{group: group, affine: affine}.write()
			}
		}
		centre()
	case "attention":
		attentionFile()
	default:
		log.Fatalf("unknown part %q", *part)
	}
	Generate()
}
