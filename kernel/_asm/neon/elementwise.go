package main

import "fmt"

// each calls body for n elements sixteen, four and one at a time: registers hold what it loaded from its arrays.
// arrays are general registers, of which the first wrote are stored to; body gets the first register of each array and the number.
// Array k has registers 4k to 4k+3; an element alone is lane 0.
func each(n string, arrays []string, read []bool, body func(first []int, regs int)) {
	for _, step := range []int{16, 4, 1} {
		counted(n, step, func() {
			regs := max(step/4, 1)
			var first []int
			for k, a := range arrays {
				first = append(first, 4*k)
				for i := range regs {
					switch {
					case !read[k]:
					case step == 1:
						o("FMOVS (%s), F%d", a, 4*k)
					default:
						ldq(4*k+i, a, 16*i)
					}
				}
			}
			body(first, regs)
			for i := range regs {
				if step == 1 {
					o("FMOVS F0, (%s)", arrays[0])
				} else {
					stq(i, arrays[0], 16*i)
				}
			}
			for _, a := range arrays {
				o("ADD $%d, %s", 4*step, a)
			}
		})
	}
	o("RET")
}

// simple writes an elementwise function without exponentials: v16 is repeated in all lanes where the function has a factor.
func simple(name, doc string, params, factor []string, read []bool, op func(first []int, i int)) {
	list := make([]string, 0, len(params)+2)
	for _, p := range params {
		list = append(list, p+" *float32")
	}
	list = append(list, "n int")
	for _, f := range factor {
		list = append(list, f+" float32")
	}
	text(name+"NEON", doc, list...)
	n := fmt.Sprintf("R%d", len(params))
	load(x(0, len(params)+1), append(append([]string{}, params...), "n")...)
	for _, f := range factor {
		o("FMOVS %s, F16", arg(f))
	}
	each(n, x(0, len(params)), read, func(first []int, regs int) {
		for i := range regs {
			op(first, i)
		}
	})
}

func elementwise() {
	both := []bool{true, true}
	simple("addRow", "adds x to dst, n elements.", []string{"dst", "x"}, nil, both, func(f []int, i int) {
		v("fadd v%d.4s, v%d.4s, v%d.4s", i, i, f[1]+i)
	})
	simple("mulRow", "multiplies dst by x, n elements.", []string{"dst", "x"}, nil, both, func(f []int, i int) {
		v("fmul v%d.4s, v%d.4s, v%d.4s", i, i, f[1]+i)
	})
	simple("addScaledRow", "adds s*x to dst, two roundings, n elements.", []string{"dst", "x"}, []string{"s"}, both, func(f []int, i int) {
		v("fmul v%d.4s, v%d.4s, v16.s[0]", f[1]+i, f[1]+i)
		v("fadd v%d.4s, v%d.4s, v%d.4s", i, i, f[1]+i)
	})
	simple("axpyRow", "adds a*x to dst, one rounding, n elements.", []string{"dst", "x"}, []string{"a"}, both, func(f []int, i int) {
		v("fmla v%d.4s, v%d.4s, v16.s[0]", i, f[1]+i)
	})
	simple("scaleRow", "writes s*x to dst, n elements.", []string{"dst", "x"}, []string{"s"}, []bool{false, true}, func(f []int, i int) {
		v("fmul v%d.4s, v%d.4s, v16.s[0]", i, f[1]+i)
	})
	simple("scaleMulRow", "writes (x*s)*weight to dst, n elements.", []string{"dst", "x", "weight"}, []string{"s"}, []bool{false, true, true}, func(f []int, i int) {
		v("fmul v%d.4s, v%d.4s, v16.s[0]", i, f[1]+i)
		v("fmul v%d.4s, v%d.4s, v%d.4s", i, i, f[2]+i)
	})
	reductions()
	activations()
	rotations()
}

