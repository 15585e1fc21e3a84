package main

import "fmt"

// strip describes the codes of an integer micro-kernel.
type strip struct {
	name   string
	group  int
	zero   int  // subtracted through the sums of the activations
	signed bool // codes around 128: made signed bytes instead
}

var strips = []strip{
	{"Q4_0", 32, 8, false}, {"Q5_0", 32, 16, false}, {"Q4_1", 32, 0, false}, {"Q8_0", 32, 0, true},
	{"Q2_K", 16, 0, false}, {"Q3_K", 16, 4, false}, {"Q6_K", 16, 32, false},
}

func (s strip) affine() bool { return s.zero == 0 && !s.signed }

// integerStrips writes the micro-kernels of a tier. Registers: v0 to v15 sums [row][4], v16 to v19 the weights of a step,
// v20 to v23 (v20 to v27 with two steps of sixteen) the activations of the rows, v31 0x80s.
func integerStrips(tier string) {
	for _, s := range strips {
		for _, rows := range []int{4, 2, 1} {
			text(fmt.Sprintf("gemm%s%sx%d", s.name, tier, rows),
				fmt.Sprintf("writes to dst[%d][16] from plus codes x panel; see integerStrip for the arguments.", rows),
				"dst *float32", "dstStride int", "panel *uint8", "scales *float32", "groups int", "codes *int8", "codeStride int",
				"scale *float32", "sums *float32", "groupStride int", "from *float32", "fromStride int")
			s.strip(tier, rows)
		}
	}
}

func (s strip) strip(tier string, rows int) {
	const panel, scales, groups, stride, dst, dstStride = "R0", "R1", "R2", "R3", "R4", "R5"
	codes, scale, sums := x(6, rows), x(10, rows), x(14, rows)
	load([]string{panel, scales, groups, dst, dstStride}, "panel", "scales", "groups", "dst", "dstStride")
	rowPointers := func(p []string, first string) {
		load(p[:1], first)
		for r := 1; r < rows; r++ {
			o("ADD %s, %s, %s", stride, p[r-1], p[r])
		}
	}
	const from, to = "R24", "R25"
	load([]string{from, stride}, "from", "fromStride")
	o("CMP %s, %s", from, dst)
	o("BEQ there")
	o("MOVD %s, %s", dst, to)
	for r := range rows {
		for at := 0; at < 64; at += 32 {
			ldp(0, 1, from, at)
			stp(0, 1, to, at)
		}
		if r < rows-1 {
			o("ADD %s, %s", stride, from)
			o("ADD %s, %s", dstStride, to)
		}
	}
	label("there")
	load([]string{stride}, "codeStride")
	rowPointers(codes, "codes")
	load([]string{stride}, "groupStride")
	rowPointers(scale, "scale")
	if s.group == 16 {
		o("LSL $1, %s", stride)
	}
	rowPointers(sums, "sums")
	if s.signed {
		v("movi v31.16b, #128")
	}
	label("group")
	for half := range 32 / s.group {
		for i := range 4 * rows {
			v("movi v%d.4s, #0", i)
		}
		sixteen := func() {
			for r := range rows {
				o("FMOVQ.P 16(%s), F%d", codes[r], 20+r)
			}
			for step := range 4 {
				o("FLDPQ.P 32(%s), (F16, F17)", panel)
				o("FLDPQ.P 32(%s), (F18, F19)", panel)
				for c := 16; s.signed && c < 20; c++ {
					v("eor v%d.16b, v%d.16b, v31.16b", c, c)
				}
				for r := range rows {
					outerDot(tier, 4*r, 20+r, step)
				}
			}
		}
		if s.group == 16 {
			sixteen()
		} else {
			o("MOVD $2, R24")
			counted("R24", 1, sixteen)
		}
		s.scaleSums(rows, half, scales, dst, dstStride, scale, sums)
	}
	o("SUBS $1, %s", groups)
	o("BNE group")
	o("RET")
}

// outerDot adds to v[acc..acc+3] the products of v16 to v19 (four codes of sixteen outputs) and four codes of v[a].
func outerDot(tier string, acc, a, step int) {
	if tier == "DotProd" {
		for c := range 4 {
			v("sdot v%d.4s, v%d.16b, v%d.4b[%d]", acc+c, 16+c, a, step)
		}
		return
	}
	// Two products of bytes fit 16 bits: 2*128*127 = 32512.
	v("dup v24.4s, v%d.s[%d]", a, step)
	for c := range 4 {
		v("smull v%d.8h, v%d.8b, v24.8b", 25+c%2*2, 16+c)
		v("smull2 v%d.8h, v%d.16b, v24.16b", 26+c%2*2, 16+c)
		v("addp v%d.8h, v%d.8h, v%d.8h", 25+c%2*2, 25+c%2*2, 26+c%2*2)
		v("sadalp v%d.4s, v%d.8h", acc+c, 25+c%2*2)
	}
}

