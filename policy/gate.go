package policy

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
)

// A Gate is a linear map from what a layer shows of an entry to the logarithm of the score that a second pass would give it: learnt once
// for a model, it stands in for that pass (KVzap, arXiv 2601.07891).
type Gate struct {
	Teacher string      `json:"teacher"` // the score that was learnt
	Floor   float32     `json:"floor"`   // the map gives log(score + floor)
	Inputs  int         `json:"inputs"`  // weights of a head
	Layers  []GateLayer `json:"layers"`  // decided layers, in order
}

// A GateLayer holds one layer's weights.
type GateLayer struct {
	Weights Floats  `json:"weights"` // [KVHeads][Inputs]
	R2      float64 `json:"r2"`      // share of the variance explained on windows that were not learnt
}

// R2 is the share of the variance explained, averaged over the layers.
func (g *Gate) R2() float64 {
	sum := 0.0
	for _, l := range g.Layers {
		sum += l.R2
	}
	return sum / float64(max(1, len(g.Layers)))
}

// LayerShares says what share of its entries each layer keeps when the highest scores of the whole model are kept: measured with a score that
// is known for all layers at once, for use with scores that are not.
type LayerShares struct {
	Kept   []float64   `json:"kept"`   // of the whole model, ascending
	Layers [][]float64 `json:"layers"` // [len(Kept)][decided layers]
}

// At returns the shares of the layers where the whole model keeps the given share: between two that were measured linearly by logarithms.
func (s *LayerShares) At(kept float64) []float64 {
	last := len(s.Kept) - 1
	if kept <= s.Kept[0] {
		return s.Layers[0]
	}
	if kept >= s.Kept[last] {
		return s.Layers[last]
	}
	i := 1
	for s.Kept[i] < kept {
		i++
	}
	t := math.Log(kept/s.Kept[i-1]) / math.Log(s.Kept[i]/s.Kept[i-1])
	out := make([]float64, len(s.Layers[i]))
	for l := range out {
		a, b := math.Max(s.Layers[i-1][l], 1e-6), math.Max(s.Layers[i][l], 1e-6)
		out[l] = math.Exp(math.Log(a) + t*math.Log(b/a))
	}
	return out
}

// Floats are stored as base64 of little-endian f32.
type Floats []float32

// MarshalText implements encoding.TextMarshaler.
func (f Floats) MarshalText() ([]byte, error) {
	raw := make([]byte, 0, 4*len(f))
	for _, v := range f {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return base64.StdEncoding.AppendEncode(nil, raw), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Floats) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil || len(raw)%4 != 0 {
		return fmt.Errorf("policy: %d characters are not base64 of 32-bit numbers", len(text))
	}
	*f = make(Floats, len(raw)/4)
	for i := range *f {
		(*f)[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return nil
}
