package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Go's assembler knows few vector instructions of arm64 by name, so all vector arithmetic is written as words. An instruction
// is given in the syntax of the architecture's manual, which becomes the comment beside its word; a test of package kernel
// decodes the word again and compares.

// opcodes are the words with all registers and numbers zero (Arm ARM, C7.2; immh:immb of ushr excepted, see number).
var opcodes = map[string]uint32{
	"sdot v#.4s, v#.16b, v#.16b":     0x4e809400,
	"sdot v#.4s, v#.16b, v#.4b[i]":   0x4f80e000,
	"smull v#.8h, v#.8b, v#.8b":      0x0e20c000,
	"smull2 v#.8h, v#.16b, v#.16b":   0x4e20c000,
	"smlal v#.8h, v#.8b, v#.8b":      0x0e208000,
	"smlal2 v#.8h, v#.16b, v#.16b":   0x4e208000,
	"smlal v#.4s, v#.4h, v#.4h":      0x0e608000,
	"smlal2 v#.4s, v#.8h, v#.8h":     0x4e608000,
	"ushr v#.8h, v#.8h, #i":          0x6f000400,
	"shl v#.8h, v#.8h, #i":           0x4f105400,
	"saddlp v#.4s, v#.8h":            0x4e602800,
	"sadalp v#.4s, v#.8h":            0x4e606800,
	"addp v#.8h, v#.8h, v#.8h":       0x4e60bc00,
	"addp v#.4s, v#.4s, v#.4s":       0x4ea0bc00,
	"add v#.4s, v#.4s, v#.4s":        0x4ea08400,
	"sub v#.4s, v#.4s, v#.4s":        0x6ea08400,
	"sub v#.8h, v#.8h, v#.8h":        0x6e608400,
	"mls v#.4s, v#.4s, v#.4s":        0x6ea09400,
	"mls v#.4s, v#.4s, v#.s[i]":      0x6f804000,
	"sub v#.16b, v#.16b, v#.16b":     0x6e208400,
	"cmtst v#.16b, v#.16b, v#.16b":   0x4e208c00,
	"tbl v#.16b, {v#.16b}, v#.16b":   0x4e000000,
	"and v#.16b, v#.16b, v#.16b":     0x4e201c00,
	"orr v#.16b, v#.16b, v#.16b":     0x4ea01c00,
	"eor v#.16b, v#.16b, v#.16b":     0x6e201c00,
	"bsl v#.16b, v#.16b, v#.16b":     0x6e601c00,
	"bif v#.16b, v#.16b, v#.16b":     0x6ee01c00,
	"bit v#.16b, v#.16b, v#.16b":     0x6ea01c00,
	"ushr v#.16b, v#.16b, #i":        0x6f000400,
	"shl v#.16b, v#.16b, #i":         0x4f085400,
	"shl v#.4s, v#.4s, #i":           0x4f205400,
	"uxtl v#.8h, v#.8b":              0x2f08a400,
	"uxtl2 v#.8h, v#.16b":            0x6f08a400,
	"uxtl v#.4s, v#.4h":              0x2f10a400,
	"uxtl2 v#.4s, v#.8h":             0x6f10a400,
	"sxtl v#.8h, v#.8b":              0x0f08a400,
	"sxtl2 v#.8h, v#.16b":            0x4f08a400,
	"sxtl v#.4s, v#.4h":              0x0f10a400,
	"sxtl2 v#.4s, v#.8h":             0x4f10a400,
	"shll v#.4s, v#.4h, #16":         0x2e613800,
	"shll2 v#.4s, v#.8h, #16":        0x6e613800,
	"scvtf v#.4s, v#.4s":             0x4e21d800,
	"ucvtf v#.4s, v#.4s":             0x6e21d800,
	"fcvtns v#.4s, v#.4s":            0x4e21a800,
	"fadd v#.4s, v#.4s, v#.4s":       0x4e20d400,
	"fsub v#.4s, v#.4s, v#.4s":       0x4ea0d400,
	"fmul v#.4s, v#.4s, v#.4s":       0x6e20dc00,
	"fdiv v#.4s, v#.4s, v#.4s":       0x6e20fc00,
	"fmla v#.4s, v#.4s, v#.4s":       0x4e20cc00,
	"fmls v#.4s, v#.4s, v#.4s":       0x4ea0cc00,
	"fmax v#.4s, v#.4s, v#.4s":       0x4e20f400,
	"fmin v#.4s, v#.4s, v#.4s":       0x4ea0f400,
	"fmul v#.4s, v#.4s, v#.s[i]":     0x4f809000,
	"fmla v#.4s, v#.4s, v#.s[i]":     0x4f801000,
	"fabs v#.4s, v#.4s":              0x4ea0f800,
	"fneg v#.4s, v#.4s":              0x6ea0f800,
	"fcmgt v#.4s, v#.4s, v#.4s":      0x6ea0e400,
	"fcmge v#.4s, v#.4s, v#.4s":      0x6e20e400,
	"faddp v#.4s, v#.4s, v#.4s":      0x6e20d400,
	"faddp s#, v#.2s":                0x7e30d800,
	"fmaxv s#, v#.4s":                0x6e30f800,
	"umax v#.4s, v#.4s, v#.4s":       0x6ea06400,
	"umaxv s#, v#.4s":                0x6eb0a800,
	"addv s#, v#.4s":                 0x4eb1b800,
	"xtn v#.4h, v#.4s":               0x0e612800,
	"xtn2 v#.8h, v#.4s":              0x4e612800,
	"xtn v#.8b, v#.8h":               0x0e212800,
	"xtn2 v#.16b, v#.8h":             0x4e212800,
	"zip1 v#.4s, v#.4s, v#.4s":       0x4e803800,
	"zip2 v#.4s, v#.4s, v#.4s":       0x4e807800,
	"uzp1 v#.4s, v#.4s, v#.4s":       0x4e801800,
	"uzp2 v#.4s, v#.4s, v#.4s":       0x4e805800,
	"dup v#.4s, v#.s[i]":             0x4e040400,
	"mov v#.s[i], v#.s[i]":           0x6e040400,
	"movi v#.16b, #i":                0x4f00e400,
	"movi v#.4s, #i":                 0x4f000400,
	"fcvtl v#.4s, v#.4h":             0x0e217800,
	"fcvtl2 v#.4s, v#.8h":            0x4e217800,
	"fcvtn v#.4h, v#.4s":             0x0e216800,
	"fcvtn2 v#.8h, v#.4s":            0x4e216800,
	"ext v#.16b, v#.16b, v#.16b, #i": 0x6e000000,
}

