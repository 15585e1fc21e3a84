package main

const (
	tileRows = 8
	rowBytes = 4 * 64 // a row of a tile's scores
)

func attention() {
	packOctet()
	scores()
	softmaxTile()
	valuesTile()
	addProbs()
}

// packOctet transposes 8 keys, four channels at a time, into a panel [d][8].
func packOctet() {
	text("packOctetNEON", "writes channel c of the 8 keys keys[i*keyStride] to dst[8*c:], for 4*quarters channels; keyStride in bytes.",
		"dst *float32", "keys *float32", "quarters int", "keyStride int")
	load(x(0, 4), "dst", "keys", "quarters", "keyStride")
	label("four")
	o("MOVD R1, R4")
	for i := range 8 {
		ldq(i, "R4", 0)
		if i < 7 {
			o("ADD R3, R4")
		}
	}
	quarters(0, 1, 2, 3, 16)
	quarters(4, 5, 6, 7, 16)
	for c := range 4 {
		o("FSTPQ.P (F%d, F%d), 32(R0)", c, c+4)
	}
	o("ADD $16, R1")
	o("SUBS $1, R2")
	o("BNE four")
	o("RET")
}

// products adds to v0 to v15 [row][2] two registers of columns times one number of each row: lane i of v16 to v23.
func products(i int) {
	for r := range tileRows {
		v("fmla v%d.4s, v24.4s, v%d.s[%d]", 2*r, 16+r, i)
		v("fmla v%d.4s, v25.4s, v%d.s[%d]", 2*r+1, 16+r, i)
	}
}

// scores multiplies the tile's query rows [8][d] with panels of keys [d][8].
func scores() {
	text("scoresNEON", "writes the products of 8 query rows with the keys of the first panels to the rows of scores, each product one chain of multiply-adds over ascending channels.",
		"scores *float32", "q *float32", "keys *float32", "d int", "panels int")
	load(x(0, 5), "scores", "q", "keys", "d", "panels")
	q := x(8, tileRows)
	o("LSL $2, R3, R5")
	label("panel")
	for r := range tileRows {
		if r == 0 {
			o("MOVD R1, %s", q[0])
		} else {
			o("ADD R5, %s, %s", q[r-1], q[r])
		}
		v("movi v%d.4s, #0", 2*r)
		v("movi v%d.4s, #0", 2*r+1)
	}
	o("MOVD R3, R6")
	for _, n := range []int{4, 1} {
		counted("R6", n, func() {
			for r := range tileRows {
				if n == 4 {
					o("FMOVQ.P 16(%s), F%d", q[r], 16+r)
				} else {
					o("FMOVS.P 4(%s), F%d", q[r], 16+r)
				}
			}
			for i := range n {
				o("FLDPQ.P 32(R2), (F24, F25)")
				products(i)
			}
		})
	}
	for r := range tileRows {
		stq(2*r, "R0", r*rowBytes)
		stq(2*r+1, "R0", r*rowBytes+16)
	}
	o("ADD $32, R0")
	o("SUBS $1, R4")
	o("BNE panel")
	o("RET")
}

// softmaxTile turns scores into weights and keeps the running maxima and sums.
func softmaxTile() {
	text("softmaxTileNEON", "is the weights' part of attendGeneric for 8 rows; shrink, of 8 elements, receives the factor of what was summed before.",
		"scores *float32", "maxima *float32", "sums *float32", "shrink *float32", "factor float32")
	load(x(0, 4), "scores", "maxima", "sums", "shrink")
	o("FMOVS %s, F19", arg("factor"))
	exp2Constants()
	o("MOVD $%d, R4", tileRows)
	label("row")
	for i := 0; i < 16; i += 2 {
		ldp(i, i+1, "R0", 16*i)
	}
	v("fmax v16.4s, v0.4s, v1.4s")
	v("fmax v17.4s, v2.4s, v3.4s")
	for i := 4; i < 16; i++ {
		v("fmax v%d.4s, v%d.4s, v%d.4s", 16+i%2, 16+i%2, i)
	}
	v("fmax v16.4s, v16.4s, v17.4s")
	v("fmaxv s16, v16.4s")
	// new = max(old, top*factor)
	o("FMULS F19, F16, F16")
	o("FMOVS (R1), F17")
	o("FMAXS F17, F16, F16")
	o("FMOVS.P F16, 4(R1)")
	o("FSUBS F16, F17, F17")
	exp2(17)
	o("FMOVS.P F17, 4(R3)")
	v("fneg v16.4s, v16.4s")
	v("dup v16.4s, v16.s[0]")
	v("movi v18.4s, #0")
	for i := range 16 {
		// v(i) = factor*v(i) - new, rounded once.
		move(22, 16)
		v("fmla v22.4s, v%d.4s, v19.s[0]", i)
		move(i, 22)
		exp2(i)
		v("fadd v18.4s, v18.4s, v%d.4s", i)
	}
	for i := 0; i < 16; i += 2 {
		o("FSTPQ.P (F%d, F%d), 32(R0)", i, i+1)
	}
	v("faddp v18.4s, v18.4s, v18.4s")
	v("faddp s18, v18.2s")
	o("FMOVS (R2), F16")
	v("fmla v18.4s, v16.4s, v17.s[0]")
	o("FMOVS.P F18, 4(R2)")
	o("SUBS $1, R4")
	o("BNE row")
	o("RET")
}

