package kernel

import (
	"encoding/binary"
	"math"

	"pith/quant"
)

// groupScales are the minima and steps of the slots of a panel: of channels for keys, of tokens for values.
type groupScales struct {
	low, high [maxSlots]float32 // extremes of each slot; then low is the minimum as stored
	inv       [maxSlots]float32 // 1/step as stored, 0 where all numbers are equal; for decoding the step
}

// reset prepares n slots for see.
func (s *groupScales) reset(n int) {
	for i := range n {
		s.low[i], s.high[i] = float32(math.Inf(1)), float32(math.Inf(-1))
	}
}

// see widens the extremes of slot i. NaN does not count.
func (s *groupScales) see(i int, v float32) {
	if v < s.low[i] {
		s.low[i] = v
	}
	if v > s.high[i] {
		s.high[i] = v
	}
}

// store chooses minima and steps of n slots and writes them, slots places apart.
func (s *groupScales) store(dst []byte, n, slots, bits int) (overflow int) {
	top := float32(int(1)<<bits - 1)
	for i := range n {
		lo, hi := s.low[i], s.high[i]
		if lo > hi { // nothing but NaN
			lo, hi = 0, 0
		}
		low, clamped := halfBits(lo)
		if clamped {
			overflow++
		}
		s.low[i] = quant.F16ToF32(low)
		// The minimum as stored may lie above the true one by half a unit of f16; codes are clamped below at 0, and the
		// step spans from the stored minimum so that the top stays within reach.
		step, clamped := halfBits(max(hi-s.low[i], 0) / top)
		if clamped {
			overflow++
		}
		s.inv[i] = 0
		if v := quant.F16ToF32(step); v > 0 {
			s.inv[i] = 1 / v
		}
		binary.LittleEndian.PutUint16(dst[2*i:], step)
		binary.LittleEndian.PutUint16(dst[2*(slots+i):], low)
	}
	return overflow
}

// load reads the scales that store wrote; inv becomes the step.
func (s *groupScales) load(src []byte, n, slots int) {
	for i := range n {
		s.inv[i], s.low[i] = loadHalf(src[2*i:]), loadHalf(src[2*(slots+i):])
	}
}

// codeBits returns the code of v in slot i, at most top: the low bits of a f32 to which roundMagic was added hold its
// integer, rounded to even.
func (s *groupScales) codeBits(i int, v, top float32) uint32 {
	x := (v - s.low[i]) * s.inv[i]
	if !(x > 0) { // NaN too
		return 0
	}
	return math.Float32bits(min(x, top)+roundMagic) & 15
}

// encodePanel writes the codes of src[lane*laneStep+slot*slotStep] for lanes lanes and n of the panel's slots, and zeros
// elsewhere.
func (f GroupFormat) encodePanel(panel []byte, src []float32, lanes, n, slots, laneStep, slotStep int, s *groupScales) {
	clear(panel)
	unit, octet := f.unit(), f.panelBytes(8, slots)
	words := unit * f.Bits / 32 * 32 // bytes of a unit of an octet of lanes
	top := float32(int(1)<<f.Bits - 1)
	for lane := range lanes {
		to := panel[lane/8*octet+lane%8*4:]
		for first := 0; first < n; first += unit {
			var w [3]uint32
			at := lane*laneStep + first*slotStep
			for i := range min(unit, n-first) {
				c := s.codeBits(first+i, src[at+i*slotStep], top)
				half := i % 2 * 16
				switch f.Bits {
				case 4:
					w[0] |= c << (half + i/2*4)
				case 2:
					w[0] |= c << (half + i/2*2)
				default:
					w[i/16] |= c & 3 << (half + i%16/2*2)
					w[2] |= c >> 2 << (half + i/2)
				}
			}
			for i := 0; i < words; i += 32 {
				binary.LittleEndian.PutUint32(to[i:], w[i/32])
			}
			to = to[min(words, len(to)):]
		}
	}
}

// decodePanel is the inverse of encodePanel, with the scales as load left them.
func (f GroupFormat) decodePanel(dst []float32, panel []byte, lanes, n, slots, laneStep, slotStep int, s *groupScales) {
	unit, octet := f.unit(), f.panelBytes(8, slots)
	words := unit * f.Bits / 32 * 32
	for lane := range lanes {
		from := panel[lane/8*octet+lane%8*4:]
		for first := 0; first < n; first += unit {
			var w [3]uint32
			for i := 0; i < words; i += 32 {
				w[i/32] = binary.LittleEndian.Uint32(from[i:])
			}
			from = from[min(words, len(from)):]
			at := lane*laneStep + first*slotStep
			for i := range min(unit, n-first) {
				half := i % 2 * 16
				var c uint32
				switch f.Bits {
				case 4:
					c = w[0] >> (half + i/2*4) & 15
				case 2:
					c = w[0] >> (half + i/2*2) & 3
				default:
					c = w[i/16]>>(half+i%16/2*2)&3 | w[2]>>(half+i/2)&1<<2
				}
				dst[at+i*slotStep] = s.low[first+i] + float32(s.inv[first+i]*float32(int32(c)))
			}
		}
	}
}

func encodeBlockK(dst []byte, src []float32, n, d int, f GroupFormat) (overflow int) {
	p := f.round(d)
	var s groupScales
	s.reset(d)
	for t := range n {
		for c, v := range src[t*d : (t+1)*d] {
			s.see(c, v)
		}
	}
	clear(dst[:4*p])
	overflow = s.store(dst, d, p, f.Bits)
	f.encodePanel(dst[4*p:], src, n, d, p, d, 1, &s)
	return overflow
}

func encodeBlockV(dst []byte, src []float32, n, d int, f GroupFormat) (overflow int) {
	slots := f.slots()
	var s groupScales
	for c := 0; c < d; c += f.Group {
		lanes := min(f.Group, d-c)
		size := f.panelBytes(lanes, slots)
		s.reset(n)
		for t := range n {
			for _, v := range src[t*d+c : t*d+c+lanes] {
				s.see(t, v)
			}
		}
		clear(dst[:4*slots])
		overflow += s.store(dst, n, slots, f.Bits)
		f.encodePanel(dst[4*slots:4*slots+size], src[c:], lanes, n, slots, 1, d, &s)
		dst = dst[4*slots+size:]
	}
	return overflow
}

func decodeBlockK(dst []float32, src []byte, n, d int, f GroupFormat) {
	p := f.round(d)
	var s groupScales
	s.load(src, d, p)
	f.decodePanel(dst, src[4*p:], n, d, p, d, 1, &s)
}

func decodeBlockV(dst []float32, src []byte, n, d int, f GroupFormat) {
	slots := f.slots()
	var s groupScales
	for c := 0; c < d; c += f.Group {
		lanes := min(f.Group, d-c)
		size := f.panelBytes(lanes, slots)
		s.load(src, n, slots)
		f.decodePanel(dst[c:], src[4*slots:4*slots+size], lanes, n, slots, 1, d, &s)
		src = src[4*slots+size:]
	}
}
