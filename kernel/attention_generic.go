package kernel

// The portable tile: one row at a time, keys in place of a packed layout.

func packKeysGeneric(dst, keys []float32, n, d int) { copy(dst, keys[:n*d]) }

func scoresGeneric(scores, q, keys []float32, rows, d, kn int) {
	for r := range rows {
		x := q[r*d : (r+1)*d]
		for j := range keyBlock {
			if j < kn {
				scores[r*keyBlock+j] = dotGeneric(x, keys[j*d:(j+1)*d])
			}
		}
		fillNegInf(scores[r*keyBlock+kn : (r+1)*keyBlock])
	}
}

// attendGeneric folds a block into the rows' running softmax: the weights of the block are 2^(factor*score - max), and
// what was summed before shrinks by 2^(old max - max).
func attendGeneric(out, scores, maxima, sums, values []float32, rows, stride, kn, dv int, factor float32) {
	for r := range rows {
		row := scores[r*keyBlock : (r+1)*keyBlock]
		m := row[0]
		for _, v := range row {
			m = max(m, v)
		}
		old := maxima[r]
		m = max(old, m*factor)
		maxima[r] = m
		shrink := exp2Neg(old - m)
		var sum float32
		for j, v := range row {
			row[j] = exp2Neg(v*factor - m)
			sum += row[j]
		}
		sums[r] = sums[r]*shrink + sum
		o := out[r*dv : (r+1)*dv]
		scaleGeneric(o, shrink)
		for j := range kn {
			axpyGeneric(o, row[j], values[j*stride:j*stride+dv])
		}
	}
}

func addProbsGeneric(sums, scores, lse []float32, rows, step int, factor float32) {
	for r := 0; r < rows*step; r += step {
		for j, v := range scores[r*keyBlock : (r+1)*keyBlock] {
			sums[j] += exp2Neg(min(v*factor-lse[r], 0))
		}
	}
}
