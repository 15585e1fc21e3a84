package kernel

import "pith/quant"

// Products of many rows go through panels: sixteen rows of weights, taken apart and interleaved so that a register
// holds one step of all sixteen outputs. A piece of work is a few panels times all rows of the chunk, so a panel is made
// once, stays in the nearest caches and needs no second copy of the weights.

const (
	panelRows    = 16
	panelCols    = 2048 // columns of a panel of codes: 32 KiB, which come from the second cache; fewer make more calls, and results come and go with each
	panelColsF32 = 256  // columns of an f32 panel: 16 KiB
	panelsAtOnce = 4    // panels that a strip of activations meets before the next
)

// integerStrip writes to rows of dst[..][16] what rows of from hold plus the product of rows of 8-bit activations and a panel:
//
//	panel   [32*groups/4][16 outputs][4 codes]
//	scales  [weight group][16] f32, followed by [16] offsets in formats that have them
//	codes   [rows][32*groups]
//	scale   [rows][groups]
//	sums    [rows][weight groups]: scale*sum in f32 where the format has offsets, else the sum as int32
//	from    [rows][16]: dst itself, or zeros in the first columns, which need not be written beforehand then
//
// groups >= 1 counts groups of 32 columns; strides are bytes between rows, groupStride that of scale and, times 32 over
// the weight group, of sums. Groups are added in ascending order as the package comment defines.
type integerStrip func(dst *float32, dstStride int, panel *uint8, scales *float32, groups int,
	codes *int8, codeStride int, scale *float32, sums *float32, groupStride int, from *float32, fromStride int)

// zeros is where the results of the first columns come from, for every row.
var zeros [panelRows]float32

// floatStrip adds to rows of dst[..][16] the product of x [rows][k] and panel [k][16], k >= 1 ascending, one fused
// multiply-add each. Strides are bytes between rows.
type floatStrip func(dst *float32, dstStride int, panel *float32, k int, x *float32, xStride int)

// unpackFunc takes blocks >= 1 blocks apart as quant.Format.Unpack does; offset is not written by symmetric formats.
type unpackFunc func(codes *uint8, scale, offset *float32, src *uint8, blocks int)

// strips are the variants of one micro-kernel by the number of rows, most rows first. They give the same bits.
type strips[F any] []strip[F]

type strip[F any] struct {
	rows int
	run  F
}

// kernelSet is what a tier offers beyond the portable code. Nil entries fall back to it.
type kernelSet struct {
	encode       func(codes *int8, scale, sum32, sum16 *float32, isum32, isum16 *int32, x *float32, groups int)
	transpose    func(dst *uint32, dstStride int, src *uint32, srcStride int, count int)
	dequantise   [2][2]func(dst *float32, codes *uint8, scale, offset *float32, zero int, groups int) // [group 16][offset]
	widen        map[quant.Type]func(dst *float32, src *uint8, n int)
	unpack       map[quant.Type]unpackFunc
	integer      map[quant.Type]strips[integerStrip]
	float        strips[floatStrip]
	tile         map[quant.Type]tileKernel
	tileCodes    map[quant.Type]tileCodesKernel
	packed       map[quant.Type]packedKernels
	pairCodes    func(dst, src *int8, pairs int)
	sumTerms     func(dst, t, u *float32, groups int)
	sumTermPairs func(dst, t, u *float32, groups int)
	dotRow       map[quant.Type]func(w *uint8, x *float32, n int) float32
	amx          *amxKernels
}

// kernels returns the set of the tier in use, nil for the portable one.
func kernels() *kernelSet { return kernelSets[CPU()] }

// columnBlock cuts cols into near-equal runs of at most limit columns, multiples of 256 but for the last.
func columnBlock(cols, limit int) int {
	if cols <= limit {
		return cols
	}
	n := (cols + limit - 1) / limit
	return ((cols+n-1)/n + 255) &^ 255
}

// integerPanels computes output rows [lo, hi) of a part from 8-bit activations, panelsAtOnce panels at a time: the activations of a chunk of a wide matrix
// exceed the second cache, and a strip of them then serves as many panels.
func (t *productTask) integerPanels(k *kernelSet, a *part, b *buffer, lo, hi int) {
	for ; lo < hi; lo += panelsAtOnce * panelRows {
		t.integerPanel(k, a, b, lo, min(hi, lo+panelsAtOnce*panelRows))
	}
}

