package kernel

import (
	"encoding/binary"
	"math"
	"unsafe"

	"pith/quant"
)

// Sketches of keys in 2 bits a channel. SketchTokens keys make a block, and what is left of each beside their mean m is turned so that its channels are alike, however
// much some of them stand out (QuaRot, arXiv 2404.00456, section 4; H is a Hadamard matrix over sqrt(n), its own inverse), and rounded to four levels of its own
// root mean square:
//
//	k̂_t = m + s_t H (code_t - 1.5)        code_t = ⌊H(k_t - m)/s_t⌋ + 2, from 0 to 3
//	q·k̂_t = q·m + s_t (Hq)·(code_t - 1.5)
//
// Levels a root mean square apart are the best ones for normal numbers (Max 1960). Hq is rounded to 8 bits, so that the last product is one of integers;
// what that loses is small beside the codes' own rounding. All tiers give the same bits.
//
// P is d rounded up to 8. The matrix has the largest power of two that divides d as its rows and is repeated along the channels.
//
//	block: mean f16 [P], scales f16 [SketchTokens], codes
//	codes: for every 16 tokens, for every 8 channels, 32 bytes: byte 2t+e holds channels e, 2+e, 4+e and 6+e of token t, the first in the lowest bits

// SketchTokens is the number of keys of a block.
const SketchTokens = 64

const sketchTile = 16 // tokens whose codes lie together

// SketchBytes returns the bytes of a block of keys of d channels.
func SketchBytes(d int) int {
	p := roundUp(d, 8)
	return 2*p + 2*SketchTokens + SketchTokens*p/4
}

// EncodeSketch writes SketchTokens keys of d channels as a block. The keys are used up.
func EncodeSketch(dst []byte, keys []float32, d int) {
	p := roundUp(d, 8)
	dst = dst[:SketchBytes(d)]
	scales, codes := dst[2*p:], dst[2*p+2*SketchTokens:]
	clear(dst)
	var mean [maxSlots]float32
	m := mean[:d]
	for t := range SketchTokens {
		Add(m, keys[t*d:(t+1)*d])
	}
	Scale(m, 1.0/SketchTokens)
	for c := range m {
		h, _ := halfBits(m[c])
		binary.LittleEndian.PutUint16(dst[2*c:], h)
		m[c] = -quant.F16ToF32(h) // what is taken off is what is stored
	}
	for t := range SketchTokens {
		x := keys[t*d : (t+1)*d]
		Add(x, m)
		hadamard(x)
		h, _ := halfBits(float32(math.Sqrt(float64(SumSquares(x)) / float64(d))))
		binary.LittleEndian.PutUint16(scales[2*t:], h)
		inverse := 1 / quant.F16ToF32(h)
		tile := codes[t/sketchTile*sketchTile*p/4+t%sketchTile*2:]
		for c := 0; c < d; c += 8 {
			var code [8]byte
			for i, v := range x[c:min(c+8, d)] {
				code[i] = byte(max(0, min(3, int32(v*inverse+2)))) // 0 for NaN; without branches, which are hard to guess here
			}
			tile[c*4] = code[0] | code[2]<<2 | code[4]<<4 | code[6]<<6
			tile[c*4+1] = code[1] | code[3]<<2 | code[5]<<4 | code[7]<<6
		}
	}
}

// DecodeSketch writes the keys that a block stands for to dst [SketchTokens, d].
func DecodeSketch(dst []float32, block []byte, d int) {
	p := roundUp(d, 8)
	for t := range SketchTokens {
		x := dst[t*d : (t+1)*d]
		s := loadHalf(block[2*p+2*t:])
		for c := range x {
			x[c] = s * (float32(sketchedCode(block[2*p+2*SketchTokens:], t, c, p)) - 1.5)
		}
		hadamard(x)
		for c := range x {
			x[c] += loadHalf(block[2*c:])
		}
	}
}

func sketchedCode(codes []byte, t, c, p int) byte {
	return codes[t/sketchTile*sketchTile*p/4+c/8*32+t%sketchTile*2+c%2] >> (c % 8 / 2 * 2) & 3
}

