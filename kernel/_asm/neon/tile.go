package main

import "fmt"

// Registers of a first routine: R0 t, R1 u, R2 weights, R3 pieces, R4 codes, R5 scale, R6 sums, R7 period, R8 group.
// v0 to v3 are the sums of four groups, v24 to v27 scales and offsets of the weights.

var tileParams = []string{"t *float32", "u *float32", "w *uint8", "pieces int", "codes *int8", "scale *float32", "sums *float32", "period int"}

func beginTile(tier, name, doc string) {
	text("tile"+name+tier, "leaves the terms of "+doc+"; see tileKernel for the arguments.", tileParams...)
	load(x(0, 8), "t", "u", "w", "pieces", "codes", "scale", "sums", "period")
	o("MOVD ZR, R8")
}

// endPiece steps to the next eight groups of activations.
func endPiece(bytes, sumsPerGroup int, affine bool) {
	o("ADD $%d, R2", bytes)
	o("ADD $%d, R0", 32*sumsPerGroup)
	if affine {
		o("ADD $%d, R1", 32*sumsPerGroup)
	}
	o("ADD $8, R8")
	o("ADD $256, R4")
	o("ADD $32, R5")
	o("ADD $%d, R6", 32*sumsPerGroup)
	o("CMP R7, R8")
	o("BLT next")
	o("SUB R7, R8")
	o("SUB R7<<5, R4")
	o("SUB R7<<2, R5")
	o("SUB R7<<%d, R6", 1+sumsPerGroup)
	label("next")
	o("SUBS $1, R3")
	o("BNE piece")
	o("RET")
}

// dot adds to acc the products of the sixteen or 32 codes in the registers w and the activations in a; small codes are below 64.
// Without SDOT products are summed in 16 bits first, four of small codes (4*63*127 = 32004), two of others (2*128*127 = 32512).
func dot(tier string, acc int, small bool, w, a []int) {
	v("movi v%d.4s, #0", acc)
	for i := range w {
		if tier == "DotProd" {
			v("sdot v%d.4s, v%d.16b, v%d.16b", acc, w[i], a[i])
			continue
		}
		op := "smull"
		if small && i > 0 {
			op = "smlal"
		}
		v("%s v30.8h, v%d.8b, v%d.8b", op, w[i], a[i])
		v("smlal2 v30.8h, v%d.16b, v%d.16b", w[i], a[i])
		if !small || i == len(w)-1 {
			v("sadalp v%d.4s, v30.8h", acc)
		}
	}
}

// fold adds the words of each of v0 to v3: v0 has the four dots.
func fold() {
	v("addp v0.4s, v0.4s, v1.4s")
	v("addp v2.4s, v2.4s, v3.4s")
	v("addp v0.4s, v0.4s, v2.4s")
}

// term stores float32(dot)*(scaleW*scaleA) of four dots in v0; scale is a register of the weights' scales, at counts groups of four
// within the piece. Groups of 16 share the scale of activations by twos. v29 holds the zero point if there is one.
func term(scale, at, sumsPerGroup int, zero bool) {
	if zero {
		ldq(1, "R6", 16*at)
		v("mls v0.4s, v29.4s, v1.4s")
	}
	v("scvtf v0.4s, v0.4s")
	if sumsPerGroup == 1 {
		ldq(2, "R5", 16*at)
	} else {
		o("FMOVD %d(R5), F2", 8*at)
		v("zip1 v2.4s, v2.4s, v2.4s")
	}
	v("fmul v2.4s, v2.4s, v%d.4s", scale)
	v("fmul v0.4s, v0.4s, v2.4s")
	stq(0, "R0", 16*at)
}

// offsetTerm stores offset*sum of four groups.
func offsetTerm(offset, at int) {
	ldq(1, "R6", 16*at)
	v("fmul v1.4s, v1.4s, v%d.4s", offset)
	stq(1, "R1", 16*at)
}

// heads collects four f16 that lie stride bytes apart and widens them.
func heads(reg, off, stride int) {
	for i := range 4 {
		o("MOVHU %d(R2), R26", off+stride*i)
		o("VMOV R26, V%d.H[%d]", reg, i)
	}
	v("fcvtl v%d.4s, v%d.4h", reg, reg)
}

