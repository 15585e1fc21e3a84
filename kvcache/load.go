package kvcache

// A Load is what one lane may come to hold, and how it gets there. Bytes of it is what admission counts.
type Load struct {
	HeadDim int
	Storage Storage
	Columns []Column
	Levels  []int // of [Cache.SetBounds]
	Sketch  bool  // of [Cache.SetSketch]

	Prompt    int     // entries appended at once
	Thinned   bool    // of whose keys only some channels are stored
	Demoted   int     // entries in fewer bits beside them, at most
	DemotedTo Storage // how these lie
	Tail      int     // entries that come on top, as decode adds them

	// Where entries are dropped, or demoted, while others are added:
	Held     int // entries there at one time, demoted ones aside, at most; 0: nothing is dropped
	Residual int // of them in the residual, at most
}

// Bytes is the most that the lane takes at any moment, whole pages and channel lists. It is exact where nothing is dropped while entries are
// added and the residual is not settled; settling only makes it less.
func (y Load) Bytes(pageBytes int) int64 {
	main, tail := y.Prompt, y.Tail
	if y.Held > 0 {
		tail = min(tail, y.Held)
	}
	if !y.Storage.grouped() && !y.Thinned && y.Demoted == 0 {
		main, tail = main+tail, 0 // decode goes on in the same pages
		if y.Held > 0 {
			main = max(y.Prompt, min(main, y.Held))
		}
	}
	pages, lists := y.pages(y.DemotedTo, y.Demoted, pageBytes), 0
	switch {
	case y.Storage.grouped() && y.Held > 0:
		pages += y.cut(pageBytes)
	case y.Storage.grouped():
		pages += y.pages(y.Storage, main, pageBytes) + y.pages(residualStorage, tail, pageBytes)
	case y.Held > 0 && y.Demoted > 0: // in two segments, one before the demoted entries and one behind them
		pages += y.pages(y.Storage, min(y.Held, y.Prompt+y.Tail), pageBytes) + y.ends(y.Storage, pageBytes)
	default:
		pages += y.pages(y.Storage, main, pageBytes) + y.pages(y.Storage, tail, pageBytes)
	}
	if y.Thinned {
		lists = 2 * y.HeadDim
		if y.Demoted > 0 {
			lists *= 2
		}
	}
	return int64(pages)*int64(pageBytes) + int64(lists)
}

// Ragged is what such a lane may take beyond Bytes where lanes of unequal lengths hold as many entries together: every stream may end
// in a page that is almost empty, and what is grouped in a group that is.
func (y Load) Ragged(pageBytes int) int64 {
	pages := y.ends(y.Storage, pageBytes)
	if y.Demoted > 0 {
		pages += y.ends(y.DemotedTo, pageBytes)
	}
	return int64(pages) * int64(pageBytes)
}

func (y Load) ends(st Storage, pageBytes int) int {
	pages := y.pages(st, 1, pageBytes) + len(y.Levels)
	if y.Sketch {
		pages++
	}
	if st.grouped() {
		pages++
	}
	return pages
}

// pages is what n entries in a segment of their own take.
func (y Load) pages(st Storage, n, pageBytes int) int {
	if n <= 0 {
		return 0
	}
	keys, values := y.layouts(st, pageBytes)
	if !keys.fits() || !values.fits() {
		return 1 << 40 / pageBytes
	}
	return keys.pages(n) + values.pages(n) + y.boundPages(st, n, pageBytes)
}

func (y Load) layouts(st Storage, pageBytes int) (keys, values layout) {
	var widths []int
	for _, c := range y.Columns {
		widths = append(widths, c.Kind.bytes())
	}
	return newLayouts(pageBytes, st, y.HeadDim, y.HeadDim, widths)
}

func (y Load) boundPages(st Storage, n, pageBytes int) int {
	pages := 0
	for _, span := range y.Levels {
		b := newBounds(pageBytes, st.Keys, y.HeadDim, span)
		pages += b.pages(blocks(n, span))
	}
	if y.Sketch {
		for _, b := range newSketch(pageBytes, y.HeadDim) {
			pages += b.pages(blocks(n, sketchTokens))
		}
	}
	return pages
}

// cut is the most pages of a grouped lane whose groups lose entries while others are added. What lies in whole groups and what waits in the
// residual share the entries held; the dearest way to share them counts.
func (y Load) cut(pageBytes int) int {
	keys, values := y.layouts(y.Storage, pageBytes)
	group := blockTokens
	if keys.grouped {
		group = keys.format.GroupTokens()
	}
	records := (y.Prompt+group-1)/group + y.Tail/group // that are ever written
	most := 0
	for waiting := range min(y.Residual, y.Tail, y.Held) + 1 {
		n := min(y.Held, y.Prompt+y.Tail) - waiting
		pages := y.pages(residualStorage, waiting, pageBytes) + values.pages(n) + y.boundPages(y.Storage, n, pageBytes)
		if keys.grouped {
			pages += keys.thinPages(n, records)
		} else {
			pages += keys.pages(n)
		}
		most = max(most, pages)
	}
	return most
}

// thinPages is the most pages that n entries take in at most so many records that have lost others. A record of m entries takes no
// more than one of a single entry and (m-1)/group of a whole one: beside what any record has, rounding up to a unit is dearest for the first.
func (y *layout) thinPages(n, records int) int {
	group := y.format.GroupTokens()
	k := min(n, records)
	size := k*y.recordBytes(1) + ((n-k)*y.recordBytes(group)+group-1)/group
	size = min(size, records*y.recordBytes(group))
	return (size + y.pageBytes - 1) / y.pageBytes
}
