// Command neon writes the kernels of arm64: kernel/*_arm64.s and their stubs.
//
//	go run ./neon -part tile -out ../
package main

import (
	"flag"
	"strings"
)

// parts are the files, each with the layout of what its kernels work on.
var parts = map[string]struct {
	run    func()
	layout string
}{
	"pack": {func() { encodeActivations(); transpose16(); unpack(); dequantise(); widen() }, `
Packing (kernel/activations.go, kernel/gemm_pack.go): activations to 8 bits, blocks of weights to codes, scales and offsets, sixteen
rows interleaved. Layouts of blocks are in package quant.`},
	"gemm_neon": {func() { integerStrips("NEON"); floatStrips() }, `
Micro-kernels of matrix products (kernel/gemm.go) without SDOT: R rows of activations times a panel of sixteen rows of weights.

	panel   [k/4][16][4]           codes: four registers are one step of sixteen outputs, four k each
	scales  [group][16]            f32; in formats with offsets [group][scale, offset][16]
	codes   [R][k]                 signed bytes, rows codeStride bytes apart; four of them are repeated
	scale   [R][groups of 32]      f32, rows groupStride bytes apart
	sums    [R][weight groups]     f32 scale*sum, or int32 sum in formats with a zero point
	dst     [R][16]                f32, rows dstStride bytes apart

Registers: v0 to v15 sums of the group [row][4] (f32: results), v16 to v19 the weights of a step, v20 to v23 activations of the
rows, v24 four of them repeated, v25 to v28 products, v31 the sign bits that centre codes of 8 bits.`},
	"gemm_dotprod": {func() { integerStrips("DotProd") }, `
Micro-kernels of matrix products with SDOT; see gemm_neon_arm64.s for layouts and registers.`},
	"tile_neon": {func() { tiles("NEON"); tileCodes("NEON"); sumTerms(); dotRows() }, `
Decode (kernel/tile.go) without SDOT: eight stored rows times one row of 8-bit activations.

	w       8 rows of blocks       as they lie in the file, layouts as in package quant
	codes   [groups+8][32]         signed bytes, the first eight groups again behind the last
	scale   [groups+8]             f32, continued likewise, as are
	sums    [weight groups+8]      f32 scale*sum, or int32 sum in formats with a zero point
	t, u    [8][weight groups]     the terms of the sum, rounded

Registers: v0 to v3 sums of four groups, folded to four dots in v0; v4 to v15 codes; v24 to v27 scales and offsets of the
weights, v29 the zero point, v30 products.`},
	"rows": {rows, `
Rows of the cache (kernel/rows.go): products of up to four heads with n stored rows, and conversions.

	rows     [n]                 rowBytes apart: d f32, f16 or bf16, or groups of f16 scale and 32 signed bytes
	q, acc   [heads][d]          f32
	weights  [heads][n]          f32, heads weightStride bytes apart; dst likewise

Registers: v0 to v15 sums [head][4], v16 to v19 sixteen channels of a row, v20 and v21 as they were stored, v22 the scale of q8,
v23 a weight, v24 to v27 a query.`},
	"tile_dotprod": {func() { tiles("DotProd"); tileCodes("DotProd") }, `
Decode with SDOT; see tile_neon_arm64.s for layouts and registers.`},
}

func main() {
	name := flag.String("part", "", "the file to write")
	out := flag.String("out", "../", "the folder of package kernel")
	flag.Parse()
	p, ok := parts[*name]
	if !ok {
		panic("no part " + *name)
	}
	p.run()
	stubs := *name + "_arm64.go"
	if !strings.Contains(*name, "_") {
		stubs = *name + "_asm_arm64.go"
	}
	write(*name, p.layout, *out+*name+"_arm64.s", *out+stubs)
}