// hadamard turns x in place: by its own inverse.
func hadamard(x []float32) {
	n := len(x) & -len(x)
	for ; len(x) > 0; x = x[n:] {
		half := 1
		if n >= 8 { // three steps without memory between them
			for i := 0; i < n; i += 8 {
				y := (*[8]float32)(x[i:])
				a0, a1, a2, a3 := y[0]+y[1], y[0]-y[1], y[2]+y[3], y[2]-y[3]
				a4, a5, a6, a7 := y[4]+y[5], y[4]-y[5], y[6]+y[7], y[6]-y[7]
				b0, b1, b2, b3 := a0+a2, a1+a3, a0-a2, a1-a3
				b4, b5, b6, b7 := a4+a6, a5+a7, a4-a6, a5-a7
				*y = [8]float32{b0 + b4, b1 + b5, b2 + b6, b3 + b7, b0 - b4, b1 - b5, b2 - b6, b3 - b7}
			}
			half = 8
		}
		for ; half < n; half *= 2 {
			for i := 0; i < n; i += 2 * half {
				a, b := x[i:i+half], x[i+half:][:half]
				for j, u := range a {
					v := b[j]
					a[j], b[j] = u+v, u-v
				}
			}
		}
		Scale(x[:n], float32(1/math.Sqrt(float64(n))))
	}
}

// SketchQueries are queries prepared for products with sketched keys. The zero value is ready for Set, which allocates only to grow.
type SketchQueries struct {
	g, d, p     int
	q           []float32 // [g, P]
	codes       []uint64  // [g, P/2, 4] of Hq, 8 bits each: those of two channels, the first in the lowest bits, sixteen times
	unit, shift []float32 // [g]: Hq·(code-1.5) = unit*(codes·code + shift)
}

// pairWords hold the codes of two channels as often as a vector has room for them.
const pairWords = 4

// Set takes g queries q [g, d], times scale.
func (s *SketchQueries) Set(q []float32, g, d int, scale float32) {
	p := roundUp(d, 8)
	s.g, s.d, s.p = g, d, p
	s.q, s.codes, s.unit, s.shift = grow(s.q, g*p), grow(s.codes, g*p/2*pairWords), grow(s.unit, g), grow(s.shift, g)
	// A sum of P products with codes up to 3 fits 16 bits.
	limit := float32(min(127, math.MaxInt16/(3*p)))
	var turned [maxSlots]float32
	for h := range g {
		row := s.q[h*p : (h+1)*p]
		clear(row[copy(row, q[h*d:(h+1)*d]):])
		Scale(row, scale)
		x := turned[:p]
		copy(x, row)
		hadamard(x[:d])
		var top float32
		for _, v := range x {
			top = max(top, float32(math.Abs(float64(v))))
		}
		top = max(top, foldLowest)
		sum := 0
		for c := 0; c < p; c += 2 {
			u, v := int8(roundEven(x[c]*(limit/top))), int8(roundEven(x[c+1]*(limit/top)))
			sum += int(u) + int(v)
			pairs := (uint64(uint8(u)) | uint64(uint8(v))<<8) * 0x0001000100010001
			at := (h*p + c) / 2 * pairWords
			*(*[pairWords]uint64)(s.codes[at:]) = [pairWords]uint64{pairs, pairs, pairs, pairs}
		}
		s.unit[h], s.shift[h] = top/limit, -1.5*float32(sum)
	}
}

// Dot writes the products with the keys of the first count blocks to dst[h*stride+i], and asks meanwhile for the block behind them, if there is one.
func (s *SketchQueries) Dot(dst []float32, stride int, blocks []*byte, count int) {
	if s.g > 0 && count > 0 {
		dotSketch(s, dst[:(s.g-1)*stride+count*SketchTokens], stride, blocks, count)
	}
}

