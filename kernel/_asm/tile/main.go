// Command tile writes the kernels of decode: eight stored rows of weights times one row of 8-bit activations.
//
//	go run ./tile -out ../tile_avx2_amd64.s -stubs ../tile_avx2_amd64.go -pkg kernel
//
// A first routine per format reads the blocks in the order in which they lie, eight groups at a time, and leaves the
// rounded terms of the package's formula: float32(dot)*(scaleW*scaleA), and offset*sum. Groups are counted through all eight
// rows, so eight of them may cross from one row into the next; the activations are continued past their end by their
// beginning for that. sumTerms then adds the terms of eight rows in ascending order, one row a lane.
package main

import (
	"flag"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	flag.Parse()
	ConstraintExpr("amd64")
	tileQ4("Q4_0", 18)
	tileQ4("Q4_1", 20)
	tileQ8_0()
	tileQ4_K()
	tileQ6_K()
	tileCodes(8, 32, false)
	for _, group := range []int{32, 16} {
		tileCodes(6, group, false)
		tileCodes(6, group, true)
	}
	sumTerms()
	pairCodes()
	Generate()
}

func vecs(n int) []reg.VecVirtual {
	r := make([]reg.VecVirtual, n)
	for i := range r {
		r[i] = YMM()
	}
	return r
}

// constants by name, since several kernels share them.
var constants = map[string]Mem{}

func constant(name string, words ...uint32) Mem {
	m, ok := constants[name]
	if !ok {
		m = GLOBL("tile"+name, RODATA|NOPTR)
		for n := range 8 {
			DATA(4*n, U32(words[n%len(words)]))
		}
		constants[name] = m
	}
	return m
}

func ones() Mem    { return constant("Ones", 0x00010001) }
func nibbles() Mem { return constant("Nibbles", 0x0f0f0f0f) }

// order turns [0 2 4 6 | 1 3 5 7] into ascending order.
func order() Mem { return constant("Order", 0, 4, 1, 5, 2, 6, 3, 7) }

func keep(m Mem) reg.VecVirtual {
	y := YMM()
	VMOVDQU(m, y)
	return y
}

// tile is the frame of a first routine.
type tile struct {
	t, u, w, pieces       reg.GPVirtual
	codes, scale, sums    reg.GPVirtual
	group, period         reg.GPVirtual
	codesBack, groupsBack reg.GPVirtual
	sumsPerGroup          int // sums for one group of activations
}

func begin(name, doc string, sumsPerGroup int, affine bool) *tile {
	TEXT("tile"+name+"AVX2", NOSPLIT, "func(t, u *float32, w *uint8, pieces int, codes *int8, scale, sums *float32, period int)")
	Doc("tile" + name + "AVX2 " + doc)
	Pragma("noescape")
	return frame(sumsPerGroup, affine)
}

// frame loads the parameters that all first routines have.
func frame(sumsPerGroup int, affine bool) *tile {
	k := &tile{sumsPerGroup: sumsPerGroup}
	load := func(name string) reg.GPVirtual {
		r := GP64()
		Load(Param(name), r)
		return r
	}
	k.t, k.w, k.pieces = load("t"), load("w"), load("pieces")
	if affine {
		k.u = load("u")
	}
	k.codes, k.scale, k.sums, k.period = load("codes"), load("scale"), load("sums"), load("period")
	k.codesBack, k.groupsBack, k.group = GP64(), GP64(), GP64()
	MOVQ(k.period, k.codesBack)
	SHLQ(U8(5), k.codesBack)
	MOVQ(k.period, k.groupsBack)
	SHLQ(U8(2), k.groupsBack)
	XORQ(k.group, k.group)
	return k
}

// ahead is how far before its use memory is asked for. The streams that the processor finds by itself run too late
// behind kernels that take longer over a line than the memory does.
var ahead = flag.Int("ahead", 4096, "prefetch distance in bytes")

