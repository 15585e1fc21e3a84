package kvcache

import "pith/kernel"

// rowFormat maps the formats that store a row by itself to the kernels' name for them.
func rowFormat(f Format) kernel.RowFormat {
	return [...]kernel.RowFormat{F16: kernel.RowF16, F32: kernel.RowF32, BF16: kernel.RowBF16, Q8: kernel.RowQ8}[f]
}

// groupFormat maps the grouped formats to the kernels' name for them.
func groupFormat(f Format) kernel.GroupFormat {
	return kernel.GroupFormat{Bits: f.Bits(), Group: f.GroupTokens()}
}

// blockTokens is the number of tokens of a value block that stands by itself.
const blockTokens = 64

// blockFormat is the kernels' format of a value block of n tokens: values have scale and minimum per token, so a block may be
// as short as its tokens allow.
func blockFormat(f Format, n int) kernel.GroupFormat {
	g := groupFormat(f)
	g.Slots = g.SlotsFor(n)
	return g
}

// maxGroup bounds the query heads that share a KV head.
const maxGroup = 64

// dotRun writes the scores of g queries with the entries of a key run to dst[h*stride+i]; tmp has g*64 floats. next is what will be read then.
func dotRun(y *layout, r *run, next []byte, dst []float32, stride int, q, tmp []float32, g int) {
	if !y.grouped {
		kernel.DotRowsGroup(dst, stride, q, r.data, g, r.n, y.dims, rowFormat(y.format))
		return
	}
	f := groupFormat(y.format)
	if r.lo == 0 {
		kernel.DotBlockKNext(dst, stride, q, r.data, next, g, r.n, y.dims, f)
		return
	}
	// A piece that begins inside a group, as may happen after Keep: a key's score does not depend on its neighbours.
	end := r.lo + r.n
	kernel.DotBlockK(tmp, end, q, r.data, g, end, y.dims, f)
	for h := range g {
		copy(dst[h*stride:h*stride+r.n], tmp[h*end+r.lo:])
	}
}

// accumulateRun adds the entries of a value run, weighted by weights[h*stride+i], to acc [g, d]; tmp has g*64 floats.
func accumulateRun(y *layout, r *run, acc, weights []float32, stride int, tmp []float32, g int) {
	if !y.grouped {
		kernel.AccumulateRowsGroup(acc, weights, stride, r.data, g, r.n, y.dims, rowFormat(y.format))
		return
	}
	f := blockFormat(y.format, r.held)
	if r.lo == 0 {
		kernel.AccumulateGroupV(acc, weights, stride, r.data, g, r.n, y.dims, f)
		return
	}
	end := r.lo + r.n
	clear(tmp[:g*end])
	for h := range g {
		copy(tmp[h*end+r.lo:(h+1)*end], weights[h*stride:])
	}
	kernel.AccumulateGroupV(acc, tmp, end, r.data, g, end, y.dims, f)
}

// decodeRun writes the entries of a run to dst, [n, dims]; tmp is free memory.
func decodeRun(y *layout, r *run, dst []float32, tmp *[]float32) {
	if !y.grouped {
		kernel.DecodeRows(dst, r.data, r.n, y.dims, rowFormat(y.format))
		return
	}
	end := r.lo + r.n
	out := dst
	if r.lo > 0 {
		out = floats(tmp, end*y.dims)
	}
	if y.keys {
		kernel.DecodeBlockK(out, r.data, end, y.dims, groupFormat(y.format))
	} else {
		kernel.DecodeGroupV(out, r.data, end, y.dims, blockFormat(y.format, r.held))
	}
	if r.lo > 0 {
		copy(dst[:r.n*y.dims], out[r.lo*y.dims:])
	}
}
