package kernel

// integerGeneric computes output rows [lo, hi) of a part from 8-bit activations: the reference of every integer kernel.
func (t *productTask) integerGeneric(a *part, b *buffer, lo, hi int) {
	m, f, act := a.m, a.m.format, &t.s.act
	groups := m.Cols / f.Group
	b.codes, b.scale, b.offset = grow(b.codes, m.Cols), grow(b.scale, groups), grow(b.offset, groups)
	for r := lo; r < hi; r++ {
		f.Unpack(b.codes, b.scale, b.offset, m.rows(r, 1))
		for i := range t.rows {
			codes := act.codes[i*act.stride:][:act.cols]
			g := i * act.groupStride
			var v float32
			if f.Group == 32 {
				v = dotGroups32(b, codes, act.scale[g:], act.sum32[g:], act.isum32[g:], int32(f.Zero))
			} else {
				v = dotGroups16(b, codes, act.scale[g:], act.sum16[2*g:], act.isum16[2*g:], int32(f.Zero))
			}
			a.dst[i*m.Rows+r] = v
		}
	}
}

// dotGroups32 is the product of a row of weights in groups of 32 and a row of activations. Every product is rounded by
// a conversion: the compiler must not fuse it with the addition.
func dotGroups32(b *buffer, codes []int8, scale, sum []float32, isum []int32, zero int32) float32 {
	var acc float32
	for g, s := range b.scale {
		dot := dotCodes(b.codes[g*32:][:32], codes[g*32:][:32]) - zero*isum[g]
		acc += float32(float32(dot) * float32(s*scale[g]))
		if zero == 0 {
			acc += float32(b.offset[g] * sum[g])
		}
	}
	return acc
}

// dotGroups16 is dotGroups32 for weights in groups of 16: two groups share the scale of the activations.
func dotGroups16(b *buffer, codes []int8, scale, sum []float32, isum []int32, zero int32) float32 {
	var acc float32
	for g, s := range b.scale {
		dot := dotCodes(b.codes[g*16:][:16], codes[g*16:][:16]) - zero*isum[g]
		acc += float32(float32(dot) * float32(s*scale[g/2]))
		if zero == 0 {
			acc += float32(b.offset[g] * sum[g])
		}
	}
	return acc
}

// dotCodes is the exact product of codes; slices of equal length, a multiple of 4.
func dotCodes(w []uint8, a []int8) int32 {
	var s0, s1, s2, s3 int32
	for i := 0; i+4 <= len(w) && i+4 <= len(a); i += 4 {
		s0 += int32(w[i]) * int32(a[i])
		s1 += int32(w[i+1]) * int32(a[i+1])
		s2 += int32(w[i+2]) * int32(a[i+2])
		s3 += int32(w[i+3]) * int32(a[i+3])
	}
	return s0 + s1 + s2 + s3
}

// floatGeneric computes output rows [lo, hi) of a part from f32 activations.
func (t *productTask) floatGeneric(a *part, b *buffer, lo, hi int) {
	m := a.m
	b.row = grow(b.row, m.Cols)
	for r := lo; r < hi; r++ {
		m.Row(b.row, r)
		for i := range t.rows {
			a.dst[i*m.Rows+r] = dotFloats(b.row, t.x[i*m.Cols:][:m.Cols])
		}
	}
}

// dotFloats sums products in four interleaved chains.
func dotFloats(w, x []float32) float32 {
	var s0, s1, s2, s3 float32
	n := len(w) &^ 3
	x = x[:len(w)]
	for i := 0; i < n; i += 4 {
		s0 += w[i] * x[i]
		s1 += w[i+1] * x[i+1]
		s2 += w[i+2] * x[i+2]
		s3 += w[i+3] * x[i+3]
	}
	for i := n; i < len(w); i++ {
		s0 += w[i] * x[i]
	}
	return (s0 + s1) + (s2 + s3)
}
