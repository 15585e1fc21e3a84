package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// product is the kernel of the formats with one size of weight group, with offsets or without.
type product struct {
	group  int // columns a dot
	affine bool
}

// Physical registers throughout: the bytes of a tile instruction name them.
var (
	rDst, rDstStride = reg.RDI, reg.R8
	rCodes           = reg.R9  // codes of the strip
	rCodeStride      = reg.R10 // bytes between rows of codes
	rScale, rSums    = reg.R11, reg.R12
	rLine            = reg.R13 // 64: bytes between rows of the panel and of the spilled sums
	rA, rB           = reg.RAX, reg.RSI
	rScales          = reg.R15
	rSpill           = reg.RBX
	rLeft            = reg.RCX // dots that are not scaled yet
	rTemp            = reg.RDX
	zScale, zOffset  = reg.Z16, reg.Z17
	temporaries      = []reg.VecPhysical{reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31}
	results          = []reg.VecPhysical{reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15}
	tileC            = []tileReg{0, 1}
	tileA            = []tileReg{2, 3}
	tileB            = []tileReg{4, 5}
	spillBytes       = 16 * 64
	signature        = "func(dst *float32, dstStride int, panel *uint8, scales *float32, dots int, codes *int8, codeStride int, scale *float32, scaleStride int, sums *float32, sumsStride int, strips int, spill *float32)"
)

func (p product) name() string {
	kind := "Zero"
	if p.affine {
		kind = "Offset"
	}
	return fmt.Sprintf("gemm%s%dAMX", kind, p.group)
}

// write writes dst[16*strips][16] += codes x panel; see amxStrips of the package for the arguments.
func (p product) write() {
	TEXT(p.name(), NOSPLIT, signature)
	Doc(fmt.Sprintf("%s adds to dst[16*strips][16] codes x panel; see amxStrips for the arguments.", p.name()))
	Pragma("noescape")
	bytes, rows := [8]int{}, [8]int{}
	for h := range 2 {
		bytes[tileC[h]], rows[tileC[h]] = 64, 16
		bytes[tileA[h]], rows[tileA[h]] = p.group, 16
		bytes[tileB[h]], rows[tileB[h]] = 64, p.group/4
	}
	config := configuration(fmt.Sprintf("gemmTiles%s%d", map[bool]string{false: "Zero", true: "Offset"}[p.affine], p.group), bytes, rows)
	LEAQ(config, rTemp)
	ldtilecfg(memory{base: rTemp})
	Load(Param("dst"), rDst)
	Load(Param("dstStride"), rDstStride)
	Load(Param("codes"), rCodes)
	Load(Param("codeStride"), rCodeStride)
	Load(Param("spill"), rSpill)
	MOVQ(U32(64), rLine)

	Label("strip")
	p.eachRow(func(r int, m Mem) { VMOVUPS(m, results[r]) })
	Load(Param("panel"), rB)
	Load(Param("scales"), rScales)
	Load(Param("scale"), rScale)
	if p.affine {
		Load(Param("sums"), rSums)
	}
	Load(Param("dots"), rLeft)
	MOVQ(rCodes, rA)
	p.dot(0)
	CMPQ(rLeft, U32(1))
	JEQ(LabelRef("dot"))
	p.dot(1)

	Label("dot")
	for h := range 2 {
		next := fmt.Sprintf("scale%d", h)
		tilestored(tileC[h], memory{rSpill, rLine, h * spillBytes})
		CMPQ(rLeft, U32(2))
		JLE(LabelRef(next))
		p.dot(h)
		Label(next)
		p.scale(h)
		DECQ(rLeft)
		if h == 0 && p.group == 32 { // groups of 16 come in pairs
			JZ(LabelRef("done"))
		}
	}
	if p.group == 16 {
		TESTQ(rLeft, rLeft)
	}
	JNZ(LabelRef("dot"))

	Label("done")
	p.eachRow(func(r int, m Mem) { VMOVUPS(results[r], m) })
	MOVQ(rDstStride, rTemp)
	SHLQ(U8(4), rTemp)
	ADDQ(rTemp, rDst)
	MOVQ(rCodeStride, rTemp)
	SHLQ(U8(4), rTemp)
	ADDQ(rTemp, rCodes)
	next("scale", "scaleStride")
	if p.affine {
		next("sums", "sumsStride")
	}
	left := address("strips")
	DECQ(left)
	JNZ(LabelRef("strip"))
	tilerelease()
	VZEROUPPER()
	RET()
}

