package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The attention tile of the AMX tier: 32 query rows against a block of 64 keys, in the words of two bf16 that the BF16 tier reads
// (../attention/half.go); they are what a tile product takes. One TDPBF16PS multiplies 16 rows x 16 words with 16 words x 16 columns: it
// adds 32 products to each of 256 sums.

const (
	rowsOfHalf   = 16     // of the 32 rows
	wordsBytes   = 4 * 16 // what a row of a tile register holds
	keyStride    = 4 * 32 // bytes between the words of a panel of 32 keys
	scoreStride  = 4 * 64 // between rows of scores
	weightStride = 4 * 32 // between rows of weights
)

// Four registers of sums, two of rows times two of columns: a load serves two products, and three products lie between two on the same sums.
var (
	sumTiles    = [2][2]tileReg{{0, 1}, {2, 3}} // [half of the rows][half of the columns]
	rowTiles    = [2]tileReg{4, 5}
	columnTiles = [2]tileReg{6, 7}
)

// Registers of both routines. Each half of the rows has pointers of its own.
var (
	rOut, rOutStride = reg.RDI, reg.R8 // what is written: scores, or weighted values
	rRow, rRowStride = reg.RSI, reg.R9 // what is multiplied: queries, or weights
	rOutHalf         = [2]reg.GPPhysical{reg.RAX, reg.R12}
	rRowHalf         = [2]reg.GPPhysical{reg.RBX, reg.R13}
	rColumns         = reg.R11 // keys or values of the present columns
	rColumn          = reg.R15 // their next words
	rColumnWords     = reg.R10 // bytes between their words, or from those of one product to those of the next
	rSteps           = reg.RCX
	rCount           = reg.RDX
)

// attentionFile writes both routines, which share a configuration: eight tiles of sixteen full rows.
func attentionFile() {
	var bytes, rows [8]int
	for i := range rows {
		bytes[i], rows[i] = wordsBytes, rowsOfHalf
	}
	config := configuration("attentionTiles", bytes, rows)
	scores(config)
	values(config)
}

func configure(config Mem) {
	LEAQ(config, rCount)
	ldtilecfg(memory{base: rCount})
}

// halves points to both halves of 32 rows.
func halves(to [2]reg.GPPhysical, start, stride reg.GPPhysical) {
	MOVQ(start, to[0])
	MOVQ(stride, to[1])
	SHLQ(U8(4), to[1])
	ADDQ(start, to[1])
}

// eachSum calls f for the four registers of sums and where they lie.
func eachSum(f func(c tileReg, m memory)) {
	for i, half := range sumTiles {
		for j, c := range half {
			f(c, memory{rOutHalf[i], rOutStride, j * wordsBytes})
		}
	}
}

// multiply adds the products of 16 words of 32 rows with those of 32 columns, whose words lie stride bytes apart, and moves on by next.
func multiply(stride reg.GPPhysical, next Op) {
	for i := range 2 {
		tileloadd(memory{rRowHalf[i], rRowStride, 0}, rowTiles[i])
		tileloadd(memory{rColumn, stride, i * wordsBytes}, columnTiles[i])
	}
	for i, a := range rowTiles {
		for j, b := range columnTiles {
			tdpbf16ps(b, a, sumTiles[i][j])
		}
	}
	for _, p := range rRowHalf {
		ADDQ(U8(wordsBytes), p)
	}
	ADDQ(next, rColumn)
}

// nextTile moves p by 32 rows.
func nextTile(p, stride reg.GPPhysical) {
	MOVQ(stride, rSteps)
	SHLQ(U8(5), rSteps)
	ADDQ(rSteps, p)
}

// countDown runs body n times, at least once.
func countDown(label string, n Op, body func()) {
	Label(label)
	body()
	DECQ(n)
	JNZ(LabelRef(label))
}

