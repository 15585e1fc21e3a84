package kernel

import (
	"encoding/binary"
	"math"

	"pith/quant"
)

const maxF16 = 65504

// halfBits rounds v to f16 within its finite range and reports whether it had to be clamped.
func halfBits(v float32) (bits uint16, clamped bool) {
	if v > maxF16 || v < -maxF16 {
		clamped = true
		v = max(min(v, maxF16), -maxF16)
	}
	return quant.F32ToF16(v), clamped
}

func loadHalf(b []byte) float32 { return quant.F16ToF32(binary.LittleEndian.Uint16(b)) }

func encodeRowGeneric(dst []byte, src []float32, f RowFormat) (overflow int) {
	le := binary.LittleEndian
	switch f {
	case RowF32:
		dst = dst[:4*len(src)]
		for i, v := range src {
			le.PutUint32(dst[4*i:4*i+4], math.Float32bits(v))
		}
	case RowF16:
		for i, v := range src {
			h, clamped := halfBits(v)
			if clamped {
				overflow++
			}
			le.PutUint16(dst[2*i:], h)
		}
	case RowBF16:
		for i, v := range src {
			le.PutUint16(dst[2*i:], quant.F32ToBF16(v))
		}
	case RowQ8:
		for len(src) > 0 {
			n := min(q8Group, len(src))
			overflow += encodeQ8(dst, src[:n])
			dst, src = dst[2+n:], src[n:]
		}
	}
	return overflow
}

// encodeQ8 writes one group: scale = max|x|/127 in f16, codes = round(x/scale), from the scale as stored. It returns the
// number of codes that had to be clamped because the scale is not representable.
func encodeQ8(dst []byte, src []float32) (overflow int) {
	var top float32
	for _, v := range src {
		if a := float32(math.Abs(float64(v))); a > top { // NaN is not
			top = a
		}
	}
	h, _ := halfBits(top / 127)
	binary.LittleEndian.PutUint16(dst, h)
	s := quant.F16ToF32(h)
	var inv float32
	if s > 0 {
		inv = 1 / s
	}
	for i, v := range src {
		// Rounding the scale to f16 moves a code by up to 127/2048, so 127 may be exceeded in the fraction, never by 1.
		c := math.RoundToEven(float64(v * inv))
		if !(c < 127.5 && c > -127.5) {
			overflow++
			if c != c { // NaN has no code
				c = 0
			}
		}
		dst[2+i] = byte(int8(max(min(c, 127), -127)))
	}
	return overflow
}

func decodeRowGeneric(dst []float32, src []byte, f RowFormat) {
	le := binary.LittleEndian
	switch f {
	case RowF32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
		}
	case RowF16:
		for i := range dst {
			dst[i] = quant.F16ToF32(le.Uint16(src[2*i:]))
		}
	case RowBF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(le.Uint16(src[2*i:])) << 16)
		}
	case RowQ8:
		for len(dst) > 0 {
			n := min(q8Group, len(dst))
			s := loadHalf(src)
			for i, c := range src[2 : 2+n] {
				dst[i] = float32(int8(c)) * s
			}
			dst, src = dst[n:], src[2+n:]
		}
	}
}

// rowPiece is the number of channels that the portable kernels decode at a time; a multiple of q8Group and of sumLanes.
const rowPiece = 64

// pieceBytes returns the bytes of rowPiece channels.
func pieceBytes(f RowFormat) int { return f.Bytes(rowPiece) }

func dotRowsGeneric(dst []float32, stride int, q []float32, rows []byte, g, n, d int, f RowFormat) {
	var piece [rowPiece]float32
	size := f.Bytes(d)
	for i := range n {
		row := rows[i*size : (i+1)*size]
		for c := 0; c < d; c += rowPiece {
			x := piece[:min(rowPiece, d-c)]
			decodeRowGeneric(x, row[c/rowPiece*pieceBytes(f):], f)
			for h := range g {
				v := dotGeneric(x, q[h*d+c:h*d+c+len(x)])
				if c == 0 {
					dst[h*stride+i] = v
				} else {
					dst[h*stride+i] += v
				}
			}
		}
	}
}

func accumulateRowsGeneric(acc, weights []float32, stride int, rows []byte, g, n, d int, f RowFormat) {
	var piece [rowPiece]float32
	size := f.Bytes(d)
	for i := range n {
		row := rows[i*size : (i+1)*size]
		for c := 0; c < d; c += rowPiece {
			x := piece[:min(rowPiece, d-c)]
			decodeRowGeneric(x, row[c/rowPiece*pieceBytes(f):], f)
			for h := range g {
				axpyGeneric(acc[h*d+c:h*d+c+len(x)], weights[h*stride+i], x)
			}
		}
	}
}
