package kernel

import "unsafe"

// Rows on several pages with AVX-512: a call walks a list of pages, because a page of 4 KiB is half a microsecond's work, of which calls and the
// rows behind the last whole unit would take a fifth. It asks for pages that later calls read while it multiplies.

const (
	// pagesAhead is how far what is asked for lies ahead of what is read. Lines come into the second cache: in f16 two pages ahead they make an entry
	// 12.6 ns, in the first 15.9, in q8 three pages ahead 11.7 and 13.3.
	pagesAhead = 3
	// mostAhead bounds it where pages are of few rows and as many bytes are asked for ahead.
	mostAhead = 16
	fullPage  = 4 << 10 // bytes
	// bytesPerCall bounds an assembly call to some microseconds, and keeps rows in the cache while they are read again for further heads.
	bytesPerCall = 32 << 10
)

// wideRun are the operands of products of keys, or of sums of values: then dst are the weights and q is what is added to.
type wideRun struct {
	dst     []float32
	stride  int
	q       []float32
	rounded []byte // in place of q, where keys are multiplied in integers
	g, d    int
	f       RowFormat
	sums    bool
}

// cut makes pages of n rows that lie together.
func (w *wideRun) cut(rows, next []byte, n int) {
	size := w.f.Bytes(w.d)
	for i := 0; i < n; {
		m := min(rowsPerCall, n-i)
		if n-i-m < fewestQ8 { // no page of a few rows
			m = n - i
		}
		page := [1]RowPage{{rows[i*size : (i+m)*size], m}}
		asks := page
		if i*size < len(next) {
			asks[0].Rows = next[i*size : min((i+m)*size, len(next))]
		}
		w.call(page[:], asks[:], i, m, size)
		i += m
	}
}

// pages walks the first count of pages, and asks for the others.
func (w *wideRun) pages(pages []RowPage, count int) {
	size := w.f.Bytes(w.d)
	ahead := w.ahead(pages[:count])
	for i, at := 0, 0; i < count; {
		j, rows, bytes := i, 0, 0
		few := len(w.rounded) > 0 && pages[i].N < fewestQ8
		for ; j < count && (j == i || bytes < bytesPerCall && !few && (len(w.rounded) == 0 || pages[j].N >= fewestQ8)); j++ {
			p := &pages[j]
			p.Rows = p.Rows[:p.N*size]
			bytes += len(p.Rows)
			rows += p.N
		}
		asks := pages[min(i+ahead, len(pages)):min(j+ahead, len(pages))]
		if len(asks) == 0 {
			asks = pages[i:j]
		}
		w.call(pages[i:j], asks, at, rows, size)
		at += rows
		i = j
	}
}

// ahead is pagesAhead full pages in pages as short as these, which are what a reader picks of a lane.
func (w *wideRun) ahead(pages []RowPage) int {
	rows := 0
	for i := range pages {
		rows += pages[i].N
	}
	if rows == 0 {
		return pagesAhead
	}
	return min(mostAhead, max(pagesAhead, pagesAhead*fullPage*len(pages)/(rows*w.f.Bytes(w.d))))
}

// call is for pages of n rows in all, whose first one is row at of dst.
func (w *wideRun) call(pages, asks []RowPage, at, n, size int) {
	page, ask := (*byte)(unsafe.Pointer(&pages[0])), (*byte)(unsafe.Pointer(&asks[0]))
	count, askCount := len(pages), len(asks)
	for h, run := 0, headsAtOnce(w.g); h < w.g; h += run {
		run = min(run, w.g-h)
		o := w.dst[h*w.stride+at:]
		_ = o[(run-1)*w.stride+n-1]
		switch {
		case w.sums:
			x := w.q[h*w.d : (h+run)*w.d]
			accumulateRowsAVX512(w.f, run, &x[0], &o[0], page, ask, count, askCount, 4*w.stride, w.d, size)
		case len(w.rounded) > 0:
			x := w.rounded[roundedBytes*h*w.d/q8Group:][:roundedBytes*run*w.d/q8Group]
			if n < fewestQ8 {
				dotFewRounded(o, w.stride, x, pages[0].Rows, run, n, w.d)
			} else {
				dotRowsVNNI(run, &o[0], &x[0], page, ask, count, askCount, 4*w.stride, w.d, size)
			}
		default:
			x := w.q[h*w.d : (h+run)*w.d]
			dotRowsAVX512(w.f, run, &o[0], &x[0], page, ask, count, askCount, 4*w.stride, w.d, size)
		}
		ask, askCount = page, 1 // once is enough
	}
}

// PagesAhead is the number of pages behind those read that DotPages and AccumulatePages ask for.
func PagesAhead() int {
	if CPU() < AVX512 {
		return 1
	}
	return pagesAhead
}

func dotPages(p *Queries, dst []float32, stride int, pages []RowPage, count int) bool {
	if !wideRows(p.d, p.f) {
		return false
	}
	(&wideRun{dst: dst, stride: stride, q: p.q, rounded: p.rounded, g: p.g, d: p.d, f: p.f}).pages(pages, count)
	return true
}

func accumulatePages(acc, weights []float32, stride int, pages []RowPage, count, g, d int, f RowFormat) bool {
	if !wideRows(d, f) {
		return false
	}
	(&wideRun{dst: weights, stride: stride, q: acc, g: g, d: d, f: f, sums: true}).pages(pages, count)
	return true
}
