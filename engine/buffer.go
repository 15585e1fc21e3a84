package engine

import "pith/kvcache"

// buffer is scratch outside the Go heap that grows as needed, so that resident memory follows use at once: the collector would keep
// twice as much for a while. The zero buffer is empty.
type buffer struct{ block *kvcache.Block }

// floats returns n values, borrowed until the next call; what they held before is kept only while the buffer need not grow.
func (b *buffer) floats(n int) ([]float32, error) {
	if b.block == nil || len(b.block.Floats()) < n {
		b.free()
		block, err := kvcache.NewBlock(4 * int64(max(n, 1)))
		if err != nil {
			return nil, err
		}
		b.block = block
	}
	return b.block.Floats()[:n], nil
}

func (b *buffer) free() {
	b.block.Free()
	b.block = nil
}
