package main

import "math"

// quarters transposes four registers of four words in place, through t..t+3.
func quarters(r0, r1, r2, r3, t int) {
	v("zip1 v%d.4s, v%d.4s, v%d.4s", t, r0, r2)
	v("zip2 v%d.4s, v%d.4s, v%d.4s", t+1, r0, r2)
	v("zip1 v%d.4s, v%d.4s, v%d.4s", t+2, r1, r3)
	v("zip2 v%d.4s, v%d.4s, v%d.4s", t+3, r1, r3)
	v("zip1 v%d.4s, v%d.4s, v%d.4s", r0, t, t+2)
	v("zip2 v%d.4s, v%d.4s, v%d.4s", r1, t, t+2)
	v("zip1 v%d.4s, v%d.4s, v%d.4s", r2, t+1, t+3)
	v("zip2 v%d.4s, v%d.4s, v%d.4s", r3, t+1, t+3)
}

// encodeActivations rounds a group of 32 at a time; every operation is one IEEE operation of encodeActivationsGeneric.
func encodeActivations() {
	text("encodeActivationsNEON", "rounds groups >= 1 groups of 32. See encodeActivationsGeneric for the reference.",
		"codes *int8", "scale *float32", "sum32 *float32", "sum16 *float32", "isum32 *int32", "isum16 *int32", "x *float32", "groups int")
	load(x(0, 8), "codes", "scale", "sum32", "sum16", "isum32", "isum16", "x", "groups")
	constant(29, math.Float32bits(0x1p-100))
	constant(30, math.Float32bits(127))
	constant(31, math.Float32bits(1))
	label("group")
	for i := 0; i < 8; i += 2 {
		ldp(i, i+1, "R6", 16*i)
	}
	for i := range 8 {
		v("fabs v%d.4s, v%d.4s", 8+i, i)
	}
	for h := 4; h > 0; h /= 2 {
		for i := range h {
			v("umax v%d.4s, v%d.4s, v%d.4s", 8+i, 8+i, 8+i+h) // bits of magnitudes: NaN lies above everything
		}
	}
	v("umaxv s16, v8.4s")
	v("movi v17.4s, #0")
	v("movi v18.4s, #0")
	o("FCMPS F29, F16")
	o("BMI tiny") // not for NaN
	o("FDIVS F30, F16, F17")
	o("FSUBS F16, F16, F18")
	o("FADDS F18, F17, F17")
	o("FDIVS F17, F31, F18")
	label("tiny")
	o("FMOVS.P F17, 4(R1)")
	for i := range 8 {
		v("fmul v%d.4s, v%d.4s, v18.s[0]", i, i)
		v("fcvtns v%d.4s, v%d.4s", i, i) // NaN becomes 0
	}
	for half := range 2 {
		i := 4 * half
		v("add v%d.4s, v%d.4s, v%d.4s", 20+half, i, i+1)
		v("add v%d.4s, v%d.4s, v%d.4s", 22+half, i+2, i+3)
		v("add v%d.4s, v%d.4s, v%d.4s", 20+half, 20+half, 22+half)
	}
	v("addp v20.4s, v20.4s, v21.4s")
	v("addp v20.4s, v20.4s, v20.4s") // the halves' sums, twice
	v("addp v21.4s, v20.4s, v20.4s")
	o("FMOVD.P F20, 8(R5)")
	o("FMOVS.P F21, 4(R4)")
	v("scvtf v20.4s, v20.4s")
	v("scvtf v21.4s, v21.4s")
	v("fmul v20.4s, v20.4s, v17.s[0]")
	v("fmul v21.4s, v21.4s, v17.s[0]")
	o("FMOVD.P F20, 8(R3)")
	o("FMOVS.P F21, 4(R2)")
	narrow()
	stp(24, 25, "R0", 0)
	o("ADD $32, R0")
	o("ADD $128, R6")
	o("SUBS $1, R7")
	o("BNE group")
	o("RET")
}

