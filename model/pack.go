package model

import (
	"fmt"
	"math"

	"pith/kernel"
	"pith/kvcache"
)

// pack copies the matrices that the processor multiplies faster packed (see [kernel.Matrix.Pack]) out of the file, whose memory is given back
// behind it: weights are resident once. But pages of a file can be dropped and read again, and a copy cannot: where memory is short,
// matrices for which there is no room stay in the file. The embeddings of single tokens are read from there anyway.
func (m *Model) pack(matrices []boundMatrix, o Options) error {
	if o.Pack < 0 {
		return nil
	}
	var packable []boundMatrix
	for _, w := range matrices {
		if w.Packable() && !m.onlyLookedUp(w) {
			packable = append(packable, w)
		}
	}
	room := o.Pack
	if room == 0 {
		free, known := kernel.FreeMemory()
		room = m.config.packRoom(free, known, o.Cache)
	}
	fit, block, err := blockFor(packable, room, kvcache.NewBlock)
	if o.Pack == PackEverything && err != nil {
		block.Free()
		return fmt.Errorf("model: packed weights: %w", err)
	}
	m.packed, m.unpacked = block, sizeOf(packable)-sizeOf(fit)
	if block == nil {
		return nil
	}
	m.packed.Whole()
	rest := m.packed.Bytes()
	for _, w := range fit {
		n := w.Bytes()
		w.Pack(m.workers, rest[:n:n])
		rest = rest[n:]
		w.tensor.Forget()
	}
	return nil
}

// onlyLookedUp reports whether a matrix is the embeddings alone, which are never multiplied.
func (m *Model) onlyLookedUp(w boundMatrix) bool { return w.Matrix == m.embed && m.embed != m.output }

// blockFor maps memory for as many matrices as fit into room and as the system grants; the error is the system's last refusal.
func blockFor(matrices []boundMatrix, room int64, newBlock func(int64) (*kvcache.Block, error)) (fit []boundMatrix, b *kvcache.Block, err error) {
	for {
		fit = fitting(matrices, room)
		total := sizeOf(fit)
		if total == 0 {
			return nil, nil, err
		}
		var refused error
		if b, refused = newBlock(total); refused == nil {
			return fit, b, err
		}
		room, err = total/2, refused // a limit that cannot be read
	}
}

func sizeOf(matrices []boundMatrix) (sum int64) {
	for _, w := range matrices {
		sum += int64(w.Bytes())
	}
	return sum
}

// fitting returns the matrices that fit into room, taken in turn.
func fitting(matrices []boundMatrix, room int64) (fit []boundMatrix) {
	for _, w := range matrices {
		if n := int64(w.Bytes()); n <= room {
			fit, room = append(fit, w), room-n
		}
	}
	return fit
}

// What packing leaves of the memory that is free: a cache, in f16 of so many tokens where nobody says how large; a prefill's work; and a share for
// the rest of the process and for others, whose needs are not known.
const (
	reserveTokens = 8192
	reserveRows   = 512
	reserveShare  = 16
)

// packRoom is how many bytes packed weights may take where so many are free.
func (c *Config) packRoom(free int64, known bool, cache int64) int64 {
	if !known {
		return math.MaxInt64
	}
	tokens := int64(min(c.Context, reserveTokens))
	kv := int64(c.KVHeads * c.HeadDim)
	if cache == 0 {
		cache = 2 * 2 * int64(c.Layers) * kv * tokens
	}
	work := c.WorkspaceBytes(reserveRows, false) + 4*tokens*(int64(c.Dim)+2*kv)
	return max(0, free-free/reserveShare-cache-work)
}

// PackedBytes is the anonymous memory that packed weights take.
func (m *Model) PackedBytes() int64 {
	if m.packed == nil {
		return 0
	}
	return int64(len(m.packed.Bytes()))
}

// UnpackedBytes is the size of the weights that stay in the mapped file only because memory was short when the model was opened.
func (m *Model) UnpackedBytes() int64 { return m.unpacked }