// scaleSums adds a group's sums to dst: float32(dot)*(scaleW*scaleA), then offset*sum.
func (s strip) scaleSums(rows, half int, scales, dst, dstStride string, scale, sums []string) {
	ldp(16, 17, scales, 0)
	ldp(18, 19, scales, 32)
	o("ADD $64, %s", scales)
	if s.affine() {
		ldp(20, 21, scales, 0)
		ldp(22, 23, scales, 32)
		o("ADD $64, %s", scales)
	}
	if s.zero > 0 {
		v("movi v27.4s, #%d", s.zero)
	}
	at := "R25"
	o("MOVD %s, %s", dst, at)
	for r := range rows {
		if s.group == 16 && half == 0 {
			o("FMOVS (%s), F24", scale[r]) // both halves have it
		} else {
			o("FMOVS.P 4(%s), F24", scale[r])
		}
		if !s.signed {
			o("FMOVS.P 4(%s), F25", sums[r])
		}
		for c := range 4 {
			if s.zero > 0 {
				v("mls v%d.4s, v27.4s, v25.s[0]", 4*r+c)
			}
			v("scvtf v%d.4s, v%d.4s", 4*r+c, 4*r+c)
			v("fmul v26.4s, v%d.4s, v24.s[0]", 16+c)
			v("fmul v%d.4s, v%d.4s, v26.4s", 4*r+c, 4*r+c)
		}
		for c := 0; c < 4; c += 2 {
			ldp(28, 29, at, 16*c)
			for i := range 2 {
				v("fadd v%d.4s, v%d.4s, v%d.4s", 28+i, 28+i, 4*r+c+i)
				if s.affine() {
					v("fmul v26.4s, v%d.4s, v25.s[0]", 20+c+i)
					v("fadd v%d.4s, v%d.4s, v26.4s", 28+i, 28+i)
				}
			}
			stp(28, 29, at, 16*c)
		}
		if r < rows-1 {
			o("ADD %s, %s", dstStride, at)
		}
	}
}

// floatStrips writes the f32 micro-kernels. Registers: v0 to v15 results [row][4], v16 to v19 a row of the panel, v20 to v23
// the activations of the rows.
func floatStrips() {
	for _, rows := range []int{4, 2, 1} {
		text(fmt.Sprintf("gemmF32NEONx%d", rows), fmt.Sprintf("adds to dst[%d][16] x times panel; see floatStrip for the arguments.", rows),
			"dst *float32", "dstStride int", "panel *float32", "k int", "x *float32", "xStride int")
		const panel, k, stride = "R0", "R1", "R2"
		dst, in := x(3, rows), x(7, rows)
		load([]string{panel, k}, "panel", "k")
		for i, p := range [][]string{dst, in} {
			load([]string{p[0], stride}, [...]string{"dst", "x"}[i], [...]string{"dstStride", "xStride"}[i])
			for r := 1; r < rows; r++ {
				o("ADD %s, %s, %s", stride, p[r-1], p[r])
			}
		}
		for r := range rows {
			ldp(4*r, 4*r+1, dst[r], 0)
			ldp(4*r+2, 4*r+3, dst[r], 32)
		}
		column := func(i int) {
			o("FLDPQ.P 32(%s), (F16, F17)", panel)
			o("FLDPQ.P 32(%s), (F18, F19)", panel)
			for r := range rows {
				for c := range 4 {
					v("fmla v%d.4s, v%d.4s, v%d.s[%d]", 4*r+c, 16+c, 20+r, i)
				}
			}
		}
		o("SUBS $4, %s", k)
		o("BLT rest")
		label("four")
		for r := range rows {
			o("FMOVQ.P 16(%s), F%d", in[r], 20+r)
		}
		for i := range 4 {
			column(i)
		}
		o("SUBS $4, %s", k)
		o("BGE four")
		label("rest")
		o("ADDS $4, %s", k)
		o("BEQ done")
		label("one")
		for r := range rows {
			o("FMOVS.P 4(%s), F%d", in[r], 20+r)
		}
		column(0)
		o("SUBS $1, %s", k)
		o("BNE one")
		label("done")
		for r := range rows {
			stp(4*r, 4*r+1, dst[r], 0)
			stp(4*r+2, 4*r+3, dst[r], 32)
		}
		o("RET")
	}
}
