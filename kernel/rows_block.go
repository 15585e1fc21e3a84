package kernel

import "encoding/binary"

// Blocks that have lost tokens. A block of keys whose survivors moved together takes only the octets of lanes that they fill,
// with the steps and minima that it always had: what remains decodes to the same bits. Values keep step and minimum with
// the token, so that their tokens move between blocks.

// KeyBlockBytes returns the bytes that the first n tokens of a block of keys take, n up to Group.
func (f GroupFormat) KeyBlockBytes(n, d int) int {
	p := roundUp(d, f.unit())
	return 4*p + f.panelBytes(n, p)
}

// DotBlockK writes the products of g queries q [g, d] with the first n keys of one block, of which only
// KeyBlockBytes(n, d) bytes are read, to dst[h*stride+i].
func DotBlockK(dst []float32, stride int, q []float32, block []byte, g, n, d int, f GroupFormat) {
	if g > 0 && n > 0 {
		dotBlockK(dst[:(g-1)*stride+n], stride, q[:g*d], block[:f.KeyBlockBytes(n, d)], g, n, d, f)
	}
}

// DecodeBlockK writes the first n keys of one block, of which only KeyBlockBytes(n, d) bytes are read, to dst [n, d].
func DecodeBlockK(dst []float32, block []byte, n, d int, f GroupFormat) {
	p := roundUp(d, f.unit())
	panel := block[4*p : f.KeyBlockBytes(n, d)]
	for c := range d {
		step, low := loadHalf(block[2*c:]), loadHalf(block[2*(p+c):])
		for t := range n {
			dst[t*d+c] = low + float32(step*float32(f.code(panel, t, c, p)))
		}
	}
}

// PickBlockK writes the block that holds tokens pick, ascending, of the block src to the first KeyBlockBytes(len(pick), d)
// bytes of dst. Their codes, steps and minima are unchanged. The blocks must not overlap.
func PickBlockK(dst, src []byte, pick []int32, d int, f GroupFormat) {
	p := roundUp(d, f.unit())
	size := f.KeyBlockBytes(len(pick), d)
	clear(dst[4*p : size])
	copy(dst[:4*p], src)
	from, to := src[4*p:], dst[4*p:size]
	// A lane's words lie 32 bytes apart within its octet.
	octet := f.panelBytes(8, p)
	for i, t := range pick {
		a, b := int(t)/8*octet+int(t)%8*4, i/8*octet+i%8*4
		for w := 0; w < octet; w += 32 {
			copy(to[b+w:b+w+4], from[a+w:a+w+4])
		}
	}
}

// MoveGroupV copies token from of the consecutive blocks src, of format f, over token to of the blocks dst, of format g, which may have other
// Slots: its codes, steps and minima. The blocks may be the same memory.
func MoveGroupV(dst []byte, to int, g GroupFormat, src []byte, from int, f GroupFormat, d int) {
	m, n, le := g.slots(), f.slots(), binary.LittleEndian
	dst, src = dst[to/m*g.ValueBytes(d):], src[from/n*f.ValueBytes(d):]
	to, from = to%m, from%n
	for c0 := 0; c0 < d; c0 += f.Group {
		lanes := min(f.Group, d-c0)
		le.PutUint16(dst[2*to:], le.Uint16(src[2*from:]))
		le.PutUint16(dst[2*(m+to):], le.Uint16(src[2*(n+from):]))
		a, b := src[4*n:], dst[4*m:]
		for l := range lanes {
			f.replace(b, l, to, m, f.code(a, l, from, n))
		}
		src, dst = src[4*n+f.panelBytes(lanes, n):], dst[4*m+f.panelBytes(lanes, m):]
	}
}

// replace writes one code over another.
func (f GroupFormat) replace(panel []byte, lane, slot, slots int, code uint32) {
	at, shift := f.place(lane, slot, slots)
	if f.Bits == 4 {
		setBits(panel[at:], shift, 15, code)
		return
	}
	setBits(panel[at:], shift, 3, code&3)
	if f.Bits == 3 {
		at, shift = f.placeHigh(lane, slot, slots)
		setBits(panel[at:], shift, 1, code>>2)
	}
}

func setBits(b []byte, shift int, mask, v uint32) {
	w := binary.LittleEndian.Uint32(b)
	binary.LittleEndian.PutUint32(b, w&^(mask<<shift)|v<<shift)
}
