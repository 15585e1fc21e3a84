package quant

import "encoding/binary"

// Q5_0: f16 scale d, a 32-bit word whose bit i is the fifth bit of code i, then low halves as in Q4_0.
// A weight is d*(code-16).

func unpackQ5_0(codes []uint8, scale, offset []float32, src []byte) {
	for g := range scale {
		b := src[22*g:][:22]
		d := f16At(b)
		scale[g], offset[g] = d, -16*d
		halves(codes[32*g:][:32], b[6:])
		fifthBits(codes[32*g:][:32], binary.LittleEndian.Uint32(b[2:]))
	}
}

// Q5_1: f16 scale d and f16 offset m before the same codes. A weight is d*code + m.

func unpackQ5_1(codes []uint8, scale, offset []float32, src []byte) {
	for g := range scale {
		b := src[24*g:][:24]
		scale[g], offset[g] = f16At(b), f16At(b[2:])
		halves(codes[32*g:][:32], b[8:])
		fifthBits(codes[32*g:][:32], binary.LittleEndian.Uint32(b[4:]))
	}
}

func fifthBits(codes []uint8, bits uint32) {
	for j := range codes {
		codes[j] |= uint8(bits>>j&1) << 4
	}
}
