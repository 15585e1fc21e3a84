package kernel

import "unsafe"

// attentionTile is the shape of a tier's inner tile, rows query rows against a block of 64 keys. Its methods are the steps
// of attention on one tile:
//
//	packKeys  brings n <= 64 keys into the layout that scores reads
//	scores    products of the rows with at least the first kn keys of the block; what lies behind them is undefined
//	tanh      replaces every score by tanh(score*scale)
//	attend    folds the block into the rows' running softmax and weighted values
//	topLogs   raises 64 maxima to factor*score-lse of the rows
//	addProbs  adds 2^(factor*score-lse) to 64 sums, for rows of the tile that are step apart, in ascending order
type attentionTile struct {
	tier    Tier
	rows    int // query rows of a tile
	tiles   int // tiles that a step takes at once; 0: one
	columns int // the width of a value row is rounded up to a multiple of it
	panel   int // keys of a panel of the packed layout [64/panel][d][panel]
}

// step returns the most rows that the steps take at once.
func (t *attentionTile) step() int { return t.rows * max(t.tiles, 1) }

// half reports whether the tile multiplies bf16.
func (t *attentionTile) half() bool { return t.tier == BF16 || t.tier == AMX }

var genericTile = attentionTile{tier: Generic, rows: 4, columns: 1}

// alignedFloats returns n floats that start at a cache line.
func alignedFloats(n int) []float32 {
	raw := make([]float32, n+16)
	skip := int(-uintptr(unsafe.Pointer(&raw[0]))&63) / 4
	return raw[skip : skip+n : skip+n]
}
