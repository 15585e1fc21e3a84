package main

// sketch makes the products with sketched keys; the layout is that of kernel/sketch.go. A tile of 16 tokens is two registers of words; two channels are one shift and one
// mask for them, and for every head four products, whose two channels are added at the end.
func sketch() {
	text("dotSketchNEON", "writes the products of up to 4 queries, channels numbers and twice as many words of codes apart, with the keys of count blocks to dst, dstStride bytes apart.",
		"heads int", "dst *float32", "dstStride int", "q *float32", "codes *uint64", "unit *float32", "shift *float32", "blocks **byte", "count int", "channels int")
	perHeads(func(heads int) {
		const dst, dstStride, q, codes, unit, shift, blocks, count, channels = "R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9"
		const block, scales, left, tiles, stride = "R10", "R11", "R12", "R13", "R14"
		load(x(1, 9), "dst", "dstStride", "q", "codes", "unit", "shift", "blocks", "count", "channels")
		ptrs := x(16, heads) // R19 to R22
		constant(30, 0x03030303)
		start := func(base string) {
			for h := range heads {
				if h == 0 {
					o("MOVD %s, %s", base, ptrs[0])
				} else {
					o("ADD %s, %s, %s", stride, ptrs[h-1], ptrs[h])
				}
			}
		}
		next := fresh("block")
		label(next)
		o("MOVD.P 8(%s), %s", blocks, block)

		// The mean's product, in eight partial sums as foldRow takes them.
		for h := range heads {
			v("movi v%d.4s, #0", 2*h)
			v("movi v%d.4s, #0", 2*h+1)
		}
		o("LSL $2, %s, %s", channels, stride)
		start(q)
		o("MOVD %s, %s", channels, left)
		mean := fresh("mean")
		label(mean)
		o("FMOVQ.P 16(%s), F16", block)
		v("fcvtl v17.4s, v16.4h")
		v("fcvtl2 v18.4s, v16.8h")
		for h := range heads {
			o("FLDPQ.P 32(%s), (F19, F20)", ptrs[h])
			v("fmul v19.4s, v19.4s, v17.4s")
			v("fmul v20.4s, v20.4s, v18.4s")
			v("fadd v%d.4s, v%d.4s, v19.4s", 2*h, 2*h)
			v("fadd v%d.4s, v%d.4s, v20.4s", 2*h+1, 2*h+1)
		}
		o("SUBS $8, %s", left)
		o("BNE %s", mean)
		for h := range heads { // to v24 up, in all lanes
			v("fadd v%d.4s, v%d.4s, v%d.4s", 2*h, 2*h, 2*h+1)
			v("ext v16.16b, v%d.16b, v%d.16b, #8", 2*h, 2*h)
			v("fadd v%d.4s, v%d.4s, v16.4s", 2*h, 2*h)
			v("faddp s16, v%d.2s", 2*h)
			v("dup v%d.4s, v16.s[0]", 24+h)
		}

		o("MOVD %s, %s", block, scales)
		o("ADD $128, %s", block)
		o("LSL $4, %s, %s", channels, stride)
		o("MOVD $4, %s", tiles)
		tile := fresh("tile")
		label(tile)
		for i := range 4 * heads {
			v("movi v%d.4s, #0", i)
		}
		start(codes)
		o("MOVD %s, %s", channels, left)
		eight := fresh("channels")
		label(eight)
		o("FLDPQ.P 32(%s), (F16, F17)", block)
		for k := range 4 {
			for i := range 2 {
				from := 16 + i
				if k > 0 {
					v("ushr v%d.16b, v%d.16b, #%d", 18+i, from, 2*k)
					from = 18 + i
				}
				v("and v%d.16b, v%d.16b, v30.16b", 18+i, from)
			}
			for h := range heads {
				ldq(20, ptrs[h], 32*k)
				for i := range 2 {
					v("smlal v%d.8h, v%d.8b, v20.8b", 4*h+2*i, 18+i)
					v("smlal2 v%d.8h, v%d.16b, v20.16b", 4*h+2*i+1, 18+i)
				}
			}
		}
		for h := range heads {
			o("ADD $128, %s", ptrs[h])
		}
		o("SUBS $8, %s", left)
		o("BNE %s", eight)
		o("FLDPQ.P 32(%s), (F28, F29)", scales)
		for h := range heads {
			o("FMOVS %d(%s), F21", 4*h, shift)
			v("dup v21.4s, v21.s[0]")
			o("FMOVS %d(%s), F22", 4*h, unit)
			if h == 0 {
				o("MOVD %s, %s", dst, left)
			} else {
				o("ADD %s, %s", dstStride, left)
			}
			for i := range 2 {
				a := 4*h + 2*i
				v("addp v%d.8h, v%d.8h, v%d.8h", a, a, a+1)
				for half := range 2 {
					if half == 0 {
						v("fcvtl v18.4s, v%d.4h", 28+i)
						v("sxtl v16.4s, v%d.4h", a)
					} else {
						v("fcvtl2 v18.4s, v%d.8h", 28+i)
						v("sxtl2 v16.4s, v%d.8h", a)
					}
					v("scvtf v16.4s, v16.4s")
					v("fadd v16.4s, v16.4s, v21.4s")
					v("fmul v16.4s, v16.4s, v22.s[0]")
					v("fmul v16.4s, v16.4s, v18.4s")
					v("fadd v16.4s, v16.4s, v%d.4s", 24+h)
					stq(16, left, 32*i+16*half)
				}
			}
		}
		o("ADD $64, %s", dst)
		o("SUBS $1, %s", tiles)
		o("BNE %s", tile)
		o("SUBS $1, %s", count)
		o("BNE %s", next)
		o("RET")
	})
}
