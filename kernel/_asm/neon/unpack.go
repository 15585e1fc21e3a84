package main

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

	unpackQ5()
	unpackQ5_K()
	unpackQ2_K()
	unpackQ3_K()
	unpackBooks()
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
