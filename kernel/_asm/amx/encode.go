package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Go's assembler has no names for tile instructions. They are written as bytes, below a comment with Intel's mnemonic and
// operands, and a test of the package decodes the one and compares it with the other. All are VEX.128.0F38.W0 (Intel SDM,
// volume 2): C4, inverted register extensions with map 2, inverted second source with the prefix, opcode, ModRM.

// prefix is the field pp of VEX.
type prefix byte

const (
	none prefix = iota
	p66
	pF3
	pF2
)

// tileReg is a tile register, 0 to 7.
type tileReg int

func (t tileReg) String() string { return fmt.Sprintf("TMM%d", int(t)) }

// memory is base + index*1 + disp: a tile's rows lie index bytes apart. The index is nil for LDTILECFG.
type memory struct {
	base, index reg.GPPhysical
	disp        int
}

func (m memory) String() string {
	s := fmt.Sprintf("%d(%s)", m.disp, m.base.Asm())
	if m.index != nil {
		s += fmt.Sprintf("(%s*1)", m.index.Asm())
	}
	return s
}

// number is the register's number in an instruction.
var number = map[string]byte{"AX": 0, "CX": 1, "DX": 2, "BX": 3, "SP": 4, "BP": 5, "SI": 6, "DI": 7,
	"R8": 8, "R9": 9, "R10": 10, "R11": 11, "R12": 12, "R13": 13, "R14": 14, "R15": 15}

// emit writes the bytes of one instruction.
func emit(isa, mnemonic string, b ...byte) {
	Comment(mnemonic)
	op := ""
	for i, v := range b {
		if i > 0 {
			op += "; "
		}
		op += fmt.Sprintf("BYTE $0x%02x", v)
	}
	Instruction(&ir.Instruction{Opcode: op, ISA: []string{isa}})
}

func vex(pp prefix, source tileReg, x, b, opcode byte) []byte {
	return []byte{0xc4, 0x80 | (x^1)<<6 | (b^1)<<5 | 2, byte(^source&15)<<3 | byte(pp), opcode}
}

// onMemory writes an instruction with tile r in ModRM.reg and a memory operand. A displacement takes 32 bits; zero takes
// none unless the base is BP or R13, which then stand for no base.
func onMemory(name string, pp prefix, opcode byte, r tileReg, m memory, text string) {
	base := number[m.base.Asm()]
	var x byte
	sib := base & 7
	if m.index != nil {
		i := number[m.index.Asm()]
		x = i >> 3
		sib |= i & 7 << 3
	} else {
		sib |= 4 << 3 // no index
	}
	code := vex(pp, 0, x, base>>3, opcode)
	if m.disp == 0 && base&7 != 5 {
		code = append(code, byte(r)<<3|4, sib)
	} else {
		code = append(code, 2<<6|byte(r)<<3|4, sib)
		for s := 0; s < 32; s += 8 {
			code = append(code, byte(uint32(m.disp)>>s))
		}
	}
	emit("AMXTILE", name+" "+text, code...)
}

func ldtilecfg(m memory) { onMemory("LDTILECFG", none, 0x49, 0, m, m.String()) }
func tileloadd(m memory, t tileReg) {
	onMemory("TILELOADD", pF2, 0x4b, t, m, fmt.Sprintf("%s, %s", m, t))
}
func tilestored(t tileReg, m memory) {
	onMemory("TILESTORED", pF3, 0x4b, t, m, fmt.Sprintf("%s, %s", t, m))
}

func tilezero(t tileReg) {
	emit("AMXTILE", fmt.Sprintf("TILEZERO %s", t), append(vex(pF2, 0, 0, 0, 0x49), 3<<6|byte(t)<<3)...)
}

func tilerelease() { emit("AMXTILE", "TILERELEASE", append(vex(none, 0, 0, 0, 0x49), 3<<6)...) }

// tdpbssd adds to c the product of the signed bytes of a and b. Operands are in Go's order, the destination last.
func tdpbssd(b, a, c tileReg) {
	emit("AMXINT8", fmt.Sprintf("TDPBSSD %s, %s, %s", b, a, c), append(vex(pF2, b, 0, 0, 0x5e), 3<<6|byte(c)<<3|byte(a))...)
}

// tdpbf16ps adds to c the product of the pairs of bf16 of a and b.
func tdpbf16ps(b, a, c tileReg) {
	emit("AMXBF16", fmt.Sprintf("TDPBF16PS %s, %s, %s", b, a, c), append(vex(pF3, b, 0, 0, 0x5c), 3<<6|byte(c)<<3|byte(a))...)
}

// configuration is the operand of LDTILECFG: palette 1, then bytes a row and rows of each tile.
func configuration(name string, bytes, rows [8]int) operand.Mem {
	m := GLOBL(name, RODATA|NOPTR)
	DATA(0, operand.U64(1))
	DATA(8, operand.U64(0))
	for i := range 4 {
		v := uint32(bytes[2*i]) | uint32(bytes[2*i+1])<<16
		DATA(16+4*i, operand.U32(v))
	}
	DATA(32, operand.U64(0))
	DATA(40, operand.U64(0))
	var v uint64
	for i, n := range rows {
		v |= uint64(n) << (8 * i)
	}
	DATA(48, operand.U64(v))
	DATA(56, operand.U64(0))
	return m
}
