package kernel

// Products on the AMX tier: strips of sixteen rows times a panel, a dot of one weight group at a time in tiles.
//
// Groups are summed exactly and then scaled in the order of the package comment, so that the bits are those of the other
// tiers. A tile dot can therefore span no more than one group, and what bounds the kernel is not the tiles but the scaling.
// Per group and register of sixteen outputs, in slots of the two 512-bit ports (Sapphire Rapids: uops.info):
//
//	                      dots  zero  convert, 2 products, sum  offset  cycles  MAC/cycle  bound by
//	VNNI, zero, 32           8     2                         4       -     7.0         73  ports
//	VNNI, offset, 32         8     -                         4       2     7.0         73
//	VNNI, 16                 4   2/-                         4     -/2     5.0         51
//	AMX, zero, 32            -     -                         4       -     2.0        256  ports
//	AMX, offset, 32          -     -                         4       2     3.0        171
//	AMX, zero, 16            -     -                         4       -     2.0        128
//	AMX, offset, 16          -     -                         4       2     3.0         85
//
// Beside the ports a dot of 16x16 results needs 16 cycles of the tile unit, 16 stores, and loads of 16 rows of codes, 4 or 8 of
// the panel, 16 or 32 broadcasts and 16 rows of sums, two a cycle: 28 of the 32 cycles with a zero point, 37 of 48
// with an offset, groups of 32. The zero point costs nothing: it is subtracted from the panel once, which is then shared
// by all strips, and both operands are signed bytes (TDPBSSD). With the scaling gone (one scale a matrix) the tile unit
// itself would stop at 512 MAC/cycle, since a group fills half of a tile's 64 columns.
//
// The sums leave the tiles through memory, the only way there is: 2 KiB that stay in the first cache. Two dots are in flight
// while a third is scaled.

// amxRows is the number of rows of a strip. Rows that fill no strip go through the kernels of the VNNI tier.
const amxRows = 16

// amxSpill is the number of f32 that amxStrips needs to pass sums through.
const amxSpill = 2 * amxRows * panelRows

// amxStrips is integerStrip for strips of sixteen rows, dst[16*strips][16] += codes x panel, with these differences:
//
//	panel   signed codes
//	dots    weight groups, at least 1
//	scale   [strips][groups of 32][16] of the activations, strips scaleStride bytes apart
//	sums    [strips][weight groups][16] scale*sum, strips sumsStride bytes apart; not read without offsets
//	spill   amxSpill elements, aligned to 64 bytes
type amxStrips func(dst *float32, dstStride int, panel *uint8, scales *float32, dots int, codes *int8, codeStride int,
	scale *float32, scaleStride int, sums *float32, sumsStride int, strips int, spill *float32)

// amxKernels is what the AMX tier adds to VNNI.
type amxKernels struct {
	strips [2][2]amxStrips                 // [group 16][offset]
	centre func(codes *uint8, zero, n int) // subtracts zero from n codes, a multiple of 64
}

// amxStripsOf returns the whole strips among rows.
func (k *kernelSet) amxStripsOf(rows int) int {
	if k == nil || k.amx == nil {
		return 0
	}
	return rows / amxRows
}

// amxPanel adds to the first strips of dst the columns [c, c+n) of a panel, whose codes it makes signed.
func (t *productTask) amxPanel(k *kernelSet, a *part, b *buffer, p int, dst []float32, stride, c, n, strips int) {
	f, act := a.m.format, &t.s.act
	if f.Zero != 0 {
		k.amx.centre(&b.panel[p][0], f.Zero, panelRows*n)
	}
	if b.spill == nil {
		b.spill = alignedFloats(amxSpill)
	}
	wide, offset := 32/f.Group, 0
	sums := act.strip32
	if wide == 2 {
		sums = act.strip16
	}
	if f.Zero == 0 {
		offset = 1
	}
	g, row := c/block*amxRows, act.groupStride*amxRows
	k.amx.strips[wide-1][offset](&dst[0], 4*stride, &b.panel[p][0], &b.scales[p][0], n/f.Group, &act.codes[c], act.stride,
		&act.stripScale[g], 4*row, &sums[g*wide], 4*row*wide, strips, &b.spill[0])
}

// interleave copies the scales and sums of strip i, so that those of sixteen rows lie side by side.
func (a *activations) interleave(k *kernelSet, i int) {
	g := i * amxRows * a.groupStride
	n := (a.groups + 3) &^ 3
	k.transpose(word(a.stripScale[g:]), 4*amxRows, word(a.scale[g:]), 4*a.groupStride, n)
	k.transpose(word(a.strip32[g:]), 4*amxRows, word(a.sum32[g:]), 4*a.groupStride, n)
	k.transpose(word(a.strip16[2*g:]), 4*amxRows, word(a.sum16[2*g:]), 8*a.groupStride, 2*n)
}