// valuesTile adds weights times values to the tile's sums.
func valuesTile() {
	text("valuesTileNEON", "multiplies out [8][dv] by shrink [8] and adds the weights [8][64] of n keys times their values, one chain of multiply-adds over ascending keys; stride, between values, in bytes; dv a multiple of 8.",
		"out *float32", "weights *float32", "values *float32", "shrink *float32", "stride int", "n int", "dv int")
	load(x(0, 7), "out", "weights", "values", "shrink", "stride", "n", "dv")
	rows := x(8, tileRows)
	o("LSL $2, R6, R7")
	for r := range tileRows {
		if r == 0 {
			o("MOVD R0, %s", rows[0])
		} else {
			o("ADD R7, %s, %s", rows[r-1], rows[r])
		}
	}
	ldp(26, 27, "R3", 0)
	label("columns")
	for r := range tileRows {
		ldp(2*r, 2*r+1, rows[r], 0)
		for c := range 2 {
			v("fmul v%d.4s, v%d.4s, v%d.s[%d]", 2*r+c, 2*r+c, 26+r/4, r%4)
		}
	}
	const values, weights, n = "R19", "R20", "R21"
	o("MOVD R2, %s", values)
	o("MOVD R1, %s", weights)
	o("MOVD R5, %s", n)
	for _, k := range []int{4, 1} {
		counted(n, k, func() {
			for r := range tileRows {
				if k == 4 {
					ldq(16+r, weights, r*rowBytes)
				} else {
					o("FMOVS %d(%s), F%d", r*rowBytes, weights, 16+r)
				}
			}
			for i := range k {
				ldp(24, 25, values, 0)
				o("ADD R4, %s", values)
				products(i)
			}
			o("ADD $%d, %s", 4*k, weights)
		})
	}
	for r := range tileRows {
		o("FSTPQ.P (F%d, F%d), 32(%s)", 2*r, 2*r+1, rows[r])
	}
	o("ADD $32, R2")
	o("SUBS $8, R6")
	o("BNE columns")
	o("RET")
}

// addProbs is addProbsGeneric. Columns run outside and rows inside, so that sums stay in a register.
func addProbs() {
	text("addProbsNEON", "adds 2^(factor*score-lse) of every step-th row of 64 scores to sums.",
		"sums *float32", "scores *float32", "lse *float32", "rows int", "step int", "factor float32")
	load(x(0, 5), "sums", "scores", "lse", "rows", "step")
	o("FMOVS %s, F16", arg("factor"))
	exp2Constants()
	v("movi v17.4s, #0")
	o("LSL $2, R4, R5")
	o("MOVD $%d, R6", rowBytes)
	o("MUL R6, R4, R6")
	o("MOVD $16, R7")
	label("columns")
	ldq(0, "R0", 0)
	o("MOVD R1, R8")
	o("MOVD R2, R9")
	o("MOVD R3, R10")
	label("rows")
	ldq(1, "R8", 0)
	o("VLD1R (R9), [V2.S4]")
	v("fneg v2.4s, v2.4s")
	v("fmla v2.4s, v1.4s, v16.s[0]")
	v("fmin v2.4s, v2.4s, v17.4s")
	exp2(2)
	v("fadd v0.4s, v0.4s, v2.4s")
	o("ADD R6, R8")
	o("ADD R5, R9")
	o("SUBS $1, R10")
	o("BNE rows")
	o("FMOVQ.P F0, 16(R0)")
	o("ADD $16, R1")
	o("SUBS $1, R7")
	o("BNE columns")
	o("RET")
}