func scores(config Mem) {
	TEXT("scoresAMX", NOSPLIT, "func(scores *float32, q, keys *uint32, d, panels, tiles int)")
	Doc("scoresAMX writes the products of tiles of 32 query rows with the keys of the first panels to the rows of scores; d, the channels, is a",
		"multiple of 32, panels and tiles are positive.")
	Pragma("noescape")
	configure(config)
	Load(Param("keys"), rColumns)
	Load(Param("d"), rRowStride)
	SHLQ(U8(1), rRowStride)
	MOVQ(U32(scoreStride), rOutStride)
	MOVQ(U32(keyStride), rColumnWords)
	countDown("panel", address("panels"), func() {
		Load(Param("scores"), rOut)
		ADDQ(U32(2*wordsBytes), address("scores"))
		Load(Param("q"), rRow)
		Load(Param("tiles"), rCount)
		countDown("tile", rCount, func() {
			halves(rOutHalf, rOut, rOutStride)
			halves(rRowHalf, rRow, rRowStride)
			MOVQ(rColumns, rColumn)
			eachSum(func(c tileReg, _ memory) { tilezero(c) })
			Load(Param("d"), rSteps)
			SHRQ(U8(5), rSteps)
			countDown("channels", rSteps, func() { multiply(rColumnWords, U32(rowsOfHalf*keyStride)) })
			eachSum(tilestored)
			nextTile(rRow, rRowStride)
			nextTile(rOut, rOutStride)
		})
		MOVQ(rColumn, rColumns) // panels lie one behind the other
	})
	tilerelease()
	VZEROUPPER()
	RET()
}

func values(config Mem) {
	TEXT("valuesTileAMX", NOSPLIT, "func(out *float32, weights, values *uint32, shrink *float32, panels, dv, tiles int)")
	Doc("valuesTileAMX multiplies the rows of out [32*tiles][dv] by shrink and adds the weights of the first panels of 32 keys times their values; dv is",
		"a multiple of 32, panels and tiles are positive.")
	Pragma("noescape")
	configure(config)
	Load(Param("out"), rOut)
	Load(Param("weights"), rRow)
	Load(Param("dv"), rOutStride)
	SHLQ(U8(2), rOutStride) // of values as well
	MOVQ(rOutStride, rColumnWords)
	SHLQ(U8(4), rColumnWords)
	MOVQ(U32(weightStride), rRowStride)
	VBROADCASTSS(one(), reg.Z0)
	countDown("tile", address("tiles"), func() {
		shrink()
		halves(rOutHalf, rOut, rOutStride)
		Load(Param("values"), rColumns)
		Load(Param("dv"), rCount)
		SHRQ(U8(5), rCount)
		countDown("columns", rCount, func() {
			halves(rRowHalf, rRow, rRowStride)
			MOVQ(rColumns, rColumn)
			eachSum(func(c tileReg, m memory) { tileloadd(m, c) })
			Load(Param("panels"), rSteps)
			countDown("keys", rSteps, func() { multiply(rOutStride, rColumnWords) })
			eachSum(tilestored)
			for _, p := range []reg.GPPhysical{rOutHalf[0], rOutHalf[1], rColumns} {
				ADDQ(U32(2*wordsBytes), p)
			}
		})
		nextTile(rRow, rRowStride)
		nextTile(rOut, rOutStride)
		ADDQ(U32(4*2*rowsOfHalf), address("shrink"))
	})
	tilerelease()
	VZEROUPPER()
	RET()
}

func one() Mem {
	m := GLOBL("attentionOne", RODATA|NOPTR)
	DATA(0, U32(math.Float32bits(1)))
	return m
}

// shrink multiplies the rows of a tile whose factor is not 1: after a row's first blocks its maximum seldom moves.
func shrink() {
	factors, row, at, left := rCount, rSteps, rColumn, rOutHalf[1]
	mask := [2]reg.GPPhysical{rRowHalf[0], rOutHalf[0]}
	Load(Param("shrink"), factors)
	for i, k := range []reg.OpmaskPhysical{reg.K1, reg.K2} {
		const notEqual = 4 // or unordered
		VCMPPS(U8(notEqual), Mem{Base: factors, Disp: 64 * i}, reg.Z0, k)
		KMOVW(k, mask[i].As32())
	}
	SHLL(U8(rowsOfHalf), mask[1].As32())
	ORL(mask[1].As32(), mask[0].As32())
	JZ(LabelRef("shrunk"))
	Label("shrink")
	TZCNTL(mask[0].As32(), row.As32())
	VBROADCASTSS(Mem{Base: factors, Index: row, Scale: 4}, reg.Z1)
	IMULQ(rOutStride, row)
	LEAQ(Mem{Base: rOut, Index: row, Scale: 1}, at)
	Load(Param("dv"), left)
	Label("channels")
	for i := range 2 {
		VMULPS(Mem{Base: at, Disp: 64 * i}, reg.Z1, reg.Z2)
		VMOVUPS(reg.Z2, Mem{Base: at, Disp: 64 * i})
	}
	ADDQ(U32(128), at)
	SUBQ(U32(32), left)
	JNZ(LabelRef("channels"))
	BLSRL(mask[0].As32(), mask[0].As32())
	JNZ(LabelRef("shrink"))
	Label("shrunk")
}
