package kernel

// A few rows of activations, as in decode, do not pay for panels: time goes into reading the weights. Tiles of eight
// weight rows are read once, front to back, where they lie.

const (
	tileRows   = 3 // rows of activations up to which tiles are faster than panels
	tileHeight = 8 // weight rows of a tile
	tileGroups = 8 // groups of activations that a kernel takes at a time
)

// tileKernel leaves the rounded terms of eight stored rows times one row of activations, in the order in which the blocks
// lie: t = float32(dot)*(scaleW*scaleA) and, in formats with offsets, u = offset*sum, both [8][weight groups].
//
// The rows' groups are counted through, pieces times eight of 32 columns; after period groups the activations begin
// again, and every activation array is continued by eight groups for the piece that crosses a row's end.
type tileKernel struct {
	run   func(t, u *float32, w *uint8, pieces int, codes *int8, scale, sums *float32, period int)
	pairs bool // codes are in the order of pairCodes
}

// tileCodesKernel is tileKernel for rows that have been unpacked, [8][cols] codes and [8][weight groups] scales and offsets.
type tileCodesKernel func(t, u *float32, w *uint8, scaleW, offsetW *float32, zero, pieces int,
	codes *int8, scale, sums *float32, period int)

// tileable reports whether tiles handle rows of cols columns: pairs of groups, and no more than one row's end a piece.
func tileable(cols int) bool { return cols%(2*block) == 0 && cols >= tileGroups*block }

// wrap continues n rows of activations by their first eight groups and fills a.pairs where a kernel reads it.
func (a *activations) wrap(k *kernelSet, n int) {
	for i := range n {
		c, g := a.codes[i*a.stride:][:a.stride], a.groupStride
		copy(c[a.cols:], c)
		again(a.scale[i*g:][:g], a.groups)
		again(a.sum32[i*g:][:g], a.groups)
		again(a.isum32[i*g:][:g], a.groups)
		again(a.sum16[2*i*g:][:2*g], 2*a.groups)
		again(a.isum16[2*i*g:][:2*g], 2*a.groups)
	}
	if k.pairCodes == nil {
		return
	}
	a.pairs = grow(a.pairs, n*a.stride)
	k.pairCodes(&a.pairs[0], &a.codes[0], n*a.stride/(2*block))
}

// again copies the beginning of s behind its first n elements.
func again[T any](s []T, n int) { copy(s[n:], s) }

// integerPacked computes output rows [lo, hi) of a part, whole panels, from few rows of 8-bit activations and packed weights.
func (t *productTask) integerPacked(product packedProduct, a *part, lo, hi int) {
	m, f, act := a.m, a.m.format, &t.s.act
	sums, perGroup, blocks := act.sumsFor(f), block/f.Group, m.Cols/f.BlockElems
	for ; lo < hi; lo += panelRows {
		w := &m.packed[lo*m.rowBytes]
		for i := range t.rows {
			g := i * act.groupStride
			product(&a.dst[i*m.Rows+lo], w, blocks, &act.codes[i*act.stride], &act.scale[g], &sums[g*perGroup])
		}
	}
}

// integerTiles computes output rows [lo, hi) of a part from few rows of 8-bit activations.
func (t *productTask) integerTiles(k *kernelSet, a *part, b *buffer, lo, hi int) {
	m, f, act := a.m, a.m.format, &t.s.act
	if product := k.packedFor(m).product; product != nil {
		t.integerPacked(product, a, lo, hi)
		return
	}
	tile, unpacked, sums := k.tile[m.Type], k.tileCodes[m.Type], act.sumsFor(f)
	codes := act.codes
	if tile.pairs {
		codes = act.pairs
	}
	perGroup := block / f.Group
	groups := act.groups * perGroup
	b.terms, b.offsets = grow(b.terms, tileHeight*groups), grow(b.offsets, tileHeight*groups)
	sum := k.sumTerms
	if f.Zero == 0 {
		sum = k.sumTermPairs
	}
	for ; lo+tileHeight <= hi; lo += tileHeight {
		w := m.rows(lo, tileHeight)
		if tile.run == nil {
			b.plain.resize(tileHeight*m.Cols, f.Group)
			k.unpackRow(f, b.plain.codes, b.plain.scale, b.plain.offset, w)
		}
		for i := range t.rows {
			g := i * act.groupStride
			if tile.run == nil {
				p := &b.plain
				unpacked(&b.terms[0], &b.offsets[0], &p.codes[0], &p.scale[0], &p.offset[0], f.Zero, act.groups,
					&codes[i*act.stride], &act.scale[g], &sums[g*perGroup], act.groups)
			} else {
				tile.run(&b.terms[0], &b.offsets[0], &w[0], act.groups, &codes[i*act.stride], &act.scale[g], &sums[g*perGroup], act.groups)
			}
			sum(&a.dst[i*m.Rows+lo], &b.terms[0], &b.offsets[0], groups)
		}
	}
	if lo < hi {
		t.integerPanels(k, a, b, lo, hi)
	}
}
