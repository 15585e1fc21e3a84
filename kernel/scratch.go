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
	codes         []uint8   // rows as unpacked: [16][columns], portable code [columns]
	scale, offset []float32 // [16][groups], portable code [groups]
	row           []float32 // rows as dequantised
	plain         plainRow
	tail          [8]float32 // weights after the last whole register

	panel    [panelsAtOnce][]uint8   // [columns/4][16][4]
	scales   [panelsAtOnce][]float32 // [groups][16] or [groups][2][16]
	panelF32 []float32               // [columns][16]
	tile     []float32               // [rows][16], the result of a ragged panel
	spill    []float32               // see amxStrips

	terms, offsets []float32 // [8][weight groups], see integerTiles
	_              [64]byte
}

// NewScratch returns an empty Scratch.
func NewScratch() *Scratch { return new(Scratch) }

// threads makes room for n threads.
func (s *Scratch) threads(n int) {
	for len(s.buffers) < n {
		s.buffers = append(s.buffers, buffer{})
	}
}