// reductions keep 32 partial sums in v0 to v7; see foldLanes for the order in which they are added.
func reductions() {
	for _, square := range []bool{false, true} {
		if square {
			text("sumSquaresRowNEON", "returns the sum of squares of 32*blocks elements and, if it is not nil, of tail's 32, in the order of foldLanes.",
				"x *float32", "blocks int", "tail *float32", "-> float32")
			load([]string{"R0", "R2", "R3"}, "x", "blocks", "tail")
		} else {
			text("dotRowNEON", "returns the scalar product of 32*blocks elements and, if it is not nil, of 32 of the tails, in the order of foldLanes.",
				"a *float32", "b *float32", "blocks int", "tailA *float32", "tailB *float32", "-> float32")
			load(x(0, 5), "a", "b", "blocks", "tailA", "tailB")
		}
		for i := range 8 {
			v("movi v%d.4s, #0", i)
		}
		block := func() {
			for i := 0; i < 8; i += 2 {
				o("FLDPQ.P 32(R0), (F16, F17)")
				b := 16
				if !square {
					o("FLDPQ.P 32(R1), (F18, F19)")
					b = 18
				}
				for k := range 2 {
					v("fmul v%d.4s, v%d.4s, v%d.4s", 16+k, 16+k, b+k)
					v("fadd v%d.4s, v%d.4s, v%d.4s", i+k, i+k, 16+k)
				}
			}
		}
		counted("R2", 1, block)
		o("CBZ R3, fold")
		o("MOVD R3, R0")
		o("MOVD R4, R1")
		block()
		label("fold")
		for h := 4; h > 0; h /= 2 {
			for i := range h {
				v("fadd v%d.4s, v%d.4s, v%d.4s", i, i, i+h)
			}
		}
		v("ext v1.16b, v0.16b, v0.16b, #8")
		v("fadd v0.4s, v0.4s, v1.4s")
		v("faddp s0, v0.2s")
		o("FMOVS F0, %s", arg("ret"))
		o("RET")
	}

	text("maxRowNEON", "returns the largest of n elements and the lowest finite number.", "x *float32", "n int", "-> float32")
	load(x(0, 2), "x", "n")
	constant(0, 0xff7fffff)
	move(1, 0)
	counted("R1", 8, func() {
		o("FLDPQ.P 32(R0), (F2, F3)")
		v("fmax v0.4s, v0.4s, v2.4s")
		v("fmax v1.4s, v1.4s, v3.4s")
	})
	counted("R1", 1, func() {
		o("VLD1R.P 4(R0), [V2.S4]")
		v("fmax v0.4s, v0.4s, v2.4s")
	})
	v("fmax v0.4s, v0.4s, v1.4s")
	v("fmaxv s0, v0.4s")
	o("FMOVS F0, %s", arg("ret"))
	o("RET")

	text("expSumRowNEON", "replaces n elements x by e^(x-m) and returns their sum, blocks of 64 in f32, the blocks in f64.",
		"x *float32", "n int", "m float32", "-> float64")
	load(x(0, 2), "x", "n")
	o("FMOVS %s, F16", arg("m"))
	v("dup v16.4s, v16.s[0]")
	expConstants()
	v("movi v17.4s, #0")
	label("block")
	o("MOVD $64, R2")
	o("CMP R2, R1")
	o("CSEL LT, R1, R2, R2")
	o("SUB R2, R1")
	v("movi v18.4s, #0")
	one := func(regs int) {
		for i := range regs {
			v("fsub v%d.4s, v%d.4s, v16.4s", i, i)
			expNeg(i, 4+i, 8+i, 12+i)
		}
	}
	counted("R2", 16, func() {
		ldp(0, 1, "R0", 0)
		ldp(2, 3, "R0", 32)
		one(4)
		for i := range 4 {
			v("fadd v18.4s, v18.4s, v%d.4s", 4+i)
		}
		o("FSTPQ.P (F4, F5), 32(R0)")
		o("FSTPQ.P (F6, F7), 32(R0)")
	})
	v("movi v19.4s, #0")
	counted("R2", 1, func() {
		o("FMOVS (R0), F0")
		one(1)
		o("FADDS F4, F19, F19")
		o("FMOVS.P F4, 4(R0)")
	})
	v("faddp v18.4s, v18.4s, v18.4s")
	v("faddp s18, v18.2s")
	o("FADDS F19, F18, F18")
	o("FCVTSD F18, F18")
	o("FADDD F18, F17, F17")
	o("CBNZ R1, block")
	o("FMOVD F17, %s", arg("ret"))
	o("RET")
}