func (t *productTask) integerPanel(k *kernelSet, a *part, b *buffer, lo, hi int) {
	m, f, act := a.m, a.m.format, &t.s.act
	kernel := k.integer[m.Type]
	full := k.amxStripsOf(t.rows)
	sums := act.sumsFor(f)
	block := columnBlock(m.Cols, panelCols)
	var panels [panelsAtOnce]struct {
		lo, hi int // output rows
		dst    []float32
		stride int
	}
	out := panels[:(hi-lo+panelRows-1)/panelRows]
	for p := range out {
		o := &out[p]
		o.lo, o.hi = lo+p*panelRows, min(hi, lo+(p+1)*panelRows)
		o.dst, o.stride = t.target(a, b, o.lo, o.hi, full*amxRows)
	}
	for c := 0; c < m.Cols; c += block {
		n := min(block, m.Cols-c)
		for p := range out {
			b.packCodes(k, m, out[p].lo, out[p].hi, c, n, p)
		}
		g := c / 32
		for i := full * amxRows; i < t.rows; {
			s := pick(kernel, t.rows-i)
			for p := range out {
				dst, stride := out[p].dst, out[p].stride
				from, fromStride := &zeros[0], 0
				if c > 0 {
					from, fromStride = &dst[i*stride], 4*stride
				}
				s.run(&dst[i*stride], 4*stride, &b.panel[p][0], &b.scales[p][0], n/32,
					&act.codes[i*act.stride+c], act.stride, &act.scale[i*act.groupStride+g], &sums[(i*act.groupStride+g)*(32/f.Group)], 4*act.groupStride,
					from, fromStride)
			}
			i += s.rows
		}
		if full > 0 {
			for p := range out {
				t.amxPanel(k, a, b, p, out[p].dst, out[p].stride, c, n, full)
			}
		}
	}
	for p := range out {
		t.deliver(a, out[p].dst, out[p].lo, out[p].hi)
	}
}

// floatPanels computes output rows [lo, hi) of a part from f32 activations, a panel at a time.
func (t *productTask) floatPanels(k *kernelSet, a *part, b *buffer, lo, hi int) {
	for ; lo < hi; lo += panelRows {
		t.floatPanel(k, a, b, lo, min(hi, lo+panelRows))
	}
}

func (t *productTask) floatPanel(k *kernelSet, a *part, b *buffer, lo, hi int) {
	m := a.m
	dst, stride := t.target(a, b, lo, hi, t.rows)
	block := columnBlock(m.Cols, panelColsF32)
	for c := 0; c < m.Cols; c += block {
		n := min(block, m.Cols-c)
		b.packFloats(k, m, lo, hi, c, n)
		for i := 0; i < t.rows; {
			s := pick(k.float, t.rows-i)
			s.run(&dst[i*stride], 4*stride, &b.panelF32[0], n, &t.x[i*m.Cols+c], 4*m.Cols)
			i += s.rows
		}
	}
	t.deliver(a, dst, lo, hi)
}

// pick returns the largest variant for at most n >= 1 rows.
func pick[F any](s strips[F], n int) *strip[F] {
	i := 0
	for s[i].rows > n {
		i++
	}
	return &s[i]
}

// target returns where a panel's results go and the elements between rows: the result itself, or a buffer when the panel is the matrix's ragged
// last one. The first rows are cleared, for routines that only add.
func (t *productTask) target(a *part, b *buffer, lo, hi, cleared int) ([]float32, int) {
	dst, stride := a.dst[lo:], a.m.Rows
	if hi-lo < panelRows {
		b.tile = grow(b.tile, t.rows*panelRows)
		dst, stride = b.tile, panelRows
	}
	for i := range cleared {
		clear(dst[i*stride:][:panelRows])
	}
	return dst, stride
}

// deliver copies a ragged panel to the result.
func (t *productTask) deliver(a *part, tile []float32, lo, hi int) {
	if hi-lo == panelRows {
		return
	}
	for i := range t.rows {
		copy(a.dst[i*a.m.Rows+lo:][:hi-lo], tile[i*panelRows:])
	}
}