var (
	register = regexp.MustCompile(`\b([vs])(\d+)\b`)
	element  = regexp.MustCompile(`\[(\d+)\]`)
	literal  = regexp.MustCompile(`#(\d+)`)
)

// encode returns the word of an instruction.
func encode(text string) uint32 {
	pattern := register.ReplaceAllString(text, "$1#")
	pattern = element.ReplaceAllString(pattern, "[i]")
	name, _, _ := strings.Cut(text, " ")
	if name != "shll" && name != "shll2" {
		pattern = literal.ReplaceAllString(pattern, "#i")
	}
	word, ok := opcodes[pattern]
	if !ok {
		panic(fmt.Sprintf("no opcode for %q (%s)", pattern, text))
	}
	for i, m := range register.FindAllStringSubmatch(text, -1) {
		r := atoi(m[2])
		if r > 31 {
			panic("no such register: " + text)
		}
		word |= r << [...]int{0, 5, 16}[i] // Rd, Rn, Rm
	}
	var numbers []uint32
	for _, m := range element.FindAllStringSubmatch(text, -1) {
		numbers = append(numbers, atoi(m[1]))
	}
	if strings.Contains(pattern, "#i") {
		numbers = append(numbers, atoi(literal.FindStringSubmatch(text)[1]))
	}
	if len(numbers) > 0 {
		word |= number(name, pattern, numbers)
	}
	return word
}

// number places an instruction's element indices or immediate.
func number(name, pattern string, n []uint32) uint32 {
	switch {
	case name == "mov":
		return n[0]<<19 | n[1]<<13 // imm5, imm4
	case name == "dup":
		return n[0] << 19 // imm5
	case name == "ushr" && strings.Contains(pattern, "8h"):
		return (32 - n[0]) << 16 // immh:immb = 2*bits - shift
	case name == "ushr":
		return (16 - n[0]) << 16
	case name == "shl":
		return n[0] << 16 // immh:immb = bits + shift
	case name == "ext":
		return n[0] << 11 // imm4
	case name == "movi":
		return n[0]>>5<<16 | n[0]&31<<5 // abc, defgh
	}
	return n[0]>>1<<11 | n[0]&1<<21 // H, L
}

func atoi(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		panic(err)
	}
	return uint32(n)
}
