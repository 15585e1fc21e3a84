package kernel

// Products with grouped codes in assembly; see rows_group_generic.go for the reference, whose bits they have.

// smallSlots is the number of slots up to which the folded operands stay in a small array: clearing a large one on every
// block would cost as much as the block.
const smallSlots = 128

func dotBlockK(dst []float32, stride int, q []float32, block, next []byte, g, n, d int, f GroupFormat) {
	if CPU() < NEON {
		dotBlockKGeneric(dst, stride, q, block, g, n, d, f)
		return
	}
	prefetchAll(next)
	p := f.round(d)
	if p <= smallSlots {
		var x [4 * smallSlots]int16
		dotBlockKNEON(dst, stride, q, block, g, n, d, p, f, x[:])
	} else {
		var x [4 * maxSlots]int16
		dotBlockKNEON(dst, stride, q, block, g, n, d, p, f, x[:])
	}
}

func dotBlockKNEON(dst []float32, stride int, q []float32, block []byte, g, n, d, p int, f GroupFormat, x []int16) {
	var out [4][64]float32
	var unit, bias [4]float32
	_ = block[f.KeyBlockBytes(n, d)-1]
	for h, run := 0, headsAtOnce(g); h < g; h += run {
		run = min(run, g-h)
		for k := range run {
			foldRow(x[k*p:(k+1)*p], q[(h+k)*d:(h+k+1)*d], block, block[2*p:], &unit[k], &bias[k])
		}
		dotPanel(f.Bits, run, &out[0][0], &x[0], 2*p, &block[4*p], (n+7)/8, p, &unit[0], &bias[0])
		for k := range run {
			copy(dst[(h+k)*stride:(h+k)*stride+n], out[k][:])
		}
	}
}

func accumulateBlockV(acc, weights []float32, stride int, block []byte, g, n, d int, f GroupFormat) {
	if CPU() < NEON {
		accumulateBlockVGeneric(acc, weights, stride, block, g, n, d, f)
		return
	}
	var x [4 * 64]int16
	var out [4][64]float32
	var unit, bias [4]float32
	_ = block[f.ValueBytes(d)-1]
	slots := f.slots()
	for c := 0; c < d; c += f.Group {
		lanes := min(f.Group, d-c)
		for h, run := 0, headsAtOnce(g); h < g; h += run {
			run = min(run, g-h)
			for k := range run {
				w := weights[(h+k)*stride : (h+k)*stride+n]
				foldRow(x[k*slots:(k+1)*slots], w, block, block[2*slots:], &unit[k], &bias[k])
			}
			dotPanel(f.Bits, run, &out[0][0], &x[0], 2*slots, &block[4*slots], (lanes+7)/8, slots, &unit[0], &bias[0])
			for k := range run {
				addRow(acc[(h+k)*d+c:(h+k)*d+c+lanes], out[k][:lanes])
			}
		}
		block = block[4*slots+f.panelBytes(lanes, slots):]
	}
}

// foldRow folds the operand w into len(x) slots, a multiple of 8; the slots behind w count as zeros.
func foldRow(x []int16, w []float32, steps, mins []byte, unit, bias *float32) {
	n := len(x)
	_, _ = steps[2*n-1], mins[2*n-1]
	if len(w) == n {
		foldNEON(&x[0], &w[0], &steps[0], &mins[0], n, unit, bias)
		return
	}
	foldShort(x, w, steps, mins, unit, bias)
}

//go:noinline
func foldShort(x []int16, w []float32, steps, mins []byte, unit, bias *float32) {
	var padded [maxSlots]float32
	copy(padded[:], w)
	foldNEON(&x[0], &padded[0], &steps[0], &mins[0], len(x), unit, bias)
}

func dotPanel(bits, heads int, dst *float32, x *int16, xStride int, panel *byte, octets, slots int, unit, bias *float32) {
	switch bits {
	case 2:
		dotPanel2NEON(heads, dst, x, xStride, panel, octets, slots, unit, bias)
	case 3:
		dotPanel3NEON(heads, dst, x, xStride, panel, octets, slots, unit, bias)
	case 4:
		dotPanel4NEON(heads, dst, x, xStride, panel, octets, slots, unit, bias)
	}
}