// narrow leaves the 32 codes in v0 to v7 as bytes in v24 and v25, through v26 and v27.
func narrow() {
	for half := range 2 {
		i := 4 * half
		v("xtn v%d.4h, v%d.4s", 24+half, i)
		v("xtn2 v%d.8h, v%d.4s", 24+half, i+1)
		v("xtn v%d.4h, v%d.4s", 26+half, i+2)
		v("xtn2 v%d.8h, v%d.4s", 26+half, i+3)
		v("xtn v%d.8b, v%d.8h", 24+half, 24+half)
		v("xtn2 v%d.16b, v%d.8h", 24+half, 26+half)
	}
}

func transpose16() {
	text("transpose16NEON", "writes dst[count][16] from src[16][count]; count is a multiple of 4, strides are in bytes.",
		"dst *uint32", "dstStride int", "src *uint32", "srcStride int", "count int")
	load(x(0, 5), "dst", "dstStride", "src", "srcStride", "count")
	label("columns")
	o("MOVD R2, R5")
	for r := range 16 {
		ldq(r, "R5", 0)
		if r < 15 {
			o("ADD R3, R5")
		}
	}
	for r := 0; r < 16; r += 4 {
		quarters(r, r+1, r+2, r+3, 16)
	}
	for c := range 4 {
		stp(c, c+4, "R0", 0)
		stp(c+8, c+12, "R0", 32)
		o("ADD R1, R0")
	}
	o("ADD $16, R2")
	o("SUBS $4, R4")
	o("BNE columns")
	o("RET")
}

func dequantise() {
	for _, group := range []int{32, 16} {
		for _, affine := range []bool{true, false} {
			kind := "Zero"
			if affine {
				kind = "Offset"
			}
			size := "32"
			if group == 16 {
				size = "16"
			}
			text("dequantise"+kind+size+"NEON", "writes the weights of groups >= 1 groups of "+size+" from their integer form; see quant.Format.",
				"dst *float32", "codes *uint8", "scale *float32", "offset *float32", "zero int", "groups int")
			load(x(0, 6), "dst", "codes", "scale", "offset", "zero", "groups")
			o("VDUP R4, V31.H8")
			label("group")
			o("FMOVS.P 4(R2), F30")
			if affine {
				o("VLD1R.P 4(R3), [V29.S4]")
			}
			for range group / 16 {
				o("FMOVQ.P 16(R1), F0")
				v("uxtl v4.8h, v0.8b")
				v("uxtl2 v5.8h, v0.16b")
				if !affine {
					v("sub v4.8h, v4.8h, v31.8h")
					v("sub v5.8h, v5.8h, v31.8h")
				}
				for i := range 4 {
					two := ""
					lanes := "4h"
					if i%2 == 1 {
						two, lanes = "2", "8h"
					}
					v("sxtl%s v%d.4s, v%d.%s", two, i, 4+i/2, lanes)
				}
				for i := range 4 {
					v("scvtf v%d.4s, v%d.4s", i, i)
					v("fmul v%d.4s, v%d.4s, v30.s[0]", i, i)
					if affine {
						v("fadd v%d.4s, v%d.4s, v29.4s", i, i)
					}
				}
				stp(0, 1, "R0", 0)
				stp(2, 3, "R0", 32)
				o("ADD $64, R0")
			}
			o("SUBS $1, R5")
			o("BNE group")
			o("RET")
		}
	}
}

func widen() {
	for _, f := range []struct{ name, lo, hi string }{
		{"F16", "fcvtl v0.4s, v2.4h", "fcvtl2 v1.4s, v2.8h"}, {"BF16", "shll v0.4s, v2.4h, #16", "shll2 v1.4s, v2.8h, #16"},
	} {
		text("widen"+f.name+"NEON", "turns n numbers, a positive multiple of 8, into f32.", "dst *float32", "src *uint8", "n int")
		load(x(0, 3), "dst", "src", "n")
		label("eight")
		o("FMOVQ.P 16(R1), F2")
		v("%s", f.lo)
		v("%s", f.hi)
		o("FSTPQ.P (F0, F1), 32(R0)")
		o("SUBS $8, R2")
		o("BNE eight")
		o("RET")
	}
}
