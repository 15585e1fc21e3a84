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
	"elementwise": {elementwise, `
Steps of a layer on rows of f32 (kernel/elementwise.go): sixteen elements at a time, then four, then one in lane 0 of the same registers.

Registers: dst and the sources from v0, v4 and v8 up; v16 to v19 factors; v20 ones; v21 to v31 the constants of e^x. Sums keep their 32
partial sums in v0 to v7.`},
	"attention": {attention, `
Attention tiles (kernel/attention_arm64.go): 8 query rows against a block of 64 keys.

	queries  [8][d]            as they lie, rows d apart
	keys     [8][d][8]         panels: a channel of 8 keys is two registers
	scores   [8][64]           rows 256 bytes apart; products, then weights
	values   [n][stride]       in place, read 8 columns at a time
	out      [8][dv]           dv a multiple of 8

Registers: v0 to v15 sums [row][2], v16 to v23 four numbers of each row, v24 and v25 a channel of the panel or a value. softmaxTile and
addProbs keep the nine constants of 2^x in v23 to v31.`},
	"rows_group": {group, `
Grouped codes of 2 to 4 bits (kernel/rows_group.go, which has the layout): products of up to four folded operands with an octet of lanes.

Registers: v0 to v15 sums [head][4], even and odd slots apart; v16 and v17 words, v18 and v19 upper bits, v20 and v21 pairs of codes; v24 to
v27 four pairs of each operand, v28 one of them repeated, v30 and v31 masks.`},
	"sketch": {sketch, `
Sketched keys times queries (kernel/sketch.go, which has the layout).

Registers: v0 to v15 sums [head][4] of int16, two channels of a token side by side; v16 and v17 words, v18 and v19 pairs of codes, v20 one of the queries' pairs,
v24 to v27 products with the mean, v28 and v29 scales, v30 the mask.`},
	"peak": {peak, `The yardsticks of kernel/peak.go.`},
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
	if !strings.Contains(*name, "_") || *name == "rows_group" {
		stubs = *name + "_asm_arm64.go"
	}
	write(*name, p.layout, *out+*name+"_arm64.s", *out+stubs)
}
