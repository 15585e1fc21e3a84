//go:build !amd64

package kernel

// No other tier multiplies bf16 yet.

func halfTile() *attentionTile { return nil }

func (h *halfBlock) loadQueries([]float32) { panic("kernel: attention: no products of bf16 here") }

func (h *halfBlock) load(_, _ []float32, _, _ int) {
	panic("kernel: attention: no products of bf16 here")
}

func (h *halfBlock) loadKeys([]float32, int, int) {
	panic("kernel: attention: no products of bf16 here")
}

func (t *attentionTile) scoresHalf([]float32, *halfBlock, int, int, int, int) {
	panic("kernel: attention: no products of bf16 here")
}

func (t *attentionTile) attendHalf(_, _, _, _ []float32, _ *halfBlock, _, _ int, _ float32) {
	panic("kernel: attention: no products of bf16 here")
}
