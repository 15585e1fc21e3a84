package quant

import "sync"

// run is the number of weights that decode takes apart at once: the longest block.
const run = 256

// scratch holds the integer form of one run. It is pooled because Unpack is called through the table, so that a
// buffer on the stack would be moved to the heap once a call.
type scratch struct {
	codes  [run]uint8
	scale  [run / 16]float32
	offset [run / 16]float32
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// decode is Decode of every format with an integer form.
//
// It computes exactly what ggml does: formats with a zero point multiply the signed code by the scale, the others
// multiply the code and add the offset, each operation rounded to f32. The conversion around the product forbids the
// compiler to fuse it with the addition, which it would otherwise do on arm64.
func (f *Format) decode(dst []float32, src []byte) {
	s := scratches.Get().(*scratch)
	for len(dst) > 0 {
		n := min(run, len(dst))
		groups := n / f.Group
		f.Unpack(s.codes[:n], s.scale[:groups], s.offset[:groups], src)
		for g := range groups {
			codes, out := s.codes[g*f.Group:][:f.Group], dst[g*f.Group:][:f.Group]
			scale, offset := s.scale[g], s.offset[g]
			if f.Zero > 0 {
				zero := int32(f.Zero)
				for i, c := range codes {
					out[i] = float32(int32(c)-zero) * scale
				}
			} else {
				for i, c := range codes {
					out[i] = float32(float32(c)*scale) + offset
				}
			}
		}
		dst, src = dst[n:], src[f.Bytes(n):]
	}
	scratches.Put(s)
}
