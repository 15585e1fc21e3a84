package quant

import "encoding/binary"

// Q4_0: 32 weights, one f16 scale d, then 16 bytes: byte j holds code j in its low and code j+16 in its high half.
// A weight is d*(code-8).

func unpackQ4_0(codes []uint8, scale, offset []float32, src []byte) {
	for g := range scale {
		b := src[18*g:][:18]
		d := f16At(b)
		scale[g], offset[g] = d, -8*d
		halves(codes[32*g:][:32], b[2:])
	}
}

func encodeQ4_0(dst []byte, src []float32) {
	for g := range len(src) / 32 {
		x, b := src[32*g:][:32], dst[18*g:][:18]
		d := F32ToF16(fitSymmetric(x, 8, 7))
		binary.LittleEndian.PutUint16(b, d)
		var codes [32]uint8
		quantise(codes[:], x, F16ToF32(d), 0, 8, 15)
		joinHalves(b[2:], &codes)
	}
}

// Q4_1: 32 weights, f16 scale d and f16 offset m, codes as in Q4_0. A weight is d*code + m.

func unpackQ4_1(codes []uint8, scale, offset []float32, src []byte) {
	for g := range scale {
		b := src[20*g:][:20]
		scale[g], offset[g] = f16At(b), f16At(b[2:])
		halves(codes[32*g:][:32], b[4:])
	}
}

func encodeQ4_1(dst []byte, src []float32) {
	for g := range len(src) / 32 {
		x, b := src[32*g:][:32], dst[20*g:][:20]
		s, o := fitAffine(x, 15, false)
		d, m := F32ToF16(s), F32ToF16(o)
		binary.LittleEndian.PutUint16(b, d)
		binary.LittleEndian.PutUint16(b[2:], m)
		var codes [32]uint8
		quantise(codes[:], x, F16ToF32(d), F16ToF32(m), 0, 15)
		joinHalves(b[4:], &codes)
	}
}

// halves spreads 16 bytes to 32 codes, the low halves first.
func halves(codes []uint8, b []byte) {
	_, _ = codes[31], b[15]
	for j := range 16 {
		codes[j] = b[j] & 15
		codes[j+16] = b[j] >> 4
	}
}

// joinHalves is the inverse of halves.
func joinHalves(b []byte, codes *[32]uint8) {
	_ = b[15]
	for j := range 16 {
		b[j] = codes[j] | codes[j+16]<<4
	}
}
