package kernel

import (
	"fmt"

	"pith/quant"
)

// Matrix is a weight matrix in its stored form: Rows outputs, each a row of Cols weights in blocks of one format.
type Matrix struct {
	Type       quant.Type
	Rows, Cols int

	format   *quant.Format
	data     []byte // Rows*rowBytes bytes, borrowed
	rowBytes int
	packed   []byte // the packed form, or nil; see Pack
}

// NewMatrix describes data as rows x cols weights of type t. data is borrowed for the life of the matrix, usually from
// a mapped file; it needs no alignment. An unknown type, a row that is not a whole number of blocks and a wrong number
// of bytes are errors.
func NewMatrix(t quant.Type, rows, cols int, data []byte) (*Matrix, error) {
	f, ok := quant.Lookup(t)
	if !ok {
		return nil, fmt.Errorf("kernel: matrix: %s is not a weight format", t)
	}
	if rows <= 0 || cols <= 0 {
		return nil, fmt.Errorf("kernel: matrix: %d x %d %s has no weights", rows, cols, f.Name)
	}
	if cols%f.BlockElems != 0 {
		return nil, fmt.Errorf("kernel: matrix: %d columns are not a multiple of %s's %d", cols, f.Name, f.BlockElems)
	}
	rowBytes := f.Bytes(cols)
	if len(data)%rowBytes != 0 || len(data)/rowBytes != rows {
		return nil, fmt.Errorf("kernel: matrix: %d bytes, want %d rows of %d (%d x %s)", len(data), rows, rowBytes, cols, f.Name)
	}
	return &Matrix{Type: t, Rows: rows, Cols: cols, format: f, data: data, rowBytes: rowBytes}, nil
}

// Bytes returns the size of the stored weights.
func (m *Matrix) Bytes() int { return len(m.data) }

// Row dequantises row r, in [0, Rows), into dst, which has Cols elements.
func (m *Matrix) Row(dst []float32, r int) {
	m.format.Decode(dst[:m.Cols], m.rows(r, 1))
}

// Column dequantises column c, in [0, Cols), into dst, which has Rows elements.
func (m *Matrix) Column(dst []float32, c int) {
	n := m.format.BlockElems
	block := make([]float32, n)
	first := m.format.Bytes(c / n * n)
	for r := range dst[:m.Rows] {
		m.format.Decode(block, m.rows(r, 1)[first:][:m.format.BlockBytes])
		dst[r] = block[c%n]
	}
}

// rows returns the bytes of n rows from r.
func (m *Matrix) rows(r, n int) []byte { return m.data[r*m.rowBytes : (r+n)*m.rowBytes] }

// RoundsActivations reports whether products with the matrix round activations to 8 bits unless they are exact.
func (m *Matrix) RoundsActivations() bool { return m.integer() }

// integer reports whether the format has an integer form.
func (m *Matrix) integer() bool { return m.format.Group > 0 }
