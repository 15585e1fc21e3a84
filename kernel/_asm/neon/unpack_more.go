package main

// bytes16 fills a register with sixteen bytes.
func bytes16(reg int, low, high uint64) {
	o("MOVD $0x%016x, R26", low)
	o("VMOV R26, V%d.D[0]", reg)
	o("MOVD $0x%016x, R26", high)
	o("VMOV R26, V%d.D[1]", reg)
}

// align moves bit from of every byte to bit to: register r into t, or r itself where it lies there.
func align(t, r, from, to int) int {
	switch {
	case from < to:
		v("shl v%d.16b, v%d.16b, #%d", t, r, to-from)
	case from > to:
		v("ushr v%d.16b, v%d.16b, #%d", t, r, from-to)
	default:
		return r
	}
	return t
}

// unpackQ5 spreads the word of fifth bits: byte i/8 repeated, of which bit i%8 is tested.
func unpackQ5() {
	for _, f := range []struct {
		name  string
		bytes int
	}{{"Q5_0", 22}, {"Q5_1", 24}} {
		affine := f.bytes == 24
		beginUnpack(f.name)
		v("movi v31.16b, #15")
		v("movi v30.16b, #16")
		bytes16(29, 0x8040201008040201, 0x8040201008040201)
		bytes16(28, 0, 0x0101010101010101)
		bytes16(27, 0x0202020202020202, 0x0303030303030303)
		label("block")
		half(1, "R3", 0)
		o("FMOVS F1, (R1)")
		if affine {
			half(2, "R3", 2)
			o("FMOVS F2, (R2)")
		}
		o("FMOVS %d(R3), F3", f.bytes-20)
		ldq(0, "R3", f.bytes-16)
		nibbles(1, 2, 0)
		for i := range 2 {
			v("tbl v4.16b, {v3.16b}, v%d.16b", 28-i)
			v("cmtst v4.16b, v4.16b, v29.16b")
			v("and v4.16b, v4.16b, v30.16b")
			v("orr v%d.16b, v%d.16b, v4.16b", 1+i, 1+i)
		}
		stp(1, 2, "R0", 0)
		endUnpack(32, 1, f.bytes, affine)
	}
}

func unpackQ5_K() {
	beginUnpack("Q5_K")
	v("movi v31.16b, #15")
	v("movi v30.16b, #16")
	masksOf6()
	label("block")
	scalesOf6("R3", 24)
	stp(24, 25, "R1", 0)
	stp(26, 27, "R2", 0)
	ldq(6, "R3", 16)
	ldq(7, "R3", 32)
	for p := range 4 {
		for i := range 2 {
			ldq(i, "R3", 48+32*p+16*i)
			nibbles(2+i, 4+i, i)
			for high := range 2 {
				v("and v8.16b, v%d.16b, v30.16b", align(8, 6+i, 2*p+high, 4))
				v("orr v%d.16b, v%d.16b, v8.16b", 2+2*high+i, 2+2*high+i)
			}
		}
		stp(2, 3, "R0", 64*p)
		stp(4, 5, "R0", 64*p+32)
	}
	endUnpack(256, 8, 176, true)
}

// sixteenFloats widens the bytes of register s to f32 in to..to+3, through t and t+1; signed or not.
func sixteenFloats(to, s, t int, signed string) {
	v("%sxtl v%d.8h, v%d.8b", signed, t, s)
	v("%sxtl2 v%d.8h, v%d.16b", signed, t+1, s)
	for i := range 2 {
		v("%sxtl v%d.4s, v%d.4h", signed, to+2*i, t+i)
		v("%sxtl2 v%d.4s, v%d.8h", signed, to+2*i+1, t+i)
	}
	for i := range 4 {
		v("scvtf v%d.4s, v%d.4s", to+i, to+i)
	}
}

func unpackQ2_K() {
	beginUnpack("Q2_K")
	v("movi v31.16b, #15")
	v("movi v30.16b, #3")
	label("block")
	ldq(0, "R3", 0)
	nibbles(1, 2, 0)
	half(3, "R3", 80)
	half(4, "R3", 82)
	sixteenFloats(16, 1, 24, "u")
	sixteenFloats(20, 2, 24, "u")
	for i := range 4 {
		v("fmul v%d.4s, v%d.4s, v3.s[0]", 16+i, 16+i)
		v("fmul v%d.4s, v%d.4s, v4.s[0]", 20+i, 20+i)
		v("fneg v%d.4s, v%d.4s", 20+i, 20+i)
		stq(16+i, "R1", 16*i)
		stq(20+i, "R2", 16*i)
	}
	for n := range 4 { // sixteen bytes serve four runs of 32 weights
		ldq(0, "R3", 16+16*n)
		for run := range 4 {
			v("and v1.16b, v%d.16b, v30.16b", align(1, 0, 2*run, 0))
			stq(1, "R0", 128*(n/2)+32*run+16*(n%2))
		}
	}
	endUnpack(256, 16, 84, true)
}

