// Command attention generates the amd64 assembly of elementwise steps, attention and cache rows.
//
//	go run ./attention -part attention -out ../attention_amd64.s -stubs ../attention_stub_amd64.go -pkg kernel
//
// One part makes one file; generate.sh runs them all.
package main

import (
	"flag"
	"log"

	"github.com/mmcloughlin/avo/build"
)

var part = flag.String("part", "", "which file to make")

var parts = map[string]func(){
	"attention":   attentionFile,
	"bf16":        halfFile,
	"convert":     convertFile,
	"elementwise": elementwiseFile,
	"group":       groupFile,
	"group512":    group512File,
	"peak":        peakFile,
	"rows":        func() { rowsFile(avx2) },
	"rows512":     func() { rowsFile(avx512) },
	"select":      selectFile,
	"sketch":      sketchFile,
}

func main() {
	flag.Parse()
	make, ok := parts[*part]
	if !ok {
		log.Fatalf("unknown part %q", *part)
	}
	build.ConstraintExpr("amd64")
	make()
	build.Generate()
}
