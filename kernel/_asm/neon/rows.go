package main

import "fmt"

// Rows of the cache. Both products convert sixteen channels of a row at a time to v16 to v19 and use them for all heads; what is
// left of a row is eight. A head's arithmetic does not depend on the others.

var rowFormats = []struct {
	name  string
	bytes int // of sixteen channels
}{{"F32", 64}, {"F16", 32}, {"BF16", 32}, {"Q8", 16}}

// channels converts 8 or 16 channels at base+off; v20 and v21 are used, v22 holds the scale of q8.
func channels(format, base string, off, n int) {
	switch format {
	case "F32":
		ldp(16, 17, base, off)
		if n == 16 {
			ldp(18, 19, base, off+32)
		}
	case "Q8":
		ldq(21, base, off)
		v("sxtl v20.8h, v21.8b")
		v("sxtl2 v21.8h, v21.16b")
		for i := range 4 {
			if i%2 == 0 {
				v("sxtl v%d.4s, v%d.4h", 16+i, 20+i/2)
			} else {
				v("sxtl2 v%d.4s, v%d.8h", 16+i, 20+i/2)
			}
			v("scvtf v%d.4s, v%d.4s", 16+i, 16+i)
			v("fmul v%d.4s, v%d.4s, v22.s[0]", 16+i, 16+i)
		}
	default:
		for i := range n / 8 {
			ldq(20+i, base, off+16*i)
			if format == "F16" {
				v("fcvtl v%d.4s, v%d.4h", 16+2*i, 20+i)
				v("fcvtl2 v%d.4s, v%d.8h", 17+2*i, 20+i)
			} else {
				v("shll v%d.4s, v%d.4h, #16", 16+2*i, 20+i)
				v("shll2 v%d.4s, v%d.8h, #16", 17+2*i, 20+i)
			}
		}
	}
}

// perHeads writes a body for one to four heads behind a choice by R0.
func perHeads(body func(heads int)) {
	load([]string{"R0"}, "heads")
	for heads := 1; heads < 4; heads++ {
		o("CMP $%d, R0", heads)
		o("BEQ heads%d", heads)
	}
	for heads := 4; heads > 0; heads-- {
		if heads < 4 {
			label(fmt.Sprintf("heads%d", heads))
		}
		body(heads)
	}
}

// counted repeats body while the count in reg has step left, and leaves the rest there.
func counted(reg string, step int, body func()) {
	top, end := fresh("loop"), fresh("end")
	o("SUBS $%d, %s", step, reg)
	o("BLT %s", end)
	label(top)
	body()
	o("SUBS $%d, %s", step, reg)
	o("BGE %s", top)
	label(end)
	o("ADD $%d, %s", step, reg)
}

func dotRowsOf(format string, bytes int) {
	text("dotRows"+format+"NEON", "writes the products of up to 4 queries q [heads][d] with n rows to dst, whose heads are dstStride bytes apart. d is a multiple of "+unit(format)+".",
		"heads int", "dst *float32", "q *float32", "rows *byte", "dstStride int", "n int", "d int", "rowBytes int")
	perHeads(func(heads int) {
		const dst, q, rows, stride, n, d, size, left, from, at, width = "R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R11"
		query := x(12, heads) // R12 to R15
		load(x(1, 7), "dst", "q", "rows", "dstStride", "n", "d", "rowBytes")
		o("LSL $2, %s, %s", d, width)
		row := fresh("row")
		label(row)
		for h := range heads {
			if h == 0 {
				o("MOVD %s, %s", q, query[0])
			} else {
				o("ADD %s, %s, %s", width, query[h-1], query[h])
			}
			for i := range 4 {
				v("movi v%d.4s, #0", 4*h+i)
			}
		}
		o("MOVD %s, %s", rows, from)
		o("MOVD %s, %s", d, left)
		use := func(n int) {
			for h := range heads {
				o("FLDPQ.P 32(%s), (F24, F25)", query[h])
				v("fmla v%d.4s, v16.4s, v24.4s", 4*h)
				v("fmla v%d.4s, v17.4s, v25.4s", 4*h+1)
				if n == 16 {
					o("FLDPQ.P 32(%s), (F26, F27)", query[h])
					v("fmla v%d.4s, v18.4s, v26.4s", 4*h+2)
					v("fmla v%d.4s, v19.4s, v27.4s", 4*h+3)
				}
			}
		}
		if format == "Q8" {
			counted(left, 32, func() {
				half(22, from, 0)
				for i := range 2 {
					channels(format, from, 2+16*i, 16)
					use(16)
				}
				o("ADD $34, %s", from)
			})
		} else {
			for _, n := range []int{16, 8} {
				counted(left, n, func() {
					channels(format, from, 0, n)
					use(n)
					o("ADD $%d, %s", bytes*n/16, from)
				})
			}
		}
		o("MOVD %s, %s", dst, at)
		for h := range heads {
			v("fadd v%d.4s, v%d.4s, v%d.4s", 4*h, 4*h, 4*h+2)
			v("fadd v%d.4s, v%d.4s, v%d.4s", 4*h+1, 4*h+1, 4*h+3)
			v("fadd v%d.4s, v%d.4s, v%d.4s", 4*h, 4*h, 4*h+1)
			v("faddp v%d.4s, v%d.4s, v%d.4s", 4*h, 4*h, 4*h)
			v("faddp s%d, v%d.2s", 4*h, 4*h)
			o("FMOVS F%d, (%s)", 4*h, at)
			if h < heads-1 {
				o("ADD %s, %s", stride, at)
			}
		}
		o("ADD $4, %s", dst)
		o("ADD %s, %s", size, rows)
		o("SUBS $1, %s", n)
		o("BNE %s", row)
		o("RET")
	})
}

