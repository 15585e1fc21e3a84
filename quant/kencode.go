package quant

import "encoding/binary"

// encodeQ4_K fits every group on its own, rounds the eight scales and offsets to 6 bits of the largest of them, and
// rounds the weights by what was actually stored.
func encodeQ4_K(dst []byte, src []float32) {
	for k := range len(src) / 256 {
		x, b := src[256*k:][:256], dst[144*k:][:144]
		var scale, low [8]float32 // low is minus the offset, never negative
		var topScale, topLow float32
		for g := range 8 {
			s, o := fitAffine(x[32*g:][:32], 15, true)
			scale[g], low[g] = s, -o
			topScale, topLow = max(topScale, s), max(topLow, -o)
		}
		d, dmin := F32ToF16(topScale/63), F32ToF16(topLow/63)
		binary.LittleEndian.PutUint16(b, d)
		binary.LittleEndian.PutUint16(b[2:], dmin)
		var s6, m6 [8]uint8
		quantise(s6[:], scale[:], F16ToF32(d), 0, 0, 63)
		quantise(m6[:], low[:], F16ToF32(dmin), 0, 0, 63)
		for g := range 4 {
			b[4+g] = s6[g] | s6[g+4]>>4<<6
			b[8+g] = m6[g] | m6[g+4]>>4<<6
			b[12+g] = s6[g+4]&15 | m6[g+4]<<4
		}
		var codes [256]uint8
		for g := range 8 {
			quantise(codes[32*g:][:32], x[32*g:][:32], F16ToF32(d)*float32(s6[g]), -float32(F16ToF32(dmin)*float32(m6[g])), 0, 15)
		}
		for p := range 4 {
			for j := range 32 {
				b[16+32*p+j] = codes[64*p+j] | codes[64*p+32+j]<<4
			}
		}
	}
}

// encodeQ6_K does the same with sixteen signed scales.
func encodeQ6_K(dst []byte, src []float32) {
	for k := range len(src) / 256 {
		x, b := src[256*k:][:256], dst[210*k:][:210]
		var scale [16]float32
		var top float32
		for g := range 16 {
			s := fitSymmetric(x[16*g:][:16], 32, 31)
			scale[g] = s
			top = max(top, s, -s)
		}
		d := F32ToF16(top / 127)
		binary.LittleEndian.PutUint16(b[208:], d)
		var s8 [16]uint8
		quantise(s8[:], scale[:], F16ToF32(d), 0, 128, 255)
		var codes [256]uint8
		for g := range 16 {
			s := int8(s8[g] ^ 0x80)
			b[192+g] = uint8(s)
			quantise(codes[16*g:][:16], x[16*g:][:16], F16ToF32(d)*float32(s), 0, 32, 63)
		}
		for half := range 2 {
			c := codes[128*half:][:128]
			for j := range 32 {
				b[64*half+j] = c[j]&15 | c[64+j]<<4
				b[64*half+32+j] = c[32+j]&15 | c[96+j]<<4
				b[128+32*half+j] = c[j]>>4 | c[32+j]>>4<<2 | c[64+j]>>4<<4 | c[96+j]>>4<<6
			}
		}
	}
}
