package kernel

import (
	"encoding/binary"
	"fmt"

	"pith/quant"
)

// Packed weights: every field of a stored block, a 32-bit word or an f16, of sixteen rows side by side, fields in the order of the block. They take the
// same number of bytes as the stored ones and hold the same. A register is then one word of every row: decode adds nothing up across lanes, and a
// prefill's panel is made without turning anything.
//
//	packed  [rows/16][blocks of a row][fields of a block][16 rows]

// packedField is a run of fields of a block.
type packedField struct{ at, size, count int }

var packedFields = map[quant.Type][]packedField{
	quant.Q4_0: {{0, 2, 1}, {2, 4, 4}},
	quant.Q4_1: {{0, 2, 2}, {4, 4, 4}},
	quant.Q4_K: {{0, 2, 2}, {4, 4, 35}},
	quant.Q6_K: {{0, 4, 52}, {208, 2, 1}},
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
	for at := 0; at < m.rowBytes; at += size {
		for _, f := range t.fields {
			for i := range f.count {
				from := at + f.at + i*f.size
				to := dst[panelRows*from:][:panelRows*f.size]
				if f.size == 2 {
					for r := range panelRows {
						binary.LittleEndian.PutUint16(to[2*r:], binary.LittleEndian.Uint16(src[r*m.rowBytes+from:]))
					}
					continue
				}
				for r := range panelRows {
					binary.LittleEndian.PutUint32(to[4*r:], binary.LittleEndian.Uint32(src[r*m.rowBytes+from:]))
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