func accumulateRowsOf(format string, bytes int) {
	text("accumulateRows"+format+"NEON", "adds the weighted sums of n rows to up to 4 heads of acc [heads][d]; the weights of the heads are weightStride bytes apart. d is a multiple of "+unit(format)+".",
		"heads int", "acc *float32", "weights *float32", "rows *byte", "weightStride int", "n int", "d int", "rowBytes int")
	perHeads(func(heads int) {
		const acc, weights, rows, stride, n, d, size, left, from, width = "R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10"
		weight := x(11, heads) // R11 to R14
		load(x(1, 7), "acc", "weights", "rows", "weightStride", "n", "d", "rowBytes")
		o("LSL $2, %s, %s", d, width)
		// piece adds n channels of all rows, at off in the first of them; the scale of q8 lies at the row's start.
		piece := func(off, n int) {
			o("MOVD %s, %s", acc, "R15")
			for h := range heads {
				for i := 0; i < n/4; i += 2 {
					ldp(4*h+i, 4*h+i+1, "R15", 16*i)
				}
				o("ADD %s, R15", width)
				if h == 0 {
					o("MOVD %s, %s", weights, weight[0])
				} else {
					o("ADD %s, %s, %s", stride, weight[h-1], weight[h])
				}
			}
			o("MOVD %s, %s", rows, from)
			o("MOVD R5, %s", left)
			row := fresh("row")
			label(row)
			if format == "Q8" {
				half(22, from, 0)
			}
			channels(format, from, off, n)
			for h := range heads {
				o("FMOVS.P 4(%s), F23", weight[h])
				for i := range n / 4 {
					v("fmla v%d.4s, v%d.4s, v23.s[0]", 4*h+i, 16+i)
				}
			}
			o("ADD %s, %s", size, from)
			o("SUBS $1, %s", left)
			o("BNE %s", row)
			o("MOVD %s, %s", acc, "R15")
			for h := range heads {
				for i := 0; i < n/4; i += 2 {
					stp(4*h+i, 4*h+i+1, "R15", 16*i)
				}
				if h < heads-1 {
					o("ADD %s, R15", width)
				}
			}
			o("ADD $%d, %s", 4*n, acc)
		}
		if format == "Q8" {
			counted(d, 32, func() {
				piece(2, 16)
				piece(18, 16)
				o("ADD $34, %s", rows)
			})
		} else {
			for _, c := range []int{16, 8} {
				counted(d, c, func() {
					piece(0, c)
					o("ADD $%d, %s", bytes*c/16, rows)
				})
			}
		}
		o("RET")
	})
}

func unit(format string) string {
	if format == "Q8" {
		return "32"
	}
	return "8"
}

