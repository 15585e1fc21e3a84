package kernel

import "pith/quant"

// floatRows computes output rows [lo, hi) of a part from f32 activations, one row of weights at a time: the order of
// decode. Plain formats are read where they lie, the others are dequantised first.
func (t *productTask) floatRows(k *kernelSet, a *part, b *buffer, lo, hi int) {
	m := a.m
	typ := m.Type
	if k.dotRow[typ] == nil {
		typ = quant.F32
	}
	dot, n := k.dotRow[typ], m.Cols&^7
	for r := lo; r < hi; r++ {
		row := m.rows(r, 1)
		if typ != m.Type {
			b.row = grow(b.row, m.Cols)
			k.decodeRow(b, m.format, b.row, row)
			row = bytesOf(b.row)
		}
		tail := b.tail[:m.Cols-n]
		if len(tail) > 0 {
			f, _ := quant.Lookup(typ)
			f.Decode(tail, row[f.Bytes(n):])
		}
		for i := range t.rows {
			x := t.x[i*m.Cols:][:m.Cols]
			var v float32
			if n > 0 {
				v = dot(&row[0], &x[0], n)
			}
			for j, w := range tail {
				v += w * x[n+j]
			}
			a.dst[i*m.Rows+r] = v
		}
	}
}
