package kernel

import (
	"fmt"
	"unsafe"
)

// RowFormat is the storage of one cached key or value row of d channels. Rows lie one after the other, f.Bytes(d) apart,
// without alignment.
type RowFormat uint8

const (
	RowF32  RowFormat = iota // d f32
	RowF16                   // d f16; encoding clamps to ±65504
	RowBF16                  // d bf16
	RowQ8                    // per 32 channels: f16 scale, 32 int8; a last partial group holds what is left
)

// q8Group is the number of channels that share a scale in RowQ8.
const q8Group = 32

var rowFormatNames = [...]string{"f32", "f16", "bf16", "q8"}

func (f RowFormat) String() string {
	if int(f) < len(rowFormatNames) {
		return rowFormatNames[f]
	}
	return fmt.Sprintf("rowformat(%d)", uint8(f))
}

// ParseRowFormat reads a format's name.
func ParseRowFormat(name string) (RowFormat, bool) {
	for i, s := range rowFormatNames {
		if s == name {
			return RowFormat(i), true
		}
	}
	return 0, false
}

// Bytes returns the bytes of a row of d channels.
func (f RowFormat) Bytes(d int) int {
	switch f {
	case RowF32:
		return 4 * d
	case RowF16, RowBF16:
		return 2 * d
	case RowQ8:
		return d + 2*((d+q8Group-1)/q8Group)
	}
	panic("kernel: " + f.String() + ": unknown row format")
}

// EncodeRows writes n rows of d channels of src to dst and returns how many values were beyond the format's range and
// were clamped (a lane that sees any changes to bf16). NaN stays NaN where the format has one.
func EncodeRows(dst []byte, src []float32, n, d int, f RowFormat) (overflow int) {
	n, d = joinRows(n, d)
	size := f.Bytes(d)
	for i := range n {
		overflow += encodeRow(dst[i*size:(i+1)*size], src[i*d:(i+1)*d], f)
	}
	return overflow
}

// joinRows takes rows of whole groups as fewer, longer ones of at most 16384 channels: their bytes are the same.
func joinRows(n, d int) (int, int) {
	for d%q8Group == 0 && d <= 8192 && n%2 == 0 && n > 0 {
		n, d = n/2, d*2
	}
	return n, d
}

// DecodeRows writes n stored rows of d channels to dst.
func DecodeRows(dst []float32, src []byte, n, d int, f RowFormat) {
	n, d = joinRows(n, d)
	size := f.Bytes(d)
	for i := range n {
		decodeRow(dst[i*d:(i+1)*d], src[i*size:(i+1)*size], f)
	}
}

// DotRows writes the products of q [d] with n stored rows to dst [n].
func DotRows(dst, q []float32, rows []byte, n, d int, f RowFormat) {
	DotRowsGroup(dst, n, q, rows, 1, n, d, f)
}

// DotRowsGroup writes the products of g queries q [g, d] with n stored rows to dst[h*stride+i]. A stored row is read and
// converted once for several queries; the result for a query and a row does not depend on the others.
func DotRowsGroup(dst []float32, stride int, q []float32, rows []byte, g, n, d int, f RowFormat) {
	if g <= 0 || n <= 0 {
		return
	}
	dotRows(dst[:(g-1)*stride+n], stride, q[:g*d], rows[:n*f.Bytes(d)], nil, g, n, d, f)
}

// Queries are queries prepared for many calls with rows of one format. The zero value is ready for Set; the products are those of
// DotRowsGroup, bit for bit.
type Queries struct {
	q       []float32
	g, d    int
	f       RowFormat
	rounded []byte // see rows_q8_amd64.go; empty where a tier takes f32
}

// Set takes g queries q [g, d], which are borrowed until the next Set. It allocates only to grow.
func (p *Queries) Set(q []float32, g, d int, f RowFormat) {
	p.q, p.g, p.d, p.f = q[:g*d], g, d, f
	p.rounded = roundQueries(p.rounded[:0], p.q, g, d, f)
}

// AccumulateRows adds the sum of weights[i] * row i over n stored rows, ascending, to acc [d].
func AccumulateRows(acc, weights []float32, rows []byte, n, d int, f RowFormat) {
	AccumulateRowsGroup(acc, weights, n, rows, 1, n, d, f)
}

// AccumulateRowsGroup adds, for g heads, the sum of weights[h*stride+i] * row i over n stored rows, ascending, to
// acc [g, d]. Every channel is one chain of multiply-adds that starts from acc, so that cutting the rows into several
// calls changes no bit.
func AccumulateRowsGroup(acc, weights []float32, stride int, rows []byte, g, n, d int, f RowFormat) {
	AccumulateRowsNext(acc, weights, stride, rows, nil, g, n, d, f)
}

// AccumulateRowsNext is AccumulateRowsGroup that asks meanwhile for next, rows which a later call will read, as far as these rows reach. The
// processor's own prefetching ends with a page of memory.
func AccumulateRowsNext(acc, weights []float32, stride int, rows, next []byte, g, n, d int, f RowFormat) {
	if g <= 0 || n <= 0 {
		return
	}
	accumulateRows(acc[:g*d], weights[:(g-1)*stride+n], stride, rows[:n*f.Bytes(d)], next, g, n, d, f)
}

// RowPage is stored rows that lie together, N of them.
type RowPage struct {
	Rows []byte
	N    int
}

// DotPages writes the products of the queries with the rows of the first count pages to dst[h*stride+i], and asks meanwhile for the pages behind
// them.
func (p *Queries) DotPages(dst []float32, stride int, pages []RowPage, count int) {
	if p.g <= 0 || dotPages(p, dst, stride, pages, count) {
		return
	}
	for i := range count {
		n := pages[i].N
		dotRows(dst[:(p.g-1)*stride+n], stride, p.q, pages[i].Rows[:n*p.f.Bytes(p.d)], rowsBehind(pages, i), p.g, n, p.d, p.f)
		dst = dst[n:]
	}
}

// AccumulatePages is AccumulateRowsGroup for the rows of the first count pages, and asks meanwhile for the pages behind them.
func AccumulatePages(acc, weights []float32, stride int, pages []RowPage, count, g, d int, f RowFormat) {
	if g <= 0 || accumulatePages(acc, weights, stride, pages, count, g, d, f) {
		return
	}
	for i := range count {
		AccumulateRowsNext(acc, weights, stride, pages[i].Rows, rowsBehind(pages, i), g, pages[i].N, d, f)
		weights = weights[pages[i].N:]
	}
}

func rowsBehind(pages []RowPage, i int) []byte {
	if i+1 < len(pages) {
		return pages[i+1].Rows
	}
	return nil
}

// Prefetch asks for the first lines of rows that a coming call reads, at most 4 KiB of them. The processor's own prefetching ends
// at the end of a page of memory: rows of 64 channels in f16 on scattered pages of 4 KiB are read a quarter to a third faster
// when the next page is asked for before the present one is read.
func Prefetch(rows []byte) {
	if len(rows) > 0 {
		prefetch(rows)
	}
}

// CopyRows copies the first n rows of rowBytes bytes each, wherever they lie, to dst, one behind the other, and asks meanwhile for rows some places ahead, those
// behind them too.
func CopyRows(dst []byte, rows []*byte, n, rowBytes int) {
	if n > 0 {
		copyRows(dst[:n*rowBytes], rows, n, rowBytes)
	}
}

func copyRowsGeneric(dst []byte, rows []*byte, n, rowBytes int) {
	for i, row := range rows[:n] {
		copy(dst[i*rowBytes:], unsafe.Slice(row, rowBytes))
	}
}
