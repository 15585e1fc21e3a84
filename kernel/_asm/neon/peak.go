package main

func peak() {
	text("fmaLoopNEON", "runs n times 12 independent multiply-adds of 4 lanes, in registers alone.", "n int")
	load(x(0, 1), "n")
	for i := range 14 {
		v("movi v%d.4s, #0", i)
	}
	label("loop")
	for i := range 12 {
		v("fmla v%d.4s, v12.4s, v13.4s", i)
	}
	o("SUBS $1, R0")
	o("BNE loop")
	o("RET")

	text("readLoopNEON", "reads lines of 64 bytes, four in flight at a time; lines is a multiple of 4.", "p *byte", "lines int")
	load(x(0, 2), "p", "lines")
	label("loop")
	for i := 0; i < 16; i += 2 {
		ldp(i, i+1, "R0", 16*i)
	}
	o("ADD $256, R0")
	o("SUBS $4, R1")
	o("BNE loop")
	o("RET")
}
