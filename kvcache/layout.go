package kvcache

import "unsafe"

// Layouts. Two streams of pages hold a segment: one for keys, one for values.
//
//	row pages        keys: positions [per]i32 | column 0 [per] | column 1 [per] | … | rows [per];  values: rows [per]
//	grouped keys     record | record | … ; a record is a group, or what Keep left of it:
//	                 scales, minima and codes (kernel.GroupFormat) | positions [n]i32 | columns [n]…
//	grouped values   blocks of as many tokens as a group has, the last one padded
//
// Rows never cross the end of a page. Records and blocks do, so that any page size is filled to the last byte; readers copy the
// one that crosses, about 2 KiB for every page, which is little beside the work on it. Areas are padded to 4 bytes.

const positionBytes = 4

func pad4(n int) int { return (n + 3) &^ 3 }

// layout is the geometry of one stream: a pure function of page size, format, channels and side columns.
type layout struct {
	pageBytes int
	format    Format
	dims      int   // channels a row stores
	keys      bool  // positions and columns lie here
	grouped   bool  // records or blocks, not rows
	widths    []int // keys: bytes per entry of each side column
	rowBytes  int   // rows: one encoded row
	per       int   // rows: entries of a page
	rowsAt    int   // rows: where they begin in a page
	block     int   // grouped: bytes of a full block, or of a full record without positions and columns
}

func newLayout(pageBytes int, f Format, dims int, keys bool, widths []int) layout {
	y := layout{pageBytes: pageBytes, format: f, dims: dims, keys: keys, grouped: f.Grouped()}
	if keys {
		y.widths = widths
	}
	if y.grouped {
		if keys {
			y.block = groupFormat(f).KeyBytes(dims)
		} else {
			y.block = groupFormat(f).ValueBytes(dims)
		}
		return y
	}
	y.rowBytes = rowFormat(f).Bytes(dims)
	y.per = pageBytes / (y.rowBytes + y.metaBytes(1))
	for y.metaBytes(y.per+1)+(y.per+1)*y.rowBytes <= pageBytes {
		y.per++ // metaBytes(1) may have counted padding
	}
	if keys {
		// Rows on a cache line where that costs no entry.
		y.rowsAt = y.metaBytes(y.per)
		if at := (y.rowsAt + 63) &^ 63; at+y.per*y.rowBytes <= pageBytes {
			y.rowsAt = at
		}
	}
	return y
}

// fits reports whether a page holds at least one entry.
func (y *layout) fits() bool { return y.grouped || y.per > 0 }

// columnAt is where column c begins in an area of positions and columns for n entries; c = len(widths) gives its size.
func (y *layout) columnAt(c, n int) int {
	at := n * positionBytes
	for _, w := range y.widths[:c] {
		at += pad4(n * w)
	}
	return at
}

// metaBytes is the size of positions and columns of n entries.
func (y *layout) metaBytes(n int) int {
	if !y.keys {
		return 0
	}
	return y.columnAt(len(y.widths), n)
}

// codeBytes is the size of the first part of a record of n entries: scales, minima and codes.
func (y *layout) codeBytes(n int) int { return groupFormat(y.format).KeyBlockBytes(n, y.dims) }

// recordBytes is the size of a record of n entries.
func (y *layout) recordBytes(n int) int { return y.codeBytes(n) + y.metaBytes(n) }

// bytes is what n entries take when appended at once to an empty grouped stream.
func (y *layout) bytes(n int) int {
	group := y.format.GroupTokens()
	if !y.keys {
		return (n + group - 1) / group * y.block
	}
	size := n / group * y.recordBytes(group)
	if n%group > 0 {
		size += y.recordBytes(n % group)
	}
	return size
}

// pages is the number of pages that n entries take when appended at once to an empty stream.
func (y *layout) pages(n int) int {
	if y.grouped {
		return (y.bytes(n) + y.pageBytes - 1) / y.pageBytes
	}
	return (n + y.per - 1) / y.per
}

// run is a stretch of entries that lie together. It borrows page memory, or a reader's buffer.
type run struct {
	n      int
	data   []byte // rows: those of the run; grouped: the whole block, of which the run is entries lo to lo+n
	lo     int
	meta   []byte // keys: positions and columns laid out for metaN entries, of which the run's begin at entry metaLo
	metaN  int
	metaLo int
}

// positions are those of the run's entries; borrowed.
func (r *run) positions() []Position {
	if r.n == 0 {
		return nil
	}
	return unsafe.Slice((*Position)(unsafe.Pointer(&r.meta[0])), r.metaN)[r.metaLo : r.metaLo+r.n]
}

// column is the memory of side column c for the entries of the run; borrowed, see run.
func (r *run) column(y *layout, c int) []byte {
	at, w := y.columnAt(c, r.metaN), y.widths[c]
	return r.meta[at+r.metaLo*w : at+(r.metaLo+r.n)*w]
}

// slice narrows a run to its entries [lo, hi).
func (r run) slice(y *layout, lo, hi int) run {
	if y.grouped {
		r.lo += lo
	} else {
		r.data = r.data[lo*y.rowBytes : hi*y.rowBytes]
	}
	r.metaLo += lo
	r.n = hi - lo
	return r
}

// pageRun is the first n entries of a row page.
func (y *layout) pageRun(page []byte, n int) run {
	r := run{n: n, metaN: y.per, data: page[y.rowsAt : y.rowsAt+n*y.rowBytes]}
	if y.keys {
		r.meta = page[:y.metaBytes(y.per)]
	}
	return r
}

// recordRun is a record of n entries.
func (y *layout) recordRun(record []byte, n int) run {
	at := y.codeBytes(n)
	return run{n: n, data: record[:at], meta: record[at:], metaN: n}
}
