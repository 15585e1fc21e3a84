package kernel

// Scratch holds the buffers that products reuse. It grows to the largest call seen; after that a call allocates
// nothing. Concurrent calls must not share one.
type Scratch struct {
	act     activations
	buffers []buffer // one a thread
	encode  encodeTask
	product productTask
}

// buffer is one thread's room for unpacked weights.
type buffer struct {
	codes  []uint8
	scale  []float32
	offset []float32
	row    []float32
	_      [32]byte
}

// NewScratch returns an empty Scratch.
func NewScratch() *Scratch { return new(Scratch) }

// threads makes room for n threads.
func (s *Scratch) threads(n int) {
	for len(s.buffers) < n {
		s.buffers = append(s.buffers, buffer{})
	}
}
