package kernel

// halfBlock holds a block of keys and values, the queries of a call and the weights of a tile in bf16, two numbers to a word; see
// _asm/attention/layout/bf16.txt for the layouts, which the AMX tier shares. Rounding leaves 8 of the 24 bits of f32 and products take half the time; scores, sums and
// results stay f32.
type halfBlock struct {
	q       []uint32 // [tiles*tileRows, d/2]
	rows    []uint32 // [64, d/2] keys as they lie
	keys    []uint32 // [2][d/2][32]
	values  []uint32 // [32][d]
	weights []uint32 // [rows of a step, 32]
}

func (h *halfBlock) grow(m, d, rows int) {
	h.q = grow(h.q, m*d/2)
	h.rows, h.keys, h.values = grow(h.rows, keyBlock*d/2), grow(h.keys, keyBlock*d/2), grow(h.values, keyBlock/2*d)
	h.weights = grow(h.weights, rows*keyBlock/2)
}

// tile is the tile of a call of Rows.
func (a *Attention) tile() *attentionTile {
	if t := halfTile(); a.BF16 && t != nil && a.HeadDim%t.columns == 0 {
		return t
	}
	return currentTile()
}