func unpackQ3_K() {
	beginUnpack("Q3_K")
	v("movi v30.16b, #3")
	v("movi v29.16b, #4")
	v("movi v28.16b, #32")
	o("MOVD $0x0f0f0f0f, R23")
	o("MOVD $0x03030303, R24")
	label("block")
	// Four scales a word: low bits in two words, each half of which has its own, upper bits in a third.
	o("MOVWU 96(R3), R19")
	o("MOVWU 100(R3), R20")
	o("MOVWU 104(R3), R21")
	for i := range 4 {
		o("LSR $%d, %s, R22", 4*(i/2), [...]string{"R19", "R20"}[i%2])
		o("AND R23, R22")
		o("LSR $%d, R21, R25", 2*i)
		o("AND R24, R25")
		o("ORR R25<<4, R22")
		o("VMOV R22, V0.S[%d]", i)
	}
	v("sub v0.16b, v0.16b, v28.16b")
	half(1, "R3", 108)
	sixteenFloats(16, 0, 24, "s")
	for i := range 4 {
		v("fmul v%d.4s, v%d.4s, v1.s[0]", 16+i, 16+i)
		stq(16+i, "R1", 16*i)
	}
	ldq(4, "R3", 0)
	ldq(5, "R3", 16)
	for n := range 4 {
		ldq(0, "R3", 32+16*n)
		for k := range 4 {
			run := 4*(n/2) + k
			v("and v1.16b, v%d.16b, v30.16b", align(1, 0, 2*k, 0))
			v("and v2.16b, v%d.16b, v29.16b", align(2, 4+n%2, run, 2))
			v("orr v1.16b, v1.16b, v2.16b")
			stq(1, "R0", 32*run+16*(n%2))
		}
	}
	endUnpack(256, 16, 110, false)
}

// book loads a codebook plus 128 into v30.
func book(values [16]int8) {
	var half [2]uint64
	for i, x := range values {
		half[i/8] |= uint64(uint8(x)^0x80) << (i % 8 * 8)
	}
	bytes16(30, half[0], half[1])
}

// look stores the codes of sixteen bytes of indices.
func look(from, to int) {
	ldq(0, "R3", from)
	nibbles(1, 2, 0)
	v("tbl v1.16b, {v30.16b}, v1.16b")
	v("tbl v2.16b, {v30.16b}, v2.16b")
	stp(1, 2, "R0", to)
}

func unpackBooks() {
	nonLinear := [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

	beginUnpack("IQ4_NL")
	v("movi v31.16b, #15")
	book(nonLinear)
	label("block")
	half(3, "R3", 0)
	o("FMOVS F3, (R1)")
	look(2, 0)
	endUnpack(32, 1, 18, false)

	beginUnpack("IQ4_XS")
	v("movi v31.16b, #15")
	v("movi v29.4s, #32")
	book(nonLinear)
	label("block")
	half(3, "R3", 0)
	o("MOVHU 2(R3), R19")
	o("MOVWU 4(R3), R20")
	for g := range 8 {
		o("UBFX $%d, R20, $4, R21", 4*g)
		o("UBFX $%d, R19, $2, R22", 2*g)
		o("ORR R22<<4, R21")
		o("VMOV R21, V%d.S[%d]", 4+g/4, g%4)
	}
	for i := range 2 {
		v("sub v%d.4s, v%d.4s, v29.4s", 4+i, 4+i)
		v("scvtf v%d.4s, v%d.4s", 4+i, 4+i)
		v("fmul v%d.4s, v%d.4s, v3.s[0]", 4+i, 4+i)
	}
	stp(4, 5, "R1", 0)
	for g := range 8 {
		look(8+16*g, 32*g)
	}
	endUnpack(256, 8, 136, false)

	beginUnpack("MXFP4")
	v("movi v31.16b, #15")
	book([16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12})
	o("MOVD $0x00200000, R20")
	label("block")
	// 2^(e-128), subnormal for e = 0 and 1
	o("MOVBU (R3), R19")
	o("LSL R19, R20, R21")
	o("SUB $1, R19, R22")
	o("LSL $23, R22")
	o("CMP $2, R19")
	o("CSEL LT, R21, R22, R22")
	o("MOVW R22, (R1)")
	look(1, 0)
	endUnpack(32, 1, 17, false)
}
