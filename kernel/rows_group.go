package kernel

import (
	"encoding/binary"
	"fmt"
)

// GroupFormat is storage below 8 bits in the manner of KIVI (Liu et al., 2024, section 3): every group of numbers has a
// minimum and a step in f16, and codes of Bits bits, x = min + step*code. Keys are grouped per channel over Group tokens,
// because some channels are large in every token; values are grouped per token over Group channels.
//
// Both are stored in blocks of Group tokens, and attention over a block is the same integer product for both: with the
// step folded into the other operand,
//
//	keys:   score_t = Σ_c (q_c*step_c)*code_tc + Σ_c q_c*min_c          lanes: tokens,   slots: channels
//	values: out_c  += Σ_t (w_t*step_t)*code_tc + Σ_t w_t*min_t          lanes: channels, slots: tokens
//
// the folded operand is rounded to 15 bits and a sign for each block and multiplied with the codes in int32, exactly. The
// rounding is below 2^-15 of the block's largest folded operand for each code unit, far below the error of the codes
// themselves. All tiers give the same bits.
//
// A panel of codes for L lanes (a multiple of 8) and S slots is cut into octets of lanes; a 32-bit word holds one lane and 16
// slots at 2 bits, 8 at 4 bits: the even slots in the lower half, the odd ones in the upper, the lowest slots in the
// lowest bits, so that one mask and one shift yield pairs of 16-bit factors. 3 bits are the 2 lower bits in that layout for 32
// slots, two words a lane, followed by one word of upper bits. Words of the 8 lanes of an octet lie together, then come
// the next slots, then the next octet.
//
//	block of keys:   step f16 [P], min f16 [P], panel of Group lanes × P slots       P = d rounded up to 8, 16 or 32 (4, 2, 3 bits)
//	block of values: for every Group channels: step f16 [Group], min f16 [Group], panel of the channels (rounded up to 8) × Group slots
type GroupFormat struct {
	Bits  int // 2, 3 or 4
	Group int // 32 or 64
	Slots int // tokens of a block of values, a multiple of 8 (4 bits), 16 (2) or 32 (3) up to 64; 0 stands for Group
}

// MaxGroupChannels is the largest number of channels of a row in a GroupFormat.
const MaxGroupChannels = maxSlots

// Valid reports whether f is one of the six formats.
func (f GroupFormat) Valid() bool {
	return f.Bits >= 2 && f.Bits <= 4 && (f.Group == 32 || f.Group == 64)
}

func (f GroupFormat) String() string { return fmt.Sprintf("q%d_g%d", f.Bits, f.Group) }

// slots is the number of tokens of a block of values.
func (f GroupFormat) slots() int {
	if f.Slots > 0 {
		return f.Slots
	}
	return f.Group
}

// SlotsFor is the smallest value of Slots that holds n tokens.
func (f GroupFormat) SlotsFor(n int) int { return f.round(n) }

// round rounds n up to whole units of slots.
func (f GroupFormat) round(n int) int {
	unit := f.unit()
	return (n + unit - 1) &^ (unit - 1) // a power of two: no division
}

// unit is the number of slots that are packed together.
func (f GroupFormat) unit() int {
	switch f.Bits {
	case 4:
		return 8
	case 3:
		return 32
	}
	return 16
}

// panelBytes returns the bytes of a panel; slots must be a multiple of unit.
func (f GroupFormat) panelBytes(lanes, slots int) int { return roundUp(lanes, 8) * slots * f.Bits / 8 }

// KeyBytes returns the bytes of a block of keys of d channels.
func (f GroupFormat) KeyBytes(d int) int {
	p := f.round(d)
	return 4*p + f.panelBytes(f.Group, p)
}

// ValueBytes returns the bytes of a block of values of d channels.
func (f GroupFormat) ValueBytes(d int) int {
	size := 0
	for c := 0; c < d; c += f.Group {
		size += 4*f.slots() + f.panelBytes(min(f.Group, d-c), f.slots())
	}
	return size
}

