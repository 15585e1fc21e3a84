package kernel

// The portable tile: one row after the other, keys as they lie.

func packKeysGeneric(dst, keys []float32, n, d int) { copy(dst, keys[:n*d]) }

// scoresGeneric takes four keys at a time, so that a query's channel is loaded once for them. A score is one chain over
// ascending channels; products are rounded before they are added, so that the remainder loop gives the same bits.
func scoresGeneric(scores, q, keys []float32, rows, d, kn int) {
	for r := range rows {
		x, dst := q[r*d:(r+1)*d], scores[r*keyBlock:(r+1)*keyBlock]
		j := 0
		for ; j+4 <= kn; j += 4 {
			k0, k1, k2, k3 := keys[j*d:], keys[(j+1)*d:], keys[(j+2)*d:], keys[(j+3)*d:]
			k0, k1, k2, k3 = k0[:len(x)], k1[:len(x)], k2[:len(x)], k3[:len(x)]
			var s0, s1, s2, s3 float32
			for c, v := range x {
				s0 += float32(v * k0[c])
				s1 += float32(v * k1[c])
				s2 += float32(v * k2[c])
				s3 += float32(v * k3[c])
			}
			dst[j], dst[j+1], dst[j+2], dst[j+3] = s0, s1, s2, s3
		}
		for ; j < kn; j++ {
			k := keys[j*d : (j+1)*d]
			var s float32
			for c, v := range x {
				s += float32(v * k[c])
			}
			dst[j] = s
		}
		fillNegInf(dst[kn:])
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
		addValues(o, row[:kn], values, stride)
	}
}

// addValues adds weights times values to o, four values a pass, each channel one chain over ascending values.
func addValues(o, weights, values []float32, stride int) {
	j := 0
	for ; j+4 <= len(weights); j += 4 {
		w0, w1, w2, w3 := weights[j], weights[j+1], weights[j+2], weights[j+3]
		v0, v1, v2, v3 := values[j*stride:], values[(j+1)*stride:], values[(j+2)*stride:], values[(j+3)*stride:]
		v0, v1, v2, v3 = v0[:len(o)], v1[:len(o)], v2[:len(o)], v3[:len(o)]
		for c, x := range o {
			x += float32(w0 * v0[c])
			x += float32(w1 * v1[c])
			x += float32(w2 * v2[c])
			x += float32(w3 * v3[c])
			o[c] = x
		}
	}
	for ; j < len(weights); j++ {
		addScaledGeneric(o, values[j*stride:j*stride+len(o)], weights[j])
	}
}

func topLogsGeneric(best, scores, lse []float32, factor float32) {
	best = best[:keyBlock]
	for r, l := range lse {
		for j, v := range scores[r*keyBlock : (r+1)*keyBlock] {
			best[j] = max(best[j], v*factor-l)
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
