package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// floatKernel writes dst[rows][16] += x x panel over k ascending, every step one fused multiply-add. panel is [k][16].
func floatKernel(suffix string, l level, rows int) {
	TEXT(fmt.Sprintf("gemmF32%sx%d", suffix, rows), NOSPLIT,
		"func(dst *float32, dstStride int, panel *float32, k int, x *float32, xStride int)")
	Doc(fmt.Sprintf("gemmF32%sx%d adds to dst[%d][16] x times panel; see floatStrip for the arguments.", suffix, rows, rows))
	Pragma("noescape")

	vecs, width := 2, 32
	vec := func() reg.VecVirtual { return YMM() }
	if l > plain {
		vecs, width = 1, 64
		vec = func() reg.VecVirtual { return ZMM() }
	}
	xs, xs3 := strides("xStride", rows)
	x := pointers("x", rows, xs, xs3, 1)
	destination := func() rowPointers {
		s, s3 := strides("dstStride", rows)
		return pointers("dst", rows, s, s3, 1)
	}
	dst := destination()
	panel, k := GP64(), GP64()
	Load(Param("panel"), panel)
	Load(Param("k"), k)
	var acc [][]reg.VecVirtual
	for r := range rows {
		acc = append(acc, nil)
		for v := range vecs {
			acc[r] = append(acc[r], vec())
			VMOVUPS(dst.at(r, width*v), acc[r][v])
		}
	}
	Label("column")
	w := make([]reg.VecVirtual, vecs)
	for v := range w {
		w[v] = vec()
		VMOVUPS(Mem{Base: panel, Disp: width * v}, w[v])
	}
	a := vec()
	for r := range rows {
		if l > plain {
			VFMADD231PS_BCST(x.at(r, 0), w[0], acc[r][0])
			continue
		}
		VBROADCASTSS(x.at(r, 0), a)
		for v := range w {
			VFMADD231PS(w[v], a, acc[r][v])
		}
	}
	x.advance(4)
	ADDQ(U32(64), panel)
	DECQ(k)
	JNZ(LabelRef("column"))
	dst = destination()
	for r := range rows {
		for v := range vecs {
			VMOVUPS(acc[r][v], dst.at(r, width*v))
		}
	}
	VZEROUPPER()
	RET()
}
