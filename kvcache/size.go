package kvcache

import "sort"

// PageBytes chooses the page size for a model: the smallest multiple of 4 KiB that holds one quantisation group of keys, one
// of values, and, of the formats that store rows whole, wastes at most a sixteenth of a page. Grouped formats fill pages of any size to
// the last byte. Small pages cost little (a table entry each) and let a byte budget be divided finely: every
// lane ends in two partly filled pages. Without storages it is 4096 or what f16 wants.
func PageBytes(headDim int, storages ...Storage) int {
	const unit = 4096
	var ys []layout
	for _, st := range append(storages, residualStorage) {
		keys, values := newLayouts(1<<20, st, headDim, headDim, nil)
		ys = append(ys, keys, values)
	}
	size := unit
	for _, y := range ys {
		part := y.block
		if y.grouped && y.keys {
			n := y.format.GroupTokens()
			part = y.codeBytes(n) + y.metaBytes(n)
		}
		size = max(size, (part+unit-1)/unit*unit)
	}
	for ; size < 64*unit; size += unit {
		ok := true
		for _, y := range ys {
			if y.grouped {
				continue
			}
			entry := y.rowBytes + y.metaBytes(1)
			ok = ok && size >= entry && (size%entry)*16 <= size
		}
		if ok {
			break
		}
	}
	return size
}

// BytesFor is what one lane of n entries takes, appended at once: whole pages of keys and of values, positions and the
// given side columns included.
func BytesFor(n, headDim int, s Storage, pageBytes int, columns ...Column) int64 {
	if n <= 0 {
		return 0
	}
	var widths []int
	for _, c := range columns {
		widths = append(widths, c.Kind.bytes())
	}
	keys, values := newLayouts(pageBytes, s, headDim, headDim, widths)
	if !keys.fits() || !values.fits() {
		return 1<<63 - 1
	}
	return int64(keys.pages(n)+values.pages(n)) * int64(pageBytes)
}

// EntriesFor is the inverse: the largest number of entries that a lane of at most bytes bytes holds.
func EntriesFor(bytes int64, headDim int, s Storage, pageBytes int, columns ...Column) int {
	limit := int(min(bytes, 1<<40)) / max(1, headDim*(s.Keys.Bits()+s.Values.Bits())/8) // an entry takes more than its codes
	return sort.Search(limit+1, func(n int) bool { return BytesFor(n+1, headDim, s, pageBytes, columns...) > bytes })
}
