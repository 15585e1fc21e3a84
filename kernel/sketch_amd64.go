package kernel

func dotSketch(s *SketchQueries, dst []float32, stride int, blocks []*byte, count int) {
	if CPU() < AVX2 {
		dotSketchGeneric(s, dst, stride, blocks, count)
		return
	}
	for h, run := 0, headsAtOnce(s.g); h < s.g; h += run {
		run = min(run, s.g-h)
		o, q, x := &dst[h*stride], &s.q[h*s.p], &s.codes[h*s.p/2*pairWords]
		switch run {
		case 1:
			dotSketchx1AVX2(o, 4*stride, q, x, &s.unit[h], &s.shift[h], &blocks[0], count, min(count, len(blocks)-1), s.p)
		case 2:
			dotSketchx2AVX2(o, 4*stride, q, x, &s.unit[h], &s.shift[h], &blocks[0], count, min(count, len(blocks)-1), s.p)
		case 3:
			dotSketchx3AVX2(o, 4*stride, q, x, &s.unit[h], &s.shift[h], &blocks[0], count, min(count, len(blocks)-1), s.p)
		case 4:
			dotSketchx4AVX2(o, 4*stride, q, x, &s.unit[h], &s.shift[h], &blocks[0], count, min(count, len(blocks)-1), s.p)
		}
	}
}

func weighSketch(dst []uint16, x []float32) (top, sum float32) {
	if CPU() < AVX2 {
		return weighSketchGeneric(dst, x)
	}
	return weighSketchAVX2(&dst[0], &x[0], len(x))
}

func lossSketch(dst []float32, weights []uint16, stride int, shares []float32, deviations []byte) {
	if CPU() < AVX2 {
		lossSketchGeneric(dst, weights, stride, shares, deviations)
		return
	}
	g := len(shares)
	for h, run := 0, headsAtOnce(g); h < g; h += run {
		run = min(run, g-h)
		w := &weights[h*stride]
		switch run {
		case 1:
			lossSketchx1AVX2(&dst[0], w, 2*stride, len(dst), &shares[h], &deviations[0], h > 0)
		case 2:
			lossSketchx2AVX2(&dst[0], w, 2*stride, len(dst), &shares[h], &deviations[0], h > 0)
		case 3:
			lossSketchx3AVX2(&dst[0], w, 2*stride, len(dst), &shares[h], &deviations[0], h > 0)
		case 4:
			lossSketchx4AVX2(&dst[0], w, 2*stride, len(dst), &shares[h], &deviations[0], h > 0)
		}
	}
}

func restSketch(dst []float32, weights []uint16, loss []float32) {
	if CPU() < AVX2 {
		restSketchGeneric(dst, weights, loss)
		return
	}
	restSketchAVX2(&dst[0], &weights[0], &loss[0], len(dst))
}
