package kernel

import "unsafe"

// attentionTile is the shape of a tier's inner tile and the tier itself. Its methods work on tiles of rows query rows
// against a block of 64 keys.
type attentionTile struct {
	tier    Tier
	rows    int // query rows of a tile
	columns int // the width of a value row is rounded up to a multiple of it
}

var genericTile = attentionTile{tier: Generic, rows: 4, columns: 1}

func currentTile() *attentionTile { return &genericTile }

// packKeys brings n <= 64 keys into the layout that scores reads.
func (t *attentionTile) packKeys(dst, keys []float32, n, d int) { packKeysGeneric(dst, keys, n, d) }

// scores writes the products of the tile's rows with the first kn keys of the block, and minus infinity for the rest.
func (t *attentionTile) scores(scores, q, keys []float32, d, kn int) {
	scoresGeneric(scores, q, keys, t.rows, d, kn)
}

// tanh replaces every score by tanh(score*scale).
func (t *attentionTile) tanh(scores []float32, scale float32) { tanhGeneric(scores, scale) }

// attend folds the block into the running softmax and the weighted values of the tile's rows.
func (t *attentionTile) attend(out, scores, maxima, sums, values []float32, stride, kn, dv int, factor float32) {
	attendGeneric(out, scores, maxima, sums, values, t.rows, stride, kn, dv, factor)
}

// addProbs adds 2^(factor*score - lse) to sums, for one row of 64 scores.
func (t *attentionTile) addProbs(sums, scores []float32, factor, lse float32) {
	addProbsGeneric(sums, scores, factor, lse)
}

// alignedFloats returns n floats that start at a cache line.
func alignedFloats(n int) []float32 {
	raw := make([]float32, n+16)
	skip := int(-uintptr(unsafe.Pointer(&raw[0])) & 63 / 4)
	return raw[skip : skip+n : skip+n]
}
