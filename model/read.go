package model

import (
	"pith/gguf"
	"pith/kernel"
)

// stepMatrices are the matrices that a decode step of one row multiplies: all but embeddings that are only looked up, and of experts as many as a
// row is sent through, the first ones in place of those chosen.
func (m *Model) stepMatrices(bound []boundMatrix) []*kernel.Matrix {
	var list []*kernel.Matrix
	taken := map[*gguf.Tensor]int{}
	for _, b := range bound {
		if m.onlyLookedUp(b) {
			continue
		}
		if len(b.tensor.Dims) > 2 && b.tensor.Dims[2] > 1 {
			if taken[b.tensor]++; taken[b.tensor] > m.config.ExpertsUsed {
				continue
			}
		}
		list = append(list, b.Matrix)
	}
	return list
}

// ReadWeights reads what a decode step reads of the weights and does nothing with it: the time that memory alone takes. It returns the bytes.
func (m *Model) ReadWeights() (bytes int64, err error) {
	err = gguf.Guard(func() error {
		bytes = kernel.ReadMatrices(m.workers, m.step)
		return nil
	})
	return bytes, err
}