func dotSketchGeneric(s *SketchQueries, dst []float32, stride int, blocks []*byte, count int) {
	p := s.p
	var key [maxSlots]int32
	for i, first := range blocks[:count] {
		block := unsafe.Slice(first, SketchBytes(s.d))
		scales, codes := block[2*p:], block[2*p+2*SketchTokens:]
		for t := range SketchTokens {
			scale := loadHalf(scales[2*t:])
			for c := range p {
				key[c] = int32(sketchedCode(codes, t, c, p))
			}
			for h := range s.g {
				var sum int32
				for c, code := range key[:p] {
					sum += code * int32(int8(s.codes[(h*p+c)/2*pairWords]>>(8*(c%2))))
				}
				dst[h*stride+i*SketchTokens+t] = float32((float32(sum)+s.shift[h])*s.unit[h]) * scale
			}
		}
		for h := range s.g {
			var part [8]float32
			for c, v := range s.q[h*p : (h+1)*p] {
				part[c%8] += float32(v * loadHalf(block[2*c:]))
			}
			bias := fold8(&part)
			for t := range SketchTokens {
				dst[h*stride+i*SketchTokens+t] += bias
			}
		}
	}
}

// MeanTokens is the number of tokens of a sketch whose weights are added.
const MeanTokens = 32

// SketchWeights writes 2^(x-top) of scores x, a multiple of MeanTokens of them and more than none, to dst in bf16, top being the largest, and returns that and the sum.
// Weights are within 8e-5 of their value before they are rounded, which halves what the steps after read. x is used up.
func SketchWeights(dst []uint16, x []float32) (top, sum float32) {
	return weighSketch(dst[:len(x)], x)
}

// A cubic polynomial for 2^r on [-1/2, 1/2], of the least relative error.
const (
	rough0 = 0.9999280735159697
	rough1 = 0.6932609854542462
	rough2 = 0.24261112222375328
	rough3 = 0.05517166909261008

	roughMin = -125 // below, what the polynomial gives under 1 would have no exponent left
)

func weighSketchGeneric(dst []uint16, x []float32) (top, sum float32) {
	top = -math.MaxFloat32
	for _, v := range x {
		top = max(top, v)
	}
	for i, v := range x {
		v = max(v-top, roughMin)
		n := roundEven(v)
		r := v - n
		v = (((rough3*r+rough2)*r+rough1)*r + rough0) * pow2(n)
		dst[i] = uint16((math.Float32bits(v) + 1<<15) >> 16)
		sum += v
	}
	return top, sum
}

// DeviationByte rounds a number above 0 to 5 bits of exponent and 3 of mantissa: to within a sixteenth of itself between 2^-16 and 2^15.
// What is outside, or NaN, becomes the nearest of these or the largest.
func DeviationByte(x float32) byte {
	return byte(max(0, min(255, (int(math.Float32bits(x))+1<<(deviationShift-1)-deviationLeast)>>deviationShift)))
}

const (
	deviationShift = 20
	deviationLeast = (127 - 16) << 23 // bits of 2^-16
)

// SketchLoss writes deviation_i Σ_h shares[h] weights[h*stride+i] to dst, whose length is a multiple of MeanTokens.
func SketchLoss(dst []float32, weights []uint16, stride int, shares []float32, deviations []byte) {
	if len(dst) > 0 && len(shares) > 0 {
		lossSketch(dst, weights[:(len(shares)-1)*stride+len(dst)], stride, shares, deviations[:len(dst)])
	}
}

func lossSketchGeneric(dst []float32, weights []uint16, stride int, shares []float32, deviations []byte) {
	clear(dst)
	for h, share := range shares {
		for i, w := range weights[h*stride:][:len(dst)] {
			dst[i] += share * bf16(w)
		}
	}
	for i, code := range deviations {
		dst[i] *= math.Float32frombits(deviationLeast + uint32(code)<<deviationShift)
	}
}

func bf16(w uint16) float32 { return math.Float32frombits(uint32(w) << 16) }

// SketchRest writes the sum of every MeanTokens weights to dst, an even number of sums, without those whose loss is below 0.
func SketchRest(dst []float32, weights []uint16, loss []float32) {
	if len(dst) > 0 {
		n := len(dst) * MeanTokens
		restSketch(dst, weights[:n], loss[:n])
	}
}

func restSketchGeneric(dst []float32, weights []uint16, loss []float32) {
	for i := range dst {
		dst[i] = 0
		for j, x := range loss[i*MeanTokens : (i+1)*MeanTokens] {
			if x >= 0 {
				dst[i] += bf16(weights[i*MeanTokens+j])
			}
		}
	}
}