func tiles(tier string) {
	for _, f := range []struct {
		name  string
		bytes int
	}{{"Q4_0", 18}, {"Q4_1", 20}, {"Q8_0", 34}} {
		affine, wide := f.name == "Q4_1", f.name == "Q8_0"
		beginTile(tier, f.name, "8*pieces groups")
		v("movi v31.16b, #15")
		v("movi v29.4s, #8")
		label("piece")
		for at := range 2 {
			for g := range 4 {
				block := f.bytes * (4*at + g)
				ldp(6, 7, "R4", 32*(4*at+g))
				codes := []int{8, 9}
				if wide {
					codes = []int{4, 5}
					ldq(4, "R2", block+2)
					ldq(5, "R2", block+18)
				} else {
					ldq(4, "R2", block+f.bytes-16)
					nibbles(8, 9, 4)
				}
				dot(tier, g, !wide, codes, []int{6, 7})
			}
			fold()
			heads(24, 4*f.bytes*at, f.bytes)
			if affine {
				heads(26, 4*f.bytes*at+2, f.bytes)
			}
			term(24, at, 1, !wide && !affine)
			if affine {
				offsetTerm(26, at)
			}
		}
		endPiece(8*f.bytes, 1, affine)
	}

	beginTile(tier, "Q4_K", "pieces blocks")
	v("movi v31.16b, #15")
	masksOf6()
	label("piece")
	scalesOf6("R2", 24)
	for at := range 2 {
		for p := range 2 {
			ldq(4, "R2", 16+64*at+32*p)
			ldq(6, "R2", 32+64*at+32*p)
			nibbles(8, 10, 4)
			nibbles(9, 11, 6)
			ldp(4, 5, "R4", 128*at+64*p)
			ldp(6, 7, "R4", 128*at+64*p+32)
			dot(tier, 2*p, true, []int{8, 9}, []int{4, 5})
			dot(tier, 2*p+1, true, []int{10, 11}, []int{6, 7})
		}
		fold()
		term(24+at, at, 1, false)
		offsetTerm(26+at, at)
	}
	endPiece(144, 1, true)

	beginTile(tier, "Q6_K", "pieces blocks")
	label("piece")
	scalesQ6_K("R2", 24)
	for h := range 2 {
		v("movi v31.16b, #15")
		v("movi v30.16b, #48")
		codesQ6_K("R2", h)
		v("movi v29.4s, #32")
		for q := range 2 {
			ldp(4, 5, "R4", 128*h+64*q)
			ldp(6, 7, "R4", 128*h+64*q+32)
			for i := range 4 {
				dot(tier, i, true, []int{8 + 4*q + i}, []int{4 + i})
			}
			fold()
			term(24+2*h+q, 2*h+q, 2, true)
		}
	}
	endPiece(210, 2, false)
}

// tileCodes writes the first routines of formats without one of their own: rows unpacked to codes, scales and offsets.
func tileCodes(tier string) {
	for _, k := range []struct {
		bits, group int
		affine      bool
	}{{8, 32, false}, {6, 32, false}, {6, 32, true}, {6, 16, false}, {6, 16, true}} {
		name, per := fmt.Sprintf("Codes%dx%d", k.bits, k.group), 32/k.group
		if k.affine {
			name += "Offset"
		}
		text("tile"+name+tier, "leaves the terms of 8*pieces groups of 32 unpacked weights; see tileCodesKernel for the arguments.",
			"t *float32", "u *float32", "w *uint8", "scaleW *float32", "offsetW *float32", "zero int", "pieces int",
			"codes *int8", "scale *float32", "sums *float32", "period int")
		load(x(0, 8), "t", "u", "w", "pieces", "codes", "scale", "sums", "period")
		load(x(9, 3), "scaleW", "offsetW", "zero")
		o("MOVD ZR, R8")
		o("VDUP R11, V29.S4")
		v("movi v31.16b, #128")
		label("piece")
		for at := range 2 * per {
			for g := range 4 {
				n := k.group * (4*at + g)
				var w, a []int
				for i := range k.group / 16 {
					w, a = append(w, 4+i), append(a, 6+i)
					ldq(4+i, "R2", n+16*i)
					ldq(6+i, "R4", n+16*i)
					if k.bits == 8 {
						v("eor v%d.16b, v%d.16b, v31.16b", 4+i, 4+i)
					}
				}
				dot(tier, g, k.bits == 6, w, a)
			}
			fold()
			ldq(24, "R9", 16*at)
			term(24, at, per, k.bits == 6 && !k.affine)
			if k.affine {
				ldq(26, "R10", 16*at)
				offsetTerm(26, at)
			}
		}
		o("ADD $%d, R9", 32*per)
		if k.affine {
			o("ADD $%d, R10", 32*per)
		}
		endPiece(256, per, k.affine)
	}
}

