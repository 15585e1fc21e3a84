package kernel

func dotSketch(s *SketchQueries, dst []float32, stride int, blocks []*byte, count int) {
	if CPU() < NEON {
		dotSketchGeneric(s, dst, stride, blocks, count)
		return
	}
	for h, run := 0, headsAtOnce(s.g); h < s.g; h += run {
		run = min(run, s.g-h)
		dotSketchNEON(run, &dst[h*stride], 4*stride, &s.q[h*s.p], &s.codes[h*s.p/2*pairWords], &s.unit[h], &s.shift[h], &blocks[0], count, s.p)
	}
}
