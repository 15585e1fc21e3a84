package kernel

import (
	"unsafe"

	"pith/quant"
)

// packCodes fills b.panel and b.scales from columns [c, c+n) of rows [lo, hi) of m. Outputs that the panel has beyond hi
// keep what an earlier panel left; nobody reads their results.
func (b *buffer) packCodes(k *kernelSet, m *Matrix, lo, hi, c, n, p int) {
	f := m.format
	groups := n / f.Group
	if expand := k.packedFor(m).expand; expand != nil {
		b.panel[p], b.scales[p] = grow(b.panel[p], panelRows*n), grow(b.scales[p], 2*panelRows*groups)
		expand(&b.panel[p][0], &b.scales[p][0], m.packedRows(lo, c), n/f.BlockElems)
		return
	}
	padded := (groups + 3) &^ 3
	b.codes = grow(b.codes, panelRows*n)
	b.scale, b.offset = grow(b.scale, panelRows*padded), grow(b.offset, panelRows*padded)
	for r := lo; r < hi; r++ {
		i := r - lo
		k.unpackRow(f, b.codes[i*n:][:n], b.scale[i*padded:][:groups], b.offset[i*padded:][:groups], m.rows(r, 1)[f.Bytes(c):])
	}
	b.panel[p] = grow(b.panel[p], panelRows*n)
	k.transpose(word(b.panel[p]), 4*panelRows, word(b.codes), n, n/4)
	per := panelRows
	if f.Zero == 0 {
		per = 2 * panelRows
	}
	b.scales[p] = grow(b.scales[p], per*padded)
	k.transpose(word(b.scales[p]), 4*per, word(b.scale), 4*padded, padded)
	if f.Zero == 0 {
		k.transpose(word(b.scales[p][panelRows:]), 4*per, word(b.offset), 4*padded, padded)
	}
}

// packFloats fills b.panelF32 from columns [c, c+n) of rows [lo, hi) of m.
func (b *buffer) packFloats(k *kernelSet, m *Matrix, lo, hi, c, n int) {
	padded := (n + 3) &^ 3
	b.row = grow(b.row, panelRows*padded)
	for r := lo; r < hi; r++ {
		k.decodeRow(b, m.format, b.row[(r-lo)*padded:][:n], m.rows(r, 1)[m.format.Bytes(c):])
	}
	b.panelF32 = grow(b.panelF32, panelRows*padded)
	k.transpose(word(b.panelF32), 4*panelRows, word(b.row), 4*padded, padded)
}

// unpackRow is f.Unpack by the tier's routine if it has one; offset may then stay unwritten for symmetric formats.
func (k *kernelSet) unpackRow(f *quant.Format, codes []uint8, scale, offset []float32, src []byte) {
	if u := k.unpack[f.Type]; u != nil {
		_ = src[f.Bytes(len(codes))-1]
		u(&codes[0], &scale[0], &offset[0], &src[0], len(codes)/f.BlockElems)
		return
	}
	f.Unpack(codes, scale, offset, src)
}

// decodeRow is f.Decode, bit for bit, by the tier's routines. Every format has one but F32, which is copied.
func (k *kernelSet) decodeRow(b *buffer, f *quant.Format, dst []float32, src []byte) {
	if f.Type == quant.F32 {
		copy(bytesOf(dst), src)
		return
	}
	if w := k.widen[f.Type]; w != nil {
		if n := len(dst) &^ 7; n > 0 {
			_ = src[2*n-1]
			w(&dst[0], &src[0], n)
			dst, src = dst[n:], src[2*n:]
		}
	}
	if f.Group == 0 {
		f.Decode(dst, src)
		return
	}
	n := len(dst)
	b.plain.resize(n, f.Group)
	k.unpackRow(f, b.plain.codes, b.plain.scale, b.plain.offset, src)
	offset := 0
	if f.Zero == 0 {
		offset = 1
	}
	k.dequantise[f.Group/16-1][offset](&dst[0], &b.plain.codes[0], &b.plain.scale[0], &b.plain.offset[0], f.Zero, n/f.Group)
}

// plainRow is one row of weights in integer form.
type plainRow struct {
	codes         []uint8
	scale, offset []float32
}

func (p *plainRow) resize(n, group int) {
	p.codes, p.scale, p.offset = grow(p.codes, n), grow(p.scale, n/group), grow(p.offset, n/group)
}

// word views a slice's memory as 32-bit words.
func word[T uint8 | float32](s []T) *uint32 { return (*uint32)(unsafe.Pointer(unsafe.SliceData(s))) }

// bytesOf views f32 numbers as the bytes of the F32 format; only on little-endian machines, as all with kernels are.
func bytesOf(s []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), 4*len(s))
}
