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

// half reads an f16 into lane 0 as f32.
func half(reg int, base string, off int) {
	o("MOVHU %d(%s), R26", off, base)
	o("FMOVS R26, F%d", reg)
	o("FCVTHS F%d, F%d", reg, reg)
}

var unpackParams = []string{"codes *uint8", "scale *float32", "offset *float32", "src *uint8", "blocks int"}

func beginUnpack(name string) {
	text("unpack"+name+"NEON", "takes blocks >= 1 blocks apart. See package quant for layout and reference.", unpackParams...)
	load(x(0, 5), "codes", "scale", "offset", "src", "blocks")
}

// endUnpack steps over a block.
func endUnpack(codes, groups, bytes int, offsets bool) {
	o("ADD $%d, R0", codes)
	o("ADD $%d, R1", 4*groups)
	if offsets {
		o("ADD $%d, R2", 4*groups)
	}
	o("ADD $%d, R3", bytes)
	o("SUBS $1, R4")
	o("BNE block")
	o("RET")
}

// nibbles splits register s into its low halves, lo, and high halves, hi, which may be s; v31 holds 15s.
func nibbles(lo, hi, s int) {
	v("and v%d.16b, v%d.16b, v31.16b", lo, s)
	v("ushr v%d.16b, v%d.16b, #4", hi, s)
}

func unpack() {
	for _, f := range []struct {
		name  string
		bytes int
	}{{"Q4_0", 18}, {"Q4_1", 20}} {
		beginUnpack(f.name)
		v("movi v31.16b, #15")
		label("block")
		half(1, "R3", 0)
		o("FMOVS F1, (R1)")
		if f.bytes == 20 {
			half(2, "R3", 2)
			o("FMOVS F2, (R2)")
		}
		ldq(0, "R3", f.bytes-16)
		nibbles(1, 2, 0)
		stp(1, 2, "R0", 0)
		endUnpack(32, 1, f.bytes, f.bytes == 20)
	}

	beginUnpack("Q8_0")
	v("movi v31.16b, #128")
	label("block")
	half(2, "R3", 0)
	o("FMOVS F2, (R1)")
	ldq(0, "R3", 2)
	ldq(1, "R3", 18)
	v("eor v0.16b, v0.16b, v31.16b")
	v("eor v1.16b, v1.16b, v31.16b")
	stp(0, 1, "R0", 0)
	endUnpack(32, 1, 34, false)

	beginUnpack("Q4_K")
	v("movi v31.16b, #15")
	masksOf6()
	label("block")
	scalesOf6("R3", 24)
	stp(24, 25, "R1", 0)
	stp(26, 27, "R2", 0)
	for p := range 4 {
		ldq(0, "R3", 16+32*p)
		ldq(1, "R3", 32+32*p)
		nibbles(2, 4, 0)
		nibbles(3, 5, 1)
		stp(2, 3, "R0", 64*p)
		stp(4, 5, "R0", 64*p+32)
	}
	endUnpack(256, 8, 144, true)

	beginUnpack("Q6_K")
	v("movi v31.16b, #15")
	v("movi v30.16b, #48")
	label("block")
	scalesQ6_K("R3", 24)
	for g := 0; g < 4; g += 2 {
		stp(24+g, 25+g, "R1", 16*g)
	}
	for h := range 2 {
		codesQ6_K("R3", h)
		for i := 0; i < 8; i += 2 {
			stp(8+i, 9+i, "R0", 128*h+16*i)
		}
	}
	endUnpack(256, 16, 210, false)
}

// masksOf6 keeps what scalesOf6 needs in R23 to R25.
func masksOf6() {
	o("MOVD $0x3f3f3f3f, R23")
	o("MOVD $0x0f0f0f0f, R24")
	o("MOVD $0x30303030, R25")
}

// scalesOf6 reads the head of a Q4_K block (quant.pairsOf6): eight scales to registers s and s+1, offsets to s+2 and s+3.
// Pairs 4 to 7 are taken together: their low bits are bytes 8 to 11, their upper ones are left over in bytes 0 to 7.
// It uses v28 and v29, R19 to R22.
func scalesOf6(base string, s int) {
	o("MOVWU 4(%s), R19", base)
	o("MOVWU 8(%s), R20", base)
	o("MOVWU 12(%s), R21", base)
	pair := func(first, low string, reg int) {
		o("AND R23, %s, R22", first)
		o("FMOVS R22, F%d", reg)
		o("LSR $2, %s, R22", first)
		o("AND R25, R22")
		o("%s, R26", low)
		o("AND R24, R26")
		o("ORR R26, R22")
		o("VMOV R22, V%d.S[1]", reg)
	}
	pair("R19", "MOVD R21", 28)
	pair("R20", "LSR $4, R21", 29)
	half(s+3, base, 0)
	v("uxtl v28.8h, v28.8b")
	v("uxtl2 v%d.4s, v28.8h", s+1)
	v("uxtl v%d.4s, v28.4h", s)
	for i := range 2 {
		v("ucvtf v%d.4s, v%d.4s", s+i, s+i)
		v("fmul v%d.4s, v%d.4s, v%d.s[0]", s+i, s+i, s+3)
	}
	half(28, base, 2)
	v("uxtl v29.8h, v29.8b")
	v("uxtl v%d.4s, v29.4h", s+2)
	v("uxtl2 v%d.4s, v29.8h", s+3)
	for i := 2; i < 4; i++ {
		v("ucvtf v%d.4s, v%d.4s", s+i, s+i)
		v("fmul v%d.4s, v%d.4s, v28.s[0]", s+i, s+i)
		v("fneg v%d.4s, v%d.4s", s+i, s+i)
	}
}

// scalesQ6_K reads the sixteen scales of a block to registers s to s+3, through v28 and v29.
func scalesQ6_K(base string, s int) {
	half(28, base, 208)
	ldq(29, base, 192)
	v("sxtl v%d.8h, v29.8b", s+1)
	v("sxtl2 v%d.8h, v29.16b", s+3)
	for i := 0; i < 4; i += 2 {
		v("sxtl v%d.4s, v%d.4h", s+i, s+i+1)
		v("sxtl2 v%d.4s, v%d.8h", s+i+1, s+i+1)
	}
	for i := range 4 {
		v("scvtf v%d.4s, v%d.4s", s+i, s+i)
		v("fmul v%d.4s, v%d.4s, v28.s[0]", s+i, s+i)
	}
}

// codesQ6_K leaves the codes of half h of a block in v8 to v15, through v0 to v7; v31 holds 15s, v30 0x30s.
func codesQ6_K(base string, h int) {
	for i := range 4 {
		ldq(i, base, 64*h+16*i)
	}
	for i := range 2 {
		ldq(4+i, base, 128+32*h+16*i)
	}
	for i := range 4 {
		nibbles(8+i, 12+i, i)
	}
	for run := range 4 {
		for i := range 2 {
			switch run {
			case 0:
				v("shl v6.16b, v%d.16b, #4", 4+i)
			case 1:
				v("shl v6.16b, v%d.16b, #2", 4+i)
			case 3:
				v("ushr v6.16b, v%d.16b, #2", 4+i)
			}
			from := 6
			if run == 2 {
				from = 4 + i
			}
			v("and v6.16b, v%d.16b, v30.16b", from)
			v("orr v%d.16b, v%d.16b, v6.16b", 8+2*run+i, 8+2*run+i)
		}
	}
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