func rows() {
	for _, f := range rowFormats {
		dotRowsOf(f.name, f.bytes)
		accumulateRowsOf(f.name, f.bytes)
	}

	text("decodeQ8NEON", "writes groups >= 1 groups of 32 numbers.", "dst *float32", "src *byte", "groups int")
	load(x(0, 3), "dst", "src", "groups")
	label("group")
	half(22, "R1", 0)
	for i := range 2 {
		channels("Q8", "R1", 2+16*i, 16)
		stp(16, 17, "R0", 64*i)
		stp(18, 19, "R0", 64*i+32)
	}
	o("ADD $128, R0")
	o("ADD $34, R1")
	o("SUBS $1, R2")
	o("BNE group")
	o("RET")

	text("encodeF16NEON", "writes n numbers, a positive multiple of 8, and returns how many were clamped.", "dst *byte", "src *float32", "n int", "-> int")
	load(x(0, 3), "dst", "src", "n")
	constant(31, 0x477fe000) // 65504
	v("fneg v30.4s, v31.4s")
	v("movi v29.4s, #0")
	label("eight")
	o("FLDPQ.P 32(R1), (F0, F1)")
	for i := range 2 {
		v("fabs v%d.4s, v%d.4s", 2+i, i)
		v("fcmgt v%d.4s, v%d.4s, v31.4s", 2+i, 2+i)
		v("sub v29.4s, v29.4s, v%d.4s", 2+i)
		v("fmin v%d.4s, v%d.4s, v31.4s", i, i)
		v("fmax v%d.4s, v%d.4s, v30.4s", i, i)
	}
	v("fcvtn v0.4h, v0.4s")
	v("fcvtn2 v0.8h, v1.4s")
	o("FMOVQ.P F0, 16(R0)")
	o("SUBS $8, R2")
	o("BNE eight")
	v("addv s29, v29.4s")
	o("FMOVS F29, R3")
	o("MOVD R3, %s", arg("ret"))
	o("RET")

	text("encodeQ8NEON", "writes groups >= 1 groups of 32 numbers and returns how many codes were clamped; see encodeQ8.", "dst *byte", "src *float32", "groups int", "-> int")
	load(x(0, 3), "dst", "src", "groups")
	o("MOVD ZR, R3")
	constant(31, 0x42fe0000) // 127
	constant(30, 0x42ff0000) // 127.5
	constant(29, 0x477fe000) // 65504
	constant(28, 0x3f800000) // 1
	v("fneg v21.4s, v31.4s")
	v("movi v20.4s, #0")
	label("group")
	for i := 0; i < 8; i += 2 {
		ldp(i, i+1, "R1", 16*i)
	}
	for i := range 8 {
		v("fabs v%d.4s, v%d.4s", 8+i, i)
		v("fcmge v24.4s, v%d.4s, v%d.4s", 8+i, 8+i) // NaN is no maximum
		v("and v%d.16b, v%d.16b, v24.16b", 8+i, 8+i)
	}
	for h := 4; h > 0; h /= 2 {
		for i := range h {
			v("fmax v%d.4s, v%d.4s, v%d.4s", 8+i, 8+i, 8+i+h)
		}
	}
	v("fmaxv s8, v8.4s")
	o("FDIVS F31, F8, F8")
	o("FMINS F29, F8, F8")
	o("FCVTSH F8, F8")
	o("FMOVS F8, R4")
	o("MOVH R4, (R0)")
	o("FCVTHS F8, F8")
	v("movi v9.4s, #0")
	o("FCMPS $(0.0), F8")
	o("BEQ zero")
	o("FDIVS F8, F28, F9")
	label("zero")
	for i := range 8 {
		v("fmul v%d.4s, v%d.4s, v9.s[0]", i, i)
		v("fabs v10.4s, v%d.4s", i)
		v("fcmgt v10.4s, v30.4s, v10.4s") // NaN counts as clamped
		v("add v20.4s, v20.4s, v10.4s")
		v("fmin v%d.4s, v%d.4s, v31.4s", i, i)
		v("fmax v%d.4s, v%d.4s, v21.4s", i, i)
		v("fcvtns v%d.4s, v%d.4s", i, i)
	}
	narrow()
	o("FMOVQ F24, 2(R0)")
	o("FMOVQ F25, 18(R0)")
	o("ADD $34, R0")
	o("ADD $128, R1")
	o("ADD $32, R3")
	o("SUBS $1, R2")
	o("BNE group")
	v("addv s20, v20.4s") // minus the codes that were not clamped
	o("FMOVS F20, R4")
	o("ADDW R4, R3")
	o("MOVD R3, %s", arg("ret"))
	o("RET")

	text("prefetchNEON", "asks for lines >= 1 lines of 64 bytes.", "p *byte", "lines int")
	load(x(0, 2), "p", "lines")
	label("line")
	o("PRFM (R0), PLDL1KEEP")
	o("ADD $64, R0")
	o("SUBS $1, R1")
	o("BNE line")
	o("RET")
}
