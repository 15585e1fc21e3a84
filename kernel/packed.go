package kernel

import (
	"encoding/binary"
	"fmt"

	"pith/quant"
)

// Packed weights: every field of a stored block, a 32-bit word or an f16, of sixteen rows side by side, fields in the order in which the routines use
// them. They take the same number of bytes as the stored ones and hold the same. A register is then one word of every row: decode adds nothing up
// across lanes, and a prefill's panel is made without turning anything. The order matters: out of order the reads of a block are several
// streams, which the processor's prefetching does not follow.
//
//	packed  [rows/16][blocks of a row][fields of a block][16 rows]

// packedField is a run of neighbouring fields of a stored block.
type packedField struct{ at, size, count int }

var packedFields = map[quant.Type][]packedField{
	quant.Q4_0: {{0, 2, 1}, {2, 4, 4}},
	quant.Q4_1: {{0, 2, 2}, {4, 4, 4}},
	quant.Q8_0: {{0, 2, 1}, {2, 4, 8}},
	quant.Q4_K: {{0, 2, 2}, {4, 4, 35}},
	quant.Q6_K: fieldsQ6_K(),
}

// fieldsQ6_K: the scale of all, then by half, four columns at a time, the high bits and the two words of low bits; then the scales of the half.
func fieldsQ6_K() []packedField {
	fields := []packedField{{208, 2, 1}}
	for half := range 2 {
		for k := range 8 {
			fields = append(fields, packedField{128 + 32*half + 4*k, 4, 1}, packedField{64*half + 4*k, 4, 1}, packedField{64*half + 32 + 4*k, 4, 1})
		}
		fields = append(fields, packedField{192 + 8*half, 4, 2})
	}
	return fields
}

// packedKernels are a tier's routines for one packed format.
type packedKernels struct {
	product packedProduct
	expand  packedExpand
}

// packedProduct writes dst[16], the products of sixteen packed rows of blocks with one row of activations, groups in ascending order as the package
// comment defines.
type packedProduct func(dst *float32, w *uint8, blocks int, codes *int8, scale, sums *float32)

// packedExpand makes a panel of codes and its scales, as integerStrip reads them, of blocks of sixteen packed rows.
type packedExpand func(panel *uint8, scales *float32, w *uint8, blocks int)

// Packable reports whether the tier in use has products of the packed form of m.
func (m *Matrix) Packable() bool {
	k := kernels()
	return k != nil && k.packed[m.Type].product != nil && m.Rows%panelRows == 0 && tileable(m.Cols)
}

// Pack writes the packed form of a Packable matrix to dst, which is as large as the stored one and borrowed as long. From then on integer products on
// tiers that can read it do; everything else reads the stored form, which stays valid.
func (m *Matrix) Pack(w *Workers, dst []byte) {
	if len(dst) != len(m.data) {
		panic(fmt.Sprintf("kernel: pack: %d bytes for a matrix of %d", len(dst), len(m.data)))
	}
	w.Run(m.Rows/panelRows, &packTask{m: m, dst: dst, fields: packedFields[m.Type]})
	m.packed = dst
}

type packTask struct {
	m      *Matrix
	dst    []byte
	fields []packedField
}

// Do packs one run of sixteen rows.
func (t *packTask) Do(_, panel int) {
	m, size := t.m, t.m.format.BlockBytes
	src, dst := m.rows(panel*panelRows, panelRows), t.dst[panel*panelRows*m.rowBytes:]
	for block := 0; block < m.rowBytes; block += size {
		for _, f := range t.fields {
			for at := block + f.at; at < block+f.at+f.size*f.count; at += f.size {
				to := dst[:panelRows*f.size]
				dst = dst[len(to):]
				if f.size == 2 {
					for r := range panelRows {
						binary.LittleEndian.PutUint16(to[2*r:], binary.LittleEndian.Uint16(src[r*m.rowBytes+at:]))
					}
					continue
				}
				for r := range panelRows {
					binary.LittleEndian.PutUint32(to[4*r:], binary.LittleEndian.Uint32(src[r*m.rowBytes+at:]))
				}
			}
		}
	}
}

// packedFor returns the routines for m where it has been packed and the tier can read that, else nil ones.
func (k *kernelSet) packedFor(m *Matrix) packedKernels {
	if m.packed == nil {
		return packedKernels{}
	}
	return k.packed[m.Type]
}

// packedRows returns the packed form of rows lo to lo+15 from column c on.
func (m *Matrix) packedRows(lo, c int) *uint8 {
	return &m.packed[lo*m.rowBytes+panelRows*m.format.Bytes(c)]
}

// stored is the form that products read: the packed one, if the tier in use reads it.
func (m *Matrix) stored() []byte {
	if k := kernels(); k != nil && k.packedFor(m).product != nil {
		return m.packed
	}
	return m.data
}