// end steps to the next eight groups of activations.
func (k *tile) end(bytes, terms int, cold bool) {
	for line := 0; cold && line < bytes; line += 64 {
		PREFETCHT0(Mem{Base: k.w, Disp: *ahead + line})
	}
	ADDQ(U32(bytes), k.w)
	ADDQ(U32(4*terms), k.t)
	if k.u != nil {
		ADDQ(U32(4*terms), k.u)
	}
	ADDQ(U8(8), k.group)
	ADDQ(U32(256), k.codes)
	ADDQ(U8(32), k.scale)
	ADDQ(U8(32*k.sumsPerGroup), k.sums)
	CMPQ(k.group, k.period)
	JLT(LabelRef("next"))
	SUBQ(k.period, k.group)
	SUBQ(k.codesBack, k.codes)
	SUBQ(k.groupsBack, k.scale)
	for range k.sumsPerGroup {
		SUBQ(k.groupsBack, k.sums)
	}
	Label("next")
	DECQ(k.pieces)
	JNZ(LabelRef("piece"))
	VZEROUPPER()
	RET()
}

// heads collects eight 32-bit words that lie stride bytes apart: word n sits in lane n of a load 4n bytes before it.
func heads(w reg.Register, stride int) reg.VecVirtual {
	y := YMM()
	VMOVDQU(Mem{Base: w}, y)
	for n := 1; n < 8; n++ {
		VPBLENDD(U8(1<<n), Mem{Base: w, Disp: (stride - 4) * n}, y, y)
	}
	return y
}

// fold adds the words of b0 and b1 (two groups, or two pairs of groups a half each) into one register.
func fold(lo, hi func(...Op), add func(...Op), a, b reg.VecVirtual) reg.VecVirtual {
	l, h := YMM(), YMM()
	lo(b, a, l)
	hi(b, a, h)
	add(h, l, l)
	return l
}

// halves adds the two halves of a and of b: [a | b].
func halves(add func(...Op), a, b reg.VecVirtual) reg.VecVirtual {
	l, h := YMM(), YMM()
	VPERM2I128(U8(0x20), b, a, l)
	VPERM2I128(U8(0x31), b, a, h)
	add(h, l, l)
	return l
}

// sum16 reduces four registers of 16-bit sums, group 2i in the lower and 2i+1 in the upper half of r[i], to eight 32-bit
// sums in ascending order. The last 16-bit sums are of half a group: at most 8*2*15*127 = 30480.
func sum16(r []reg.VecVirtual) reg.VecVirtual {
	a := fold(VPUNPCKLWD, VPUNPCKHWD, VPADDW, r[0], r[1])
	b := fold(VPUNPCKLWD, VPUNPCKHWD, VPADDW, r[2], r[3])
	s := fold(VPUNPCKLDQ, VPUNPCKHDQ, VPADDW, a, b) // [0 2 4 6 0' 2' 4' 6' | 1 3 5 7 1' 3' 5' 7']
	VPSHUFB(constant("Adjacent", 0x09080100, 0x0b0a0302, 0x0d0c0504, 0x0f0e0706), s, s)
	VPMADDWD(ones(), s, s)
	t := YMM()
	VMOVDQU(order(), t)
	VPERMD(s, t, s)
	return s
}

// sum32 is sum16 for 32-bit sums.
func sum32(r []reg.VecVirtual) reg.VecVirtual {
	a := fold(VPUNPCKLDQ, VPUNPCKHDQ, VPADDD, r[0], r[1])
	b := fold(VPUNPCKLDQ, VPUNPCKHDQ, VPADDD, r[2], r[3])
	s := fold(VPUNPCKLQDQ, VPUNPCKHQDQ, VPADDD, a, b)
	t := YMM()
	VMOVDQU(order(), t)
	VPERMD(s, t, s)
	return s
}

// term stores float32(dot)*(scaleW*scaleA) for eight groups.
func (k *tile) term(dot, scale reg.VecVirtual) {
	VCVTDQ2PS(dot, dot)
	VMULPS(Mem{Base: k.scale}, scale, scale)
	VMULPS(scale, dot, dot)
	VMOVUPS(dot, Mem{Base: k.t})
}