// activations contain exponentials: registers 0, 4 and 8 up hold dst and the sources, v12 to v19 are used.
func activations() {
	// sigmoid replaces x by 1/(1+e^-x), from e^-|x|; v20 holds ones, v19 the sign.
	sigmoid := func(x int) {
		v("fabs v12.4s, v%d.4s", x)
		v("fneg v12.4s, v12.4s")
		expNeg(12, 13, 14, 15)
		v("fadd v14.4s, v13.4s, v20.4s")
		v("movi v15.4s, #0")
		v("fcmgt v15.4s, v15.4s, v%d.4s", x)
		v("bsl v15.16b, v13.16b, v20.16b") // e^-|x| of negative x, else 1
		v("fdiv v%d.4s, v15.4s, v14.4s", x)
	}
	begin := func(name, doc string, params ...string) {
		text(name, doc, params...)
		expConstants()
		float(20, 1)
	}
	gated := []string{"dst *float32", "gate *float32", "up *float32", "n int"}

	begin("siluMulRowNEON", "writes gate*sigmoid(gate)*up to dst, n elements.", gated...)
	load(x(0, 4), "dst", "gate", "up", "n")
	each("R3", x(0, 3), []bool{false, true, true}, func(f []int, regs int) {
		for i := range regs {
			move(i, f[1]+i)
			sigmoid(i)
			v("fmul v%d.4s, v%d.4s, v%d.4s", i, i, f[1]+i)
			v("fmul v%d.4s, v%d.4s, v%d.4s", i, i, f[2]+i)
		}
	})

	// 0.5*(1+tanh u) = sigmoid(2u)
	begin("geluMulRowNEON", "writes gelu(gate)*up to dst, n elements.", gated...)
	load(x(0, 4), "dst", "gate", "up", "n")
	const a, b = 2 * 0.7978845608028654, 0.044715
	float(17, a*b)
	float(18, a)
	each("R3", x(0, 3), []bool{false, true, true}, func(f []int, regs int) {
		for i := range regs {
			g := f[1] + i
			v("fmul v12.4s, v%d.4s, v%d.4s", g, g)
			move(13, 18)
			v("fmla v13.4s, v12.4s, v17.4s")
			v("fmul v%d.4s, v%d.4s, v13.4s", i, g)
			sigmoid(i)
			v("fmul v%d.4s, v%d.4s, v%d.4s", i, i, g)
			v("fmul v%d.4s, v%d.4s, v%d.4s", i, i, f[2]+i)
		}
	})

	begin("tanhRowNEON", "replaces n elements x by out*tanh(x*in).", "x *float32", "n int", "in float32", "out float32")
	load(x(0, 2), "x", "n")
	o("FMOVS %s, F16", arg("in"))
	o("FMOVS %s, F17", arg("out"))
	constant(18, 0x80000000)
	float(19, 2)
	each("R1", x(0, 1), []bool{true}, func(f []int, regs int) {
		for i := range regs {
			v("fmul v%d.4s, v%d.4s, v16.s[0]", i, i)
			v("fabs v12.4s, v%d.4s", i)
			v("fneg v12.4s, v12.4s")
			v("fadd v12.4s, v12.4s, v12.4s")
			expm1Parts(12, 13, 14, 15)
			v("fsub v12.4s, v13.4s, v20.4s")
			v("fmla v12.4s, v13.4s, v14.4s") // e^(-2|x|) - 1 = t*u + (t-1), not positive
			v("fadd v13.4s, v12.4s, v19.4s")
			v("fabs v12.4s, v12.4s")
			v("fdiv v12.4s, v12.4s, v13.4s")
			move(13, 18)
			v("bsl v13.16b, v%d.16b, v12.16b", i) // the sign of x
			v("fmul v%d.4s, v13.4s, v17.s[0]", i)
		}
	})
}

func rotations() {
	text("rotatePairsRowNEON", "turns n planes (x[2i], x[2i+1]), n a positive multiple of 4.", "x *float32", "cos *float32", "sin *float32", "n int")
	load(x(0, 4), "x", "cos", "sin", "n")
	label("four")
	ldp(4, 5, "R0", 0)
	v("uzp1 v0.4s, v4.4s, v5.4s")
	v("uzp2 v1.4s, v4.4s, v5.4s")
	turn()
	v("zip1 v4.4s, v6.4s, v7.4s")
	v("zip2 v5.4s, v6.4s, v7.4s")
	o("FSTPQ.P (F4, F5), 32(R0)")
	o("SUBS $4, R3")
	o("BNE four")
	o("RET")

	text("rotateHalvesRowNEON", "turns n planes (lo[i], hi[i]), n a positive multiple of 4.", "lo *float32", "hi *float32", "cos *float32", "sin *float32", "n int")
	load([]string{"R0", "R4", "R1", "R2", "R3"}, "lo", "hi", "cos", "sin", "n")
	label("four")
	ldq(0, "R0", 0)
	ldq(1, "R4", 0)
	turn()
	o("FMOVQ.P F6, 16(R0)")
	o("FMOVQ.P F7, 16(R4)")
	o("SUBS $4, R3")
	o("BNE four")
	o("RET")
}

// turn rotates the planes (v0, v1) to (v6, v7); cos and sin are read from R1 and R2.
func turn() {
	o("FMOVQ.P 16(R1), F2")
	o("FMOVQ.P 16(R2), F3")
	v("fmul v6.4s, v0.4s, v2.4s")
	v("fmul v16.4s, v1.4s, v3.4s")
	v("fsub v6.4s, v6.4s, v16.4s")
	v("fmul v7.4s, v1.4s, v2.4s")
	v("fmul v16.4s, v0.4s, v3.4s")
	v("fadd v7.4s, v7.4s, v16.4s")
}
