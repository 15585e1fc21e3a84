package quant

import (
	"encoding/binary"
	"math"
)

// The codebook formats store 4-bit indices into sixteen fixed values. Their integer form is the value plus 128.

// nonLinear is the codebook of IQ4_NL and IQ4_XS: dense around zero, as trained weights are.
var nonLinear = plus128([16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113})

// microscale is twice the E2M1 numbers of MXFP4; the factor two is taken out of the block's scale. Minus zero is zero.
var microscale = plus128([16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12})

func plus128(values [16]int8) (codes [16]uint8) {
	for i, v := range values {
		codes[i] = uint8(v) ^ 0x80
	}
	return codes
}

// IQ4_NL: f16 scale d, 16 bytes of indices in the order of Q4_0. A weight is d*value.

func unpackIQ4_NL(codes []uint8, scale, offset []float32, src []byte) {
	for g := range scale {
		b := src[18*g:][:18]
		d := f16At(b)
		scale[g], offset[g] = d, -128*d
		lookHalves(codes[32*g:][:32], b[2:], &nonLinear)
	}
}

// IQ4_XS: f16 d, 16 bits with the upper two bits of eight scales, 4 bytes with their low four, 128 bytes of indices:
// eight groups of 16 bytes in the order of Q4_0. A weight is d*(scale-32)*value.

func unpackIQ4_XS(codes []uint8, scale, offset []float32, src []byte) {
	for k := range len(codes) / 256 {
		b := src[136*k:][:136]
		d, high := f16At(b), binary.LittleEndian.Uint16(b[2:])
		for g := range 8 {
			s := int(b[4+g/2]>>(g%2*4)&15) | int(high>>(2*g)&3)<<4
			v := d * float32(s-32)
			scale[8*k+g], offset[8*k+g] = v, -128*v
			lookHalves(codes[256*k+32*g:][:32], b[8+16*g:][:16], &nonLinear)
		}
	}
}

// MXFP4: one byte e, the exponent of the block's scale 2^(e-127), then 16 bytes of indices in the order of Q4_0.
// e = 255 is NaN in the specification; ggml reads it as 2^128, and so do we.

func unpackMXFP4(codes []uint8, scale, offset []float32, src []byte) {
	for g := range scale {
		b := src[17*g:][:17]
		d := halfOfE8M0(b[0])
		scale[g], offset[g] = d, -128*d
		lookHalves(codes[32*g:][:32], b[1:], &microscale)
	}
}

// halfOfE8M0 returns 2^(e-128): half the scale, since microscale holds doubled values. e = 0 and 1 are subnormal.
func halfOfE8M0(e uint8) float32 {
	if e < 2 {
		return math.Float32frombits(0x00200000 << e)
	}
	return math.Float32frombits(uint32(e-1) << 23)
}

func lookHalves(codes []uint8, b []byte, book *[16]uint8) {
	_, _ = codes[31], b[15]
	for j := range 16 {
		codes[j] = book[b[j]&15]
		codes[j+16] = book[b[j]>>4]
	}
}