// address is where a parameter lies.
func address(param string) Mem {
	b, err := Param(param).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// next moves a pointer parameter, in place, by a stride parameter.
func next(pointer, stride string) {
	Load(Param(stride), rTemp)
	ADDQ(rTemp, address(pointer))
}

// eachRow calls f with the address of each row of the strip's results, four of them from one moving pointer.
func (p product) eachRow(f func(r int, m Mem)) {
	MOVQ(rDst, rTemp)
	LEAQ(Mem{Base: rDstStride, Index: rDstStride, Scale: 2}, rA)
	for r := range 16 {
		m := Mem{Base: rTemp}
		switch r % 4 {
		case 1:
			m.Index, m.Scale = rDstStride, 1
		case 2:
			m.Index, m.Scale = rDstStride, 2
		case 3:
			m.Index, m.Scale = rA, 1
		}
		f(r, m)
		if r%4 == 3 {
			LEAQ(Mem{Base: rTemp, Index: rDstStride, Scale: 4}, rTemp)
		}
	}
}

// dot starts the next dot in the tiles of half h.
func (p product) dot(h int) {
	tilezero(tileC[h])
	tileloadd(memory{rA, rCodeStride, 0}, tileA[h])
	tileloadd(memory{rB, rLine, 0}, tileB[h])
	tdpbssd(tileB[h], tileA[h], tileC[h])
	ADDQ(U32(p.group), rA)
	ADDQ(U32(16*p.group), rB)
}

// scale adds the sums that half h spilled: float32(dot)*(scaleW*scaleA), then offset*sum.
func (p product) scale(h int) {
	perDot := 64
	VMOVUPS(Mem{Base: rScales}, zScale)
	if p.affine {
		perDot = 128
		VMOVUPS(Mem{Base: rScales, Disp: 64}, zOffset)
	}
	for r := range 16 {
		v, s := temporaries[2*r%14], temporaries[(2*r+1)%14]
		VCVTDQ2PS(Mem{Base: rSpill, Disp: h*spillBytes + 64*r}, v)
		VMULPS_BCST(Mem{Base: rScale, Disp: 4 * r}, zScale, s)
		VMULPS(s, v, v)
		VADDPS(v, results[r], results[r])
		if p.affine {
			VMULPS_BCST(Mem{Base: rSums, Disp: 4 * r}, zOffset, s)
			VADDPS(s, results[r], results[r])
		}
	}
	ADDQ(U32(perDot), rScales)
	if p.group == 32 || h == 1 { // scales of activations span 32 columns
		ADDQ(U32(64), rScale)
	}
	if p.affine {
		ADDQ(U32(64), rSums)
	}
}

// centre writes the routine that turns codes with a zero point into signed ones.
func centre() {
	TEXT("centreCodesAVX512", NOSPLIT, "func(codes *uint8, zero, n int)")
	Doc("centreCodesAVX512 subtracts zero from n codes, a multiple of 64, modulo 256: they are signed bytes then.")
	Pragma("noescape")
	p, n, z := GP64(), GP64(), GP32()
	Load(Param("codes"), p)
	Load(Param("zero"), z.As64())
	Load(Param("n"), n)
	zeros, v := ZMM(), ZMM()
	VPBROADCASTB(z.As32(), zeros)
	Label("line")
	VMOVDQU32(Mem{Base: p}, v)
	VPSUBB(zeros, v, v)
	VMOVDQU32(v, Mem{Base: p})
	ADDQ(U32(64), p)
	SUBQ(U32(64), n)
	JNZ(LabelRef("line"))
	VZEROUPPER()
	RET()
}
