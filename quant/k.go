package quant

// The K formats hold 256 weights in groups of 16 or 32. A group's scale, and its offset where there is one, are small
// integers that multiply f16 numbers shared by the whole block.
//
// The order of weights: Q2_K, Q3_K and Q6_K split the block in two halves of 128, Q4_K and Q5_K in four quarters of
// 64. Within such a part the same bytes serve several runs of 32 weights, each run with other bits of them.

// Q2_K: 16 bytes scale | offset<<4, 64 bytes of 2-bit codes, f16 d, f16 dmin. A weight is d*scale*code - dmin*offset.

func unpackQ2_K(codes []uint8, scale, offset []float32, src []byte) {
	for k := range len(codes) / 256 {
		b := src[84*k:][:84]
		d, dmin := f16At(b[80:]), f16At(b[82:])
		for g, s := range b[:16] {
			scale[16*k+g] = d * float32(s&15)
			offset[16*k+g] = -(dmin * float32(s>>4))
		}
		c := codes[256*k:][:256]
		for half := range 2 {
			for j, q := range b[16+32*half:][:32] {
				c[128*half+j] = q & 3
				c[128*half+32+j] = q >> 2 & 3
				c[128*half+64+j] = q >> 4 & 3
				c[128*half+96+j] = q >> 6
			}
		}
	}
}

// Q3_K: 32 bytes of third bits, 64 bytes of 2-bit codes, 12 bytes with sixteen 6-bit scales, f16 d.
// A weight is d*(scale-32)*(code-4).
//
// Bit r of third-bit byte j belongs to weight 32*r+j. Scale g has its low four bits in byte g%8 (low half for g < 8)
// and its upper two in bits 2*(g/4) of byte 8+g%4.

func unpackQ3_K(codes []uint8, scale, offset []float32, src []byte) {
	for k := range len(codes) / 256 {
		b := src[110*k:][:110]
		d, s := f16At(b[108:]), b[96:108]
		for g := range 16 {
			low := s[g%8] >> (g / 8 * 4) & 15
			high := s[8+g%4] >> (g / 4 * 2) & 3
			v := d * float32(int(low|high<<4)-32)
			scale[16*k+g], offset[16*k+g] = v, -4*v
		}
		c, third := codes[256*k:][:256], b[:32]
		for r := range 8 {
			q := b[32+r/4*32:][:32]
			for j, h := range third {
				c[32*r+j] = q[j]>>(r%4*2)&3 | h>>r&1<<2
			}
		}
	}
}

// Q4_K: f16 d, f16 dmin, 12 bytes with eight 6-bit scales and eight 6-bit offsets, 128 bytes of 4-bit codes.
// A weight is d*scale*code - dmin*offset. Byte j of quarter p holds weight 64*p+j below and 64*p+32+j above.

func unpackQ4_K(codes []uint8, scale, offset []float32, src []byte) {
	for k := range len(codes) / 256 {
		b := src[144*k:][:144]
		pairsOf6(scale[8*k:][:8], offset[8*k:][:8], b)
		c := codes[256*k:][:256]
		for p := range 4 {
			for j, q := range b[16+32*p:][:32] {
				c[64*p+j] = q & 15
				c[64*p+32+j] = q >> 4
			}
		}
	}
}

// Q5_K: as Q4_K with 32 bytes of fifth bits before the codes; bit r of byte j belongs to weight 32*r+j.

func unpackQ5_K(codes []uint8, scale, offset []float32, src []byte) {
	for k := range len(codes) / 256 {
		b := src[176*k:][:176]
		pairsOf6(scale[8*k:][:8], offset[8*k:][:8], b)
		c, fifth := codes[256*k:][:256], b[16:48]
		for p := range 4 {
			for j, q := range b[48+32*p:][:32] {
				h := fifth[j] >> (2 * p)
				c[64*p+j] = q&15 | h&1<<4
				c[64*p+32+j] = q>>4 | h>>1&1<<4
			}
		}
	}
}

// pairsOf6 reads the head of a Q4_K or Q5_K block: d, dmin and eight pairs of 6-bit numbers in 12 bytes. Pairs 0 to 3
// lie in the low six bits of bytes g (scale) and g+4 (offset). Pairs 4 to 7 have their low four bits in the two halves
// of byte g+4 and their upper two in what was left over of bytes g-4 and g.
func pairsOf6(scale, offset []float32, b []byte) {
	d, dmin, s := f16At(b), f16At(b[2:]), b[4:16]
	for g := range 4 {
		scale[g] = d * float32(s[g]&63)
		offset[g] = -(dmin * float32(s[g+4]&63))
		scale[g+4] = d * float32(s[g+8]&15|s[g]>>6<<4)
		offset[g+4] = -(dmin * float32(s[g+8]>>4|s[g+4]>>6<<4))
	}
}

// Q6_K: 128 bytes of low halves, 64 bytes of upper bit pairs, 16 signed byte scales, f16 d.
// A weight is d*scale*(code-32). In each half of the block run r (of 32 weights) takes the low or high halves of bytes
// 32*(r%2)+j and bits 2r of upper byte j.

func unpackQ6_K(codes []uint8, scale, offset []float32, src []byte) {
	for k := range len(codes) / 256 {
		b := src[210*k:][:210]
		d := f16At(b[208:])
		for g, s := range b[192:208] {
			v := d * float32(int8(s))
			scale[16*k+g], offset[16*k+g] = v, -32*v
		}
		for half := range 2 {
			c := codes[256*k+128*half:][:128]
			low, high := b[64*half:][:64], b[128+32*half:][:32]
			for j, h := range high {
				c[j] = low[j]&15 | h&3<<4
				c[32+j] = low[32+j]&15 | h>>2&3<<4
				c[64+j] = low[j]>>4 | h>>4&3<<4
				c[96+j] = low[32+j]>>4 | h>>6<<4
			}
		}
	}
}
