package quant

import "encoding/binary"

// Q8_0: f16 scale d, then 32 signed bytes. A weight is d*q; the unsigned code is q+128.

func unpackQ8_0(codes []uint8, scale, offset []float32, src []byte) {
	for g := range scale {
		b := src[34*g:][:34]
		d := f16At(b)
		scale[g], offset[g] = d, -128*d
		c := codes[32*g:][:32]
		for j, q := range b[2:] {
			c[j] = q ^ 0x80 // adds 128 to a signed byte
		}
	}
}

func encodeQ8_0(dst []byte, src []float32) {
	for g := range len(src) / 32 {
		x, b := src[32*g:][:32], dst[34*g:][:34]
		// With 255 levels a search for a better scale than the largest magnitude over 127 gains nothing measurable.
		var top float32
		for _, v := range x {
			top = max(top, v, -v)
		}
		d := F32ToF16(top / 127)
		binary.LittleEndian.PutUint16(b, d)
		quantise(b[2:], x, F16ToF32(d), 0, 128, 255)
		for j := range b[2:] {
			b[2+j] ^= 0x80
		}
	}
}
