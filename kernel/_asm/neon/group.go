package main

import "fmt"

// Products of folded operands with panels of 2, 3 and 4 bit codes; the layout is that of kernel/rows_group.go.

func group() {
	foldRow()
	for bits := 2; bits <= 4; bits++ {
		panel(bits)
	}
}

// foldRow is foldGeneric.
func foldRow() {
	text("foldNEON", "rounds x*step to integers of at most 32767 in out, and writes their unit and the sum of x*min; slots is a positive multiple of 8.",
		"out *int16", "x *float32", "steps *byte", "mins *byte", "slots int", "unit *float32", "bias *float32")
	load(x(0, 7), "out", "x", "steps", "mins", "slots", "unit", "bias")
	for i := range 4 {
		v("movi v%d.4s, #0", i) // largest, sums
	}
	o("MOVD R1, R7")
	o("MOVD R2, R8")
	o("MOVD R4, R9")
	label("largest")
	o("FLDPQ.P 32(R7), (F4, F5)")
	o("FMOVQ.P 16(R8), F6")
	o("FMOVQ.P 16(R3), F7")
	for i := range 2 {
		two, lanes := "", "4h"
		if i == 1 {
			two, lanes = "2", "8h"
		}
		v("fcvtl%s v16.4s, v6.%s", two, lanes)
		v("fcvtl%s v17.4s, v7.%s", two, lanes)
		v("fmul v16.4s, v16.4s, v%d.4s", 4+i)
		v("fmul v17.4s, v17.4s, v%d.4s", 4+i)
		v("fabs v16.4s, v16.4s")
		v("fmax v%d.4s, v%d.4s, v16.4s", i, i)
		v("fadd v%d.4s, v%d.4s, v17.4s", 2+i, 2+i)
	}
	o("SUBS $8, R9")
	o("BNE largest")
	// ((s0+s4)+(s2+s6)) + ((s1+s5)+(s3+s7))
	v("fadd v2.4s, v2.4s, v3.4s")
	v("ext v3.16b, v2.16b, v2.16b, #8")
	v("fadd v2.4s, v2.4s, v3.4s")
	v("faddp s2, v2.2s")
	o("FMOVS F2, (R6)")
	v("fmax v0.4s, v0.4s, v1.4s")
	v("fmaxv s0, v0.4s")
	float(1, 1e-30) // foldLowest
	float(2, 32767) // foldLimit
	o("FMAXS F1, F0, F0")
	o("FDIVS F2, F0, F1")
	o("FMOVS F1, (R5)")
	o("FDIVS F0, F2, F3")
	label("round")
	o("FLDPQ.P 32(R1), (F4, F5)")
	o("FMOVQ.P 16(R2), F6")
	v("fcvtl v16.4s, v6.4h")
	v("fcvtl2 v17.4s, v6.8h")
	for i := range 2 {
		v("fmul v%d.4s, v%d.4s, v%d.4s", 16+i, 16+i, 4+i)
		v("fmul v%d.4s, v%d.4s, v3.s[0]", 16+i, 16+i)
		v("fcvtns v%d.4s, v%d.4s", 16+i, 16+i)
	}
	v("xtn v16.4h, v16.4s")
	v("xtn2 v16.8h, v17.4s")
	o("FMOVQ.P F16, 16(R0)")
	o("SUBS $8, R4")
	o("BNE round")
	o("RET")
}

// panel: an octet of lanes is two registers of words. A pair of slots is one shift and one mask for them, and for every head two
// 16-bit operands repeated and four products, whose even and odd slots are added at the end.
func panel(bits int) {
	text(fmt.Sprintf("dotPanel%dNEON", bits), "writes sum*unit+bias of up to 4 folded operands, xStride bytes apart, with the lanes of a panel to dst [heads][64].",
		"heads int", "dst *float32", "x *int16", "xStride int", "panel *byte", "octets int", "slots int", "unit *float32", "bias *float32")
	perHeads(func(heads int) {
		load(x(1, 8), "dst", "x", "xStride", "panel", "octets", "slots", "unit", "bias")
		ops := x(9, heads) // R9 to R12
		low := bits
		if bits == 3 {
			low = 2
			constant(31, 4*0x10001)
		}
		constant(30, uint32(1<<low-1)*0x10001)
		octet := fresh("octet")
		label(octet)
		for h := range heads {
			if h == 0 {
				o("MOVD R2, %s", ops[0])
			} else {
				o("ADD R3, %s, %s", ops[h-1], ops[h])
			}
			for i := range 4 {
				v("movi v%d.4s, #0", 4*h+i)
			}
		}
		pair := func(k int) {
			for h := range heads {
				if k%4 == 0 {
					o("FMOVQ.P 16(%s), F%d", ops[h], 24+h)
				}
				v("dup v28.4s, v%d.s[%d]", 24+h, k%4)
				for i := range 2 {
					v("smlal v%d.4s, v%d.4h, v28.4h", 4*h+2*i, 20+i)
					v("smlal2 v%d.4s, v%d.8h, v28.8h", 4*h+2*i+1, 20+i)
				}
			}
		}
		// pick leaves the codes at a place of the words in v16 and v17 in v20 and v21.
		pick := func(shift int) {
			for i := range 2 {
				from := 16 + i
				if shift > 0 {
					v("ushr v%d.8h, v%d.8h, #%d", 20+i, from, shift)
					from = 20 + i
				}
				v("and v%d.16b, v%d.16b, v30.16b", 20+i, from)
			}
		}
		o("MOVD R6, R13")
		slots := fresh("slots")
		label(slots)
		step := 32 / bits
		if bits == 3 {
			step = 32
			ldp(18, 19, "R4", 64)
			for half := range 2 {
				ldp(16, 17, "R4", 32*half)
				for k := range 8 {
					pick(2 * k)
					j := 8*half + k // the upper bit's place
					for i := range 2 {
						from := 18 + i
						if j < 2 {
							v("shl v22.8h, v%d.8h, #%d", from, 2-j)
							from = 22
						} else if j > 2 {
							v("ushr v22.8h, v%d.8h, #%d", from, j-2)
							from = 22
						}
						v("and v22.16b, v%d.16b, v31.16b", from)
						v("orr v%d.16b, v%d.16b, v22.16b", 20+i, 20+i)
					}
					pair(j)
				}
			}
			o("ADD $96, R4")
		} else {
			o("FLDPQ.P 32(R4), (F16, F17)")
			for k := range step / 2 {
				pick(bits * k)
				pair(k)
			}
		}
		o("SUBS $%d, R13", step)
		o("BNE %s", slots)
		for h := range heads {
			o("FMOVS %d(R7), F20", 4*h)
			o("FMOVS %d(R8), F21", 4*h)
			v("dup v21.4s, v21.s[0]")
			for i := range 2 {
				a := 4*h + 2*i
				v("addp v%d.4s, v%d.4s, v%d.4s", a, a, a+1)
				v("scvtf v%d.4s, v%d.4s", a, a)
				v("fmul v%d.4s, v%d.4s, v20.s[0]", a, a)
				v("fadd v%d.4s, v%d.4s, v21.4s", a, a)
				stq(a, "R1", 256*h+16*i)
			}
		}
		o("ADD $32, R1")
		o("SUBS $1, R5")
		o("BNE %s", octet)
		o("RET")
	})
}
