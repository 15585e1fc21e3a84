// Command dot writes products of one stored row with one row of f32 activations.
//
//	go run ./dot -out ../dot_avx2_amd64.s -stubs ../dot_avx2_amd64.go -pkg kernel
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64")
	dot("F32", 4, func(m Mem, w reg.VecVirtual) { VMOVUPS(m, w) })
	dot("F16", 2, func(m Mem, w reg.VecVirtual) { VCVTPH2PS(m, w) })
	dot("BF16", 2, func(m Mem, w reg.VecVirtual) {
		VPMOVZXWD(m, w)
		VPSLLD(U8(16), w, w)
	})
	Generate()
}

// dot sums eight lanes in four interleaved chains: chain c takes the registers c, c+4, c+8, ... of eight weights, the last
// few all go to chain 0. Chains, then halves of the register, then pairs are added up.
func dot(name string, size int, load func(Mem, reg.VecVirtual)) {
	TEXT(fmt.Sprintf("dotRow%sAVX2", name), NOSPLIT, "func(w *uint8, x *float32, n int) float32")
	Doc(fmt.Sprintf("dotRow%sAVX2 is the product of n weights, a positive multiple of 8, and f32 activations.", name))
	Pragma("noescape")
	w, x, n := GP64(), GP64(), GP64()
	Load(Param("w"), w)
	Load(Param("x"), x)
	Load(Param("n"), n)
	var acc [4]reg.VecVirtual
	for c := range acc {
		acc[c] = YMM()
		VXORPS(acc[c], acc[c], acc[c])
	}
	y := YMM()
	SUBQ(U8(32), n)
	JLT(LabelRef("rest"))
	Label("four")
	for c := range acc {
		load(Mem{Base: w, Disp: 8 * size * c}, y)
		VFMADD231PS(Mem{Base: x, Disp: 32 * c}, y, acc[c])
	}
	for line := 0; line < 32*size; line += 64 { // as far ahead as tiles; a row's end is the next row's beginning
		PREFETCHT0(Mem{Base: w, Disp: 4096 + line})
	}
	ADDQ(U32(32*size), w)
	ADDQ(U32(128), x)
	SUBQ(U8(32), n)
	JGE(LabelRef("four"))
	Label("rest")
	ADDQ(U8(32), n)
	JZ(LabelRef("sum"))
	Label("one")
	load(Mem{Base: w}, y)
	VFMADD231PS(Mem{Base: x}, y, acc[0])
	ADDQ(U8(8*size), w)
	ADDQ(U8(32), x)
	SUBQ(U8(8), n)
	JNZ(LabelRef("one"))
	Label("sum")
	VADDPS(acc[1], acc[0], acc[0])
	VADDPS(acc[3], acc[2], acc[2])
	VADDPS(acc[2], acc[0], acc[0])
	t := XMM()
	VEXTRACTF128(U8(1), acc[0], t)
	s := acc[0].AsX()
	VADDPS(t, s, s)
	VMOVHLPS(s, s, t)
	VADDPS(t, s, s)
	VMOVSHDUP(s, t)
	VADDSS(t, s, s)
	VZEROUPPER()
	Store(s, ReturnIndex(0))
	RET()
}
