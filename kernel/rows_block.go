package kernel

import "encoding/binary"

// Blocks that have lost tokens. A block of keys whose survivors moved together takes only the octets of lanes that they fill,
// with the steps and minima that it always had: what remains decodes to the same bits. Values keep step and minimum with
// the token, so that their tokens move between blocks.

// KeyBlockBytes returns the bytes that the first n tokens of a block of keys take, n up to Group.
func (f GroupFormat) KeyBlockBytes(n, d int) int {
	p := f.round(d)
	return 4*p + f.panelBytes(n, p)
}

// DotBlockK writes the products of g queries q [g, d] with the first n keys of one block, of which only
// KeyBlockBytes(n, d) bytes are read, to dst[h*stride+i].
func DotBlockK(dst []float32, stride int, q []float32, block []byte, g, n, d int, f GroupFormat) {
	DotBlockKNext(dst, stride, q, block, nil, g, n, d, f)
}

// DotBlockKNext is DotBlockK that asks meanwhile for next, bytes that later calls read.
func DotBlockKNext(dst []float32, stride int, q []float32, block, next []byte, g, n, d int, f GroupFormat) {
	if g > 0 && n > 0 {
		dotBlockK(dst[:(g-1)*stride+n], stride, q[:g*d], block[:f.KeyBlockBytes(n, d)], next, g, n, d, f)
	}
}

// DotBlocksK is DotBlockK for count whole blocks that lie step bytes apart. It asks meanwhile for what lies between them and behind the last, up to
// a step and a block, which later calls read: those bytes need not exist.
func DotBlocksK(dst []float32, stride int, q []float32, blocks []byte, step, count, g, d int, f GroupFormat) {
	if g > 0 && count > 0 {
		dotBlocksK(dst[:(g-1)*stride+count*f.Group], stride, q[:g*d], blocks[:(count-1)*step+f.KeyBytes(d)], step, count, g, d, f)
	}
}

func dotBlocksKEach(dst []float32, stride int, q []float32, blocks []byte, step, count, g, d int, f GroupFormat) {
	size := f.KeyBytes(d)
	for i := range count {
		block := blocks[i*step:]
		dotBlockK(dst[i*f.Group:], stride, q, block[:size], block[size:min(step+size, len(block))], g, f.Group, d, f)
	}
}

// AccumulateBlocksV adds the weighted sums of count whole blocks of values that lie step bytes apart to acc [g, d], as AccumulateGroupV does.
func AccumulateBlocksV(acc, weights []float32, stride int, blocks []byte, step, count, g, d int, f GroupFormat) {
	if g > 0 && count > 0 {
		accumulateBlocksV(acc[:g*d], weights[:(g-1)*stride+count*f.slots()], stride, blocks[:(count-1)*step+f.ValueBytes(d)], step, count, g, d, f)
	}
}

func accumulateBlocksVEach(acc, weights []float32, stride int, blocks []byte, step, count, g, d int, f GroupFormat) {
	size := f.ValueBytes(d)
	for i := range count {
		accumulateBlockV(acc, weights[i*f.slots():], stride, blocks[i*step:i*step+size], g, f.slots(), d, f)
	}
}

// prefetchAll asks for all of b at once.
func prefetchAll(b []byte) {
	for len(b) > 0 {
		prefetch(b)
		b = b[min(len(b), 4096):]
	}
}

// DecodeBlockK writes the first n keys of one block, of which only KeyBlockBytes(n, d) bytes are read, to dst [n, d].
func DecodeBlockK(dst []float32, block []byte, n, d int, f GroupFormat) {
	p := f.round(d)
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
	p := f.round(d)
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

// MoveBlockV copies tokens pick of the value block src, of format f, over tokens to, to+1, … of the block dst, of format g, which may have
// other Slots: their codes, steps and minima. src and dst may be the same block if no token moves up.
func MoveBlockV(dst []byte, to int, g GroupFormat, src []byte, pick []int32, f GroupFormat, d int) {
	m, n, le := g.slots(), f.slots(), binary.LittleEndian
	var word, high [64]codeMove
	for i, t := range pick {
		word[i].from, word[i].right = f.place(0, int(t), n)
		word[i].to, word[i].left = g.place(0, to+i, m)
		if f.Bits == 3 {
			high[i].from, high[i].right = f.placeHigh(0, int(t), n)
			high[i].to, high[i].left = g.placeHigh(0, to+i, m)
		}
	}
	mask := uint32(15)
	if f.Bits < 4 {
		mask = 3
	}
	for c0 := 0; c0 < d; c0 += f.Group {
		lanes := min(f.Group, d-c0)
		for i, t := range pick {
			le.PutUint16(dst[2*(to+i):], le.Uint16(src[2*int(t):]))
			le.PutUint16(dst[2*(m+to+i):], le.Uint16(src[2*(n+int(t)):]))
		}
		a, b := src[4*n:], dst[4*m:]
		for l := range lanes {
			from, into := a[l/8*f.panelBytes(8, n)+l%8*4:], b[l/8*f.panelBytes(8, m)+l%8*4:]
			moveCodes(into, from, word[:len(pick)], mask)
			if f.Bits == 3 {
				moveCodes(into, from, high[:len(pick)], 1)
			}
		}
		src, dst = src[4*n+f.panelBytes(lanes, n):], dst[4*m+f.panelBytes(lanes, m):]
	}
}

// codeMove says where a token's code lies in the words of a lane, and where it goes.
type codeMove struct{ from, right, to, left int }

func moveCodes(dst, src []byte, moves []codeMove, mask uint32) {
	le := binary.LittleEndian
	for i := range moves {
		v := &moves[i]
		code := le.Uint32(src[v.from:]) >> (v.right & 31) & mask
		p := dst[v.to:]
		le.PutUint32(p, le.Uint32(p)&^(mask<<(v.left&31))|code<<(v.left&31))
	}
}