// EncodeGroupK writes n keys of d channels as ceil(n/Group) blocks. The statistics of a partial last block are those
// of its n%Group tokens. It returns the number of steps and minima that were clamped to the range of f16.
func EncodeGroupK(dst []byte, src []float32, n, d int, f GroupFormat) (overflow int) {
	size := f.KeyBytes(d)
	for ; n > 0; n -= f.Group {
		m := min(n, f.Group)
		overflow += encodeBlockK(dst[:size], src[:m*d], m, d, f)
		dst, src = dst[size:], src[m*d:]
	}
	return overflow
}

// EncodeGroupV writes n values of d channels as ceil(n/Slots) blocks.
func EncodeGroupV(dst []byte, src []float32, n, d int, f GroupFormat) (overflow int) {
	size := f.ValueBytes(d)
	for ; n > 0; n -= f.slots() {
		m := min(n, f.slots())
		overflow += encodeBlockV(dst[:size], src[:m*d], m, d, f)
		dst, src = dst[size:], src[m*d:]
	}
	return overflow
}

// DecodeGroupK writes the first n keys of consecutive blocks to dst [n, d].
func DecodeGroupK(dst []float32, src []byte, n, d int, f GroupFormat) {
	size := f.KeyBytes(d)
	for ; n > 0; n -= f.Group {
		m := min(n, f.Group)
		decodeBlockK(dst, src[:size], m, d, f)
		dst, src = dst[m*d:], src[size:]
	}
}

// DecodeGroupV writes the first n values of consecutive blocks to dst [n, d].
func DecodeGroupV(dst []float32, src []byte, n, d int, f GroupFormat) {
	size := f.ValueBytes(d)
	for ; n > 0; n -= f.slots() {
		m := min(n, f.slots())
		decodeBlockV(dst, src[:size], m, d, f)
		dst, src = dst[m*d:], src[size:]
	}
}

// DotGroupK writes the products of g queries q [g, d] with the first n keys of consecutive blocks to dst[h*stride+i].
func DotGroupK(dst []float32, stride int, q []float32, blocks []byte, g, n, d int, f GroupFormat) {
	size := f.KeyBytes(d)
	for i := 0; i < n; i += f.Group {
		dotBlockK(dst[i:], stride, q, blocks[:size], nil, g, min(f.Group, n-i), d, f)
		blocks = blocks[size:]
	}
}

// AccumulateGroupV adds, for g heads, the sum of weights[h*stride+i] * value i over the first n values of consecutive
// blocks, to acc [g, d]. Blocks are added in ascending order, each as one rounded sum.
func AccumulateGroupV(acc, weights []float32, stride int, blocks []byte, g, n, d int, f GroupFormat) {
	size := f.ValueBytes(d)
	for i := 0; i < n; i += f.slots() {
		accumulateBlockV(acc, weights[i:], stride, blocks[:size], g, min(f.slots(), n-i), d, f)
		blocks = blocks[size:]
	}
}

// place returns the byte offset of the word that holds a lane's slot, and the slot's shift in it. Lanes of an octet are 4
// bytes apart.
func (f GroupFormat) place(lane, slot, slots int) (word, shift int) {
	octet := lane / 8 * f.panelBytes(8, slots)
	if f.Bits == 4 {
		return octet + slot/8*32 + lane%8*4, slot%2*16 + slot%8/2*4
	}
	unit := slot / 16 * 32
	if f.Bits == 3 {
		unit = slot/32*96 + slot%32/16*32
	}
	return octet + unit + lane%8*4, slot%2*16 + slot%16/2*2
}

// placeHigh returns the word and shift of the upper bit of a 3-bit code.
func (f GroupFormat) placeHigh(lane, slot, slots int) (word, shift int) {
	octet := lane / 8 * f.panelBytes(8, slots)
	return octet + slot/32*96 + 64 + lane%8*4, slot%2*16 + slot%32/2
}

// code reads one code of a panel.
func (f GroupFormat) code(panel []byte, lane, slot, slots int) uint32 {
	at, shift := f.place(lane, slot, slots)
	w := binary.LittleEndian.Uint32(panel[at:]) >> shift
	if f.Bits == 4 {
		return w & 15
	}
	w &= 3
	if f.Bits == 3 {
		at, shift = f.placeHigh(lane, slot, slots)
		w |= binary.LittleEndian.Uint32(panel[at:]) >> shift & 1 << 2
	}
	return w
}
