package quant

import (
	"encoding/binary"
	"math"
)

// F16ToF32 widens an IEEE 754 binary16 exactly. Like the hardware's conversion it makes signalling NaNs quiet, so
// that portable and vector code agree on every one of the 65536 values.
func F16ToF32(h uint16) float32 {
	m := uint32(h) & 0x7fff
	// Shifted to f32's field positions the exponent is too small by 127-15; the product corrects it, and is exact
	// for subnormals too because their f32 images are subnormals with the same bits.
	b := math.Float32bits(math.Float32frombits(m<<13) * 0x1p112)
	if m >= 0x7c00 {
		b = m<<13 | 0x7f800000
		if m > 0x7c00 {
			b |= 0x00400000
		}
	}
	return math.Float32frombits(b | uint32(h&0x8000)<<16)
}

// F32ToF16 rounds to the nearest binary16, ties to even. From 65520 on the result is infinite; a NaN keeps its sign
// and the upper bits of its payload.
func F32ToF16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00 | uint16(b>>13)&0x1ff
	case b >= 0x47800000: // 65536
		return sign | 0x7c00
	case b < 0x38800000: // below 2^-14: subnormal
		// One unit in the last place of 0.5 is 2^-24, the spacing of f16's subnormals: the addition rounds.
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3f000000)
	}
	b += 0x0fff + b>>13&1
	return sign | uint16((b-(127-15)<<23)>>13)
}

// BF16ToF32 widens a bfloat16 exactly; every bit pattern, NaNs included, keeps its bits.
func BF16ToF32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// F32ToBF16 rounds to the nearest bfloat16, ties to even; NaNs become quiet and keep the upper bits of their payload.
func F32ToBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// f16At reads the half precision number at the start of b.
func f16At(b []byte) float32 { return F16ToF32(binary.LittleEndian.Uint16(b)) }

func decodeF32(dst []float32, src []byte) {
	src = src[:4*len(dst)]
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func encodeF32(dst []byte, src []float32) {
	dst = dst[:4*len(src)]
	for i, v := range src {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
	}
}

func decodeF16(dst []float32, src []byte) {
	src = src[:2*len(dst)]
	for i := range dst {
		dst[i] = F16ToF32(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

func encodeF16(dst []byte, src []float32) {
	dst = dst[:2*len(src)]
	for i, v := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], F32ToF16(v))
	}
}

func decodeBF16(dst []float32, src []byte) {
	src = src[:2*len(dst)]
	for i := range dst {
		dst[i] = BF16ToF32(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

func encodeBF16(dst []byte, src []float32) {
	dst = dst[:2*len(src)]
	for i, v := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], F32ToBF16(v))
	}
}
