package kernel

import "math"

// foldLimit is the largest magnitude of a folded operand. With codes up to 15 a pair sums to less than 2^20, so a
// chain of maxSlots/2 pairs fits an int32.
const foldLimit = 32767

// foldLowest keeps the factor foldLimit/top finite; what it loses is nothing beside any bias.
const foldLowest = 1e-30

// maxSlots is the largest number of slots of a panel.
const maxSlots = 512

// foldGeneric multiplies x by the steps and rounds to integers of at most foldLimit, out of slots; it returns the unit
// of those integers and the sum of x*min, in 8 interleaved partial sums.
func foldGeneric(out []int16, x []float32, steps, mins []byte, slots int) (unit, bias float32) {
	var part [8]float32
	var folded [maxSlots]float32
	var top float32
	for i, v := range x {
		folded[i] = v * loadHalf(steps[2*i:])
		top = max(top, float32(math.Abs(float64(folded[i]))))
		part[i%8] += float32(v * loadHalf(mins[2*i:]))
	}
	bias = fold8(&part)
	clear(out[:slots])
	top = max(top, foldLowest)
	inv := foldLimit / top
	for i := range x {
		out[i] = int16(roundEven(float32(folded[i] * inv)))
	}
	return top / foldLimit, bias
}

func fold8(s *[8]float32) float32 {
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

// dotPanelGeneric writes the integer products of the folded operand with every lane of a panel.
func dotPanelGeneric(dst []int32, x []int16, panel []byte, lanes, slots int, f GroupFormat) {
	for l := range lanes {
		var sum int32
		for s := range slots {
			sum += int32(x[s]) * int32(f.code(panel, l, s, slots))
		}
		dst[l] = sum
	}
}

func dotBlockKGeneric(dst []float32, stride int, q []float32, block []byte, g, n, d int, f GroupFormat) {
	p := f.round(d)
	var x [maxSlots]int16
	var sums [64]int32
	for h := range g {
		unit, bias := foldGeneric(x[:], q[h*d:(h+1)*d], block, block[2*p:], p)
		dotPanelGeneric(sums[:], x[:], block[4*p:], n, p, f)
		for t := range n {
			dst[h*stride+t] = float32(float32(sums[t])*unit) + bias
		}
	}
}

func accumulateBlockVGeneric(acc, weights []float32, stride int, block []byte, g, n, d int, f GroupFormat) {
	var x [maxSlots]int16
	var sums [64]int32
	slots := f.slots()
	for c0 := 0; c0 < d; c0 += f.Group {
		lanes := min(f.Group, d-c0)
		size := f.panelBytes(lanes, slots)
		for h := range g {
			unit, bias := foldGeneric(x[:], weights[h*stride:h*stride+n], block, block[2*slots:], slots)
			dotPanelGeneric(sums[:], x[:], block[4*slots:], lanes, slots, f)
			o := acc[h*d+c0 : h*d+c0+lanes]
			for c := range o {
				o[c] += float32(float32(sums[c])*unit) + bias
			}
		}
		block = block[4*slots+size:]
	}
}
