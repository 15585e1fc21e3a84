package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// isa is a vector width. The arithmetic instructions have one name for all widths; what differs hides here.
type isa struct {
	name  string // suffix of functions
	lanes int    // f32 in a register
	rows  int    // query rows of an attention tile: rows x 2 registers of accumulators
}

var (
	avx2   = isa{"AVX2", 8, 6}
	avx512 = isa{"AVX512", 16, 12}
)

func (v isa) bytes() int { return 4 * v.lanes }

// reg allocates a vector register.
func (v isa) reg() reg.VecVirtual {
	if v.lanes == 16 {
		return ZMM()
	}
	return YMM()
}

func (v isa) regs(n int) []reg.VecVirtual {
	r := make([]reg.VecVirtual, n)
	for i := range r {
		r[i] = v.reg()
	}
	return r
}

func (v isa) zero(r reg.VecVirtual) {
	if v.lanes == 16 {
		VPXORD(r, r, r)
	} else {
		VXORPS(r, r, r)
	}
}

// function opens a function that may not keep its pointers.
func function(name, signature, doc string) {
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(doc)
}

func ret() {
	VZEROUPPER()
	RET()
}

func ptr(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	return r
}

func at(base reg.Register, disp int) operand.Mem { return operand.Mem{Base: base, Disp: disp} }

func indexed(base, index reg.Register, scale uint8, disp int) operand.Mem {
	return operand.Mem{Base: base, Index: index, Scale: scale, Disp: disp}
}

var constants = map[uint32]operand.Mem{}

// constant returns the memory of a 32-bit constant.
func constant(name string, bits uint32) operand.Mem {
	m, ok := constants[bits]
	if !ok {
		m = GLOBL(name, RODATA|NOPTR)
		DATA(0, operand.U32(bits))
		constants[bits] = m
	}
	return m
}

// float broadcasts a f32 constant.
func (v isa) float(name string, x float32) reg.VecVirtual {
	r := v.reg()
	VBROADCASTSS(constant(name, math.Float32bits(x)), r)
	return r
}

// bits broadcasts a 32-bit pattern.
func (v isa) bits(name string, x uint32) reg.VecVirtual {
	r := v.reg()
	VBROADCASTSS(constant(name, x), r)
	return r
}

// param broadcasts a f32 parameter.
func (v isa) param(name string) reg.VecVirtual {
	x, r := XMM(), v.reg()
	Load(Param(name), x)
	VBROADCASTSS(x, r)
	return r
}

// loop runs body while the counter n, which it owns, is at least step; n counts down. Labels are made unique.
func loop(label string, n reg.GPVirtual, step int, body func()) {
	label = unique(label)
	Label(label)
	CMPQ(n, operand.U32(uint32(step)))
	JLT(operand.LabelRef(label + "_done"))
	body()
	SUBQ(operand.U32(uint32(step)), n)
	JMP(operand.LabelRef(label))
	Label(label + "_done")
}

var labels = map[string]int{}

func unique(label string) string {
	labels[label]++
	if n := labels[label]; n > 1 {
		return label + "_" + itoa(n)
	}
	return label
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// foldTo128 reduces a register to an XMM with op, by halves: lane l meets l+lanes/2, then l+lanes/4.
func (v isa) foldTo128(r reg.VecVirtual, op func(...operand.Op)) reg.VecVirtual {
	y := r.(reg.Vec).AsY()
	if v.lanes == 16 {
		h := YMM()
		VEXTRACTF64X4(operand.Imm(1), r, h)
		op(h, y, h)
		y = h
	}
	x := XMM()
	if v.lanes == 16 { // the EVEX form, which reaches all 32 registers
		VEXTRACTF32X4(operand.Imm(1), y, x)
	} else {
		VEXTRACTF128(operand.Imm(1), y, x)
	}
	op(y.(reg.Vec).AsX(), x, x)
	return x
}

// foldToLane reduces an XMM to its lowest lane: lane l meets l+2, then l+1.
func foldToLane(x reg.VecVirtual, op func(...operand.Op)) {
	t := XMM()
	VMOVHLPS(x, x, t)
	op(t, x, x)
	VMOVSHDUP(x, t)
	op(t, x, x)
}
