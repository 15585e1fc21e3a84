package kvcache

import "unsafe"

// Layouts. A segment has one or two streams of pages.
//
//	row pages        keys: positions [per]i32 | column 0 [per] | column 1 [per] | … | rows [per];  values: rows [per]
//	grouped keys     record | record | … ; a record is a group of n tokens, or what Keep left of it:
//	                 key block (kernel.GroupFormat) | positions [n]i32 | columns [n]…
//	                 | value block, if the values are of a grouped format too
//	grouped values   beside keys that are stored as rows: blocks of 64 tokens, the last one padded
//
// Where both sides are grouped they share the one stream, so that a lane ends in one partly filled page and not in two, and a
// group of any size takes what it needs: at the smallest budgets, of three or four pages a lane, that is a fifth of all entries.
//
// Rows never cross the end of a page. Records and blocks do, so that any page size is filled to the last byte; readers copy the
// part that crosses, about 2 KiB for every page, which is little beside the work on it. Areas are padded to 4 bytes.

const positionBytes = 4

func pad4(n int) int { return (n + 3) &^ 3 }

// layout is the geometry of one stream: a pure function of page size, formats, channels and side columns.
type layout struct {
	pageBytes int
	format    Format
	dims      int    // channels a row stores
	keys      bool   // positions and columns lie here
	grouped   bool   // records or blocks, not rows
	hosted    bool   // values whose blocks lie in the records of the key stream
	joint     bool   // keys whose records hold the values too
	values    Format // joint: their format
	valueDims int    // joint: their channels
	widths    []int  // keys: bytes per entry of each side column
	rowBytes  int    // rows: one encoded row
	per       int    // rows: entries of a page
	rowsAt    int    // rows: where they begin in a page
	whole     parts  // grouped keys: bytes of a record of a whole group
	span      int    // bounds and sketches: slots of a block
	block     int    // grouped values: bytes of a block
}

// newLayouts returns the geometry of a segment's keys, of which dims channels are stored, and values.
func newLayouts(pageBytes int, st Storage, dims, headDim int, widths []int) (keys, values layout) {
	keys = layout{pageBytes: pageBytes, format: st.Keys, dims: dims, keys: true, grouped: st.Keys.Grouped(), widths: widths}
	values = layout{pageBytes: pageBytes, format: st.Values, dims: headDim, grouped: st.Values.Grouped()}
	if keys.grouped && values.grouped {
		keys.joint, keys.values, keys.valueDims = true, st.Values, headDim
		values.hosted = true
	}
	if values.grouped {
		values.block = blockFormat(st.Values, blockTokens).ValueBytes(headDim)
	}
	if keys.grouped {
		n := st.Keys.GroupTokens()
		keys.whole = parts{keys.codeBytes(n), keys.metaBytes(n), keys.valueBytes(n)}
	} else {
		keys.setRows()
	}
	if !values.grouped {
		values.setRows()
	}
	return keys, values
}

func (y *layout) setRows() {
	y.rowBytes = rowFormat(y.format).Bytes(y.dims)
	y.per = y.pageBytes / (y.rowBytes + y.metaBytes(1))
	for y.metaBytes(y.per+1)+(y.per+1)*y.rowBytes <= y.pageBytes {
		y.per++ // metaBytes(1) may have counted padding
	}
	if y.keys {
		// Rows on a cache line where that costs no entry.
		y.rowsAt = y.metaBytes(y.per)
		if at := (y.rowsAt + 63) &^ 63; at+y.per*y.rowBytes <= y.pageBytes {
			y.rowsAt = at
		}
	}
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

// codeBytes is the size of the first part of a record of n entries: the key block.
func (y *layout) codeBytes(n int) int { return groupFormat(y.format).KeyBlockBytes(n, y.dims) }

// valueBytes is the size of the last part of a record of n entries: the value block, if it is there.
func (y *layout) valueBytes(n int) int {
	if !y.joint {
		return 0
	}
	return blockFormat(y.values, n).ValueBytes(y.valueDims)
}

// parts are the bytes of a record's key block, of its positions and columns, and of its value block.
type parts struct{ codes, meta, values int }

// parts returns those of a record of n entries.
func (y *layout) parts(n int) parts {
	if n == y.format.GroupTokens() {
		return y.whole
	}
	return parts{y.codeBytes(n), y.metaBytes(n), y.valueBytes(n)}
}

// recordBytes is the size of a record of n entries.
func (y *layout) recordBytes(n int) int {
	p := y.parts(n)
	return p.codes + p.meta + p.values
}

// bytes is what n entries take when appended at once to an empty grouped stream.
func (y *layout) bytes(n int) int {
	switch {
	case y.hosted:
		return 0
	case !y.keys:
		return (n + blockTokens - 1) / blockTokens * y.block
	}
	group := y.format.GroupTokens()
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
	held   int // grouped values: tokens of the block
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
	p := y.parts(n)
	return run{n: n, data: record[:p.codes], meta: record[p.codes : p.codes+p.meta], metaN: n}
}

// valuePart is the value block of a joint record of n entries.
func (y *layout) valuePart(record []byte, n int) []byte {
	return record[y.codeBytes(n)+y.metaBytes(n):]
}