// sumTerms adds the terms of eight rows, one row a lane, group after group.
func sumTerms() {
	for _, affine := range []bool{false, true} {
		name, arrays := "sumTermsNEON", []string{"t"}
		if affine {
			name, arrays = "sumTermPairsNEON", []string{"t", "u"}
		}
		text(name, "writes the eight sums over groups >= 1 ascending of t[8][groups], after each of which u's is added if there is one.",
			"dst *float32", "t *float32", "u *float32", "groups int")
		load(x(0, 4), "dst", "t", "u", "groups")
		o("LSL $2, R3, R4")
		v("movi v0.4s, #0")
		v("movi v1.4s, #0")
		// rows reads eight rows of an array, whole registers or one lane of them, and steps.
		rows := func(array, first int, one bool) {
			p := fmt.Sprintf("R%d", 1+array)
			o("MOVD %s, R5", p)
			for r := range 8 {
				if one {
					o("VLD1 (R5), V%d.S[%d]", first+r/4, r%4)
				} else {
					ldq(first+r, "R5", 0)
				}
				if r < 7 {
					o("ADD R4, R5")
				}
			}
			if one {
				o("ADD $4, %s", p)
				return
			}
			o("ADD $16, %s", p)
			quarters(first, first+1, first+2, first+3, 24)
			quarters(first+4, first+5, first+6, first+7, 24)
		}
		o("SUBS $4, R3")
		o("BLT rest")
		label("four")
		for a := range arrays {
			rows(a, 4+8*a, false)
		}
		for g := range 4 {
			for a := range arrays {
				v("fadd v0.4s, v0.4s, v%d.4s", 4+8*a+g)
				v("fadd v1.4s, v1.4s, v%d.4s", 8+8*a+g)
			}
		}
		o("SUBS $4, R3")
		o("BGE four")
		label("rest")
		o("ADDS $4, R3")
		o("BEQ done")
		label("one")
		for a := range arrays {
			rows(a, 4+8*a, true)
			v("fadd v0.4s, v0.4s, v%d.4s", 4+8*a)
			v("fadd v1.4s, v1.4s, v%d.4s", 5+8*a)
		}
		o("SUBS $1, R3")
		o("BNE one")
		label("done")
		stp(0, 1, "R0", 0)
		o("RET")
	}
}

// dotRows writes the f32 products of decode, eight chains of four.
func dotRows() {
	for _, f := range []string{"F32", "F16", "BF16"} {
		text("dotRow"+f+"NEON", "is the product of n weights, a positive multiple of 8, and f32 activations.",
			"w *uint8", "x *float32", "n int", "-> float32")
		load(x(0, 3), "w", "x", "n")
		for i := range 8 {
			v("movi v%d.4s, #0", i)
		}
		eight := func(acc int) {
			o("FLDPQ.P 32(R1), (F16, F17)")
			if f == "F32" {
				o("FLDPQ.P 32(R0), (F18, F19)")
			} else {
				o("FMOVQ.P 16(R0), F20")
				if f == "F16" {
					v("fcvtl v18.4s, v20.4h")
					v("fcvtl2 v19.4s, v20.8h")
				} else {
					v("shll v18.4s, v20.4h, #16")
					v("shll2 v19.4s, v20.8h, #16")
				}
			}
			v("fmla v%d.4s, v16.4s, v18.4s", acc)
			v("fmla v%d.4s, v17.4s, v19.4s", acc+1)
		}
		o("SUBS $32, R2")
		o("BLT rest")
		label("thirtytwo")
		for i := 0; i < 8; i += 2 {
			eight(i)
		}
		o("SUBS $32, R2")
		o("BGE thirtytwo")
		label("rest")
		o("ADDS $32, R2")
		o("BEQ done")
		label("eight")
		eight(0)
		o("SUBS $8, R2")
		o("BNE eight")
		label("done")
		for h := 4; h > 0; h /= 2 {
			for i := range h {
				v("fadd v%d.4s, v%d.4s, v%d.4s", i, i, i+h)
			}
		}
		v("faddp v0.4s, v0.4s, v0.4s")
		v("faddp s0, v0.2s")
		o("FMOVS F0, %s", arg("ret"))
		o("RET")
	}
}
