package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	wordLine = regexp.MustCompile(`^\tWORD\t\$0x([0-9a-f]{8}) // (.*)$`)
	// R18 belongs to the platform, R27 to the assembler, R28 is the goroutine.
	reserved = regexp.MustCompile(`\bR(18|27|28)\b|\bg\b`)
)

// Vector instructions of arm64 are words beside a comment: decoded, they say what the comment says, and SDOT stands in
// routines of the dotprod tier alone.
func TestWordsAreWhatTheySay(t *testing.T) {
	files, err := filepath.Glob("*_arm64.s")
	if err != nil || len(files) == 0 {
		t.Fatalf("no assembly found: %v", err)
	}
	seen := 0
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		routine := ""
		for i, line := range strings.Split(string(b), "\n") {
			at := fmt.Sprintf("%s:%d", name, i+1)
			if rest, ok := strings.CutPrefix(line, "TEXT ·"); ok {
				routine, _, _ = strings.Cut(rest, "(")
			}
			if !strings.HasPrefix(line, "\t") {
				continue
			}
			code, _, _ := strings.Cut(line, "//")
			if reserved.MatchString(code) {
				t.Errorf("%s: %s", at, line)
			}
			if !strings.Contains(code, "WORD") {
				continue
			}
			m := wordLine.FindStringSubmatch(line)
			if m == nil {
				t.Errorf("%s: a word without its instruction: %s", at, line)
				continue
			}
			word, _ := strconv.ParseUint(m[1], 16, 32)
			if got := decodeWord(uint32(word)); got != m[2] {
				t.Errorf("%s: %08x is %q, the comment says %q", at, word, got, m[2])
			}
			if strings.HasPrefix(m[2], "sdot") && !strings.Contains(routine, "DotProd") {
				t.Errorf("%s: SDOT in %s", at, routine)
			}
			seen++
		}
	}
	if seen < 5000 {
		t.Fatalf("found %d words", seen)
	}
}

// arrangements by size and Q, whole vectors and the halves that widening instructions read.
var arrangements = [4][2]string{{"8b", "16b"}, {"4h", "8h"}, {"2s", "4s"}, {"1d", "2d"}}

// decodeWord is the inverse of _asm/neon/insn.go, written from the encoding groups of the Arm ARM, C4.1 (data processing: scalar
// floating point and Advanced SIMD). It returns "" for what is not in use.
func decodeWord(w uint32) string {
	bits := func(high, low int) uint32 { return w >> low & (1<<(high-low+1) - 1) }
	d, n, m := bits(4, 0), bits(9, 5), bits(20, 16)
	q, u, size := bits(30, 30), bits(29, 29), bits(23, 22)
	two := [...]string{"", "2"}[q]
	full, half := arrangements[size][q], ""
	if size < 3 {
		half = arrangements[size+1][1]
	}
	float := arrangements[2+size&1][q] // of instructions whose upper bit of size belongs to the opcode
	three := func(name, a string) string { return fmt.Sprintf("%s v%d.%s, v%d.%s, v%d.%s", name, d, a, n, a, m, a) }
	pair := func(name, a, b string) string { return fmt.Sprintf("%s v%d.%s, v%d.%s", name, d, a, n, b) }
	pick := func(table map[string]string, key string, args ...any) string { return table[fmt.Sprintf(key, args...)] }

	switch {
	case w>>31 == 0 && bits(28, 24) == 0b01110 && bits(21, 21) == 1 && bits(10, 10) == 1: // three same
		if op := bits(15, 11); op == 0b00011 {
			return three([...]string{"and", "bic", "orr", "orn", "eor", "bsl", "bit", "bif"}[4*u+size], arrangements[0][q])
		} else if name := pick(threeSame, "%d %05b", u, op); name != "" {
			return three(name, full)
		} else if name := pick(threeSameFloat, "%d %d %05b", u, size>>1, op); name != "" {
			return three(name, float)
		}
	case w>>31 == 0 && bits(28, 24) == 0b01110 && bits(21, 17) == 0b10000 && bits(11, 10) == 0b10: // two registers
		op := bits(16, 12)
		switch key := fmt.Sprintf("%d %05b", u, op); key {
		case "0 00010":
			return pair("saddlp", half, full)
		case "0 00110":
			return pair("sadalp", half, full)
		case "0 10010":
			return pair("xtn"+two, full, half)
		case "1 10011":
			return pair("shll"+two, half, full) + fmt.Sprintf(", #%d", 8<<size)
		case "0 10111":
			return pair("fcvtl"+two, arrangements[2+size&1][1], arrangements[1+size&1][q])
		case "0 10110":
			return pair("fcvtn"+two, arrangements[1+size&1][q], arrangements[2+size&1][1])
		}
		if name := pick(twoFloat, "%d %d %05b", u, size>>1, op); name != "" {
			return pair(name, float, float)
		}
	case w>>31 == 0 && bits(28, 24) == 0b01110 && bits(21, 17) == 0b11000 && bits(11, 10) == 0b10 && q == 1: // across lanes
		if name := pick(acrossLanes, "%d %d %05b", u, size, bits(16, 12)); name != "" {
			return fmt.Sprintf("%s s%d, v%d.4s", name, d, n)
		}
	case bits(31, 30) == 0b01 && u == 1 && bits(28, 24) == 0b11110 && bits(21, 10) == 0b110000110110 && size == 0:
		return fmt.Sprintf("faddp s%d, v%d.2s", d, n)
	case w>>31 == 0 && bits(28, 24) == 0b01110 && bits(21, 21) == 1 && bits(11, 10) == 0 && u == 0: // three different
		if name := pick(threeDifferent, "%04b", bits(15, 12)); name != "" {
			return fmt.Sprintf("%s%s v%d.%s, v%d.%s, v%d.%s", name, two, d, half, n, full, m, full)
		}
	case w>>31 == 0 && bits(28, 21) == 0b01110000 && bits(15, 15) == 0 && bits(10, 10) == 1 && q == 1 && m&7 == 4: // copies of words
		if u == 0 && bits(14, 11) == 0 {
			return fmt.Sprintf("dup v%d.4s, v%d.s[%d]", d, n, m>>3)
		} else if u == 1 && bits(12, 11) == 0 {
			return fmt.Sprintf("mov v%d.s[%d], v%d.s[%d]", d, m>>3, n, bits(14, 13))
		}
	case w>>31 == 0 && bits(29, 24) == 0b001110 && bits(21, 21) == 0 && bits(15, 15) == 0 && bits(11, 10) == 0b10: // permute
		if name := [...]string{"", "uzp1", "trn1", "zip1", "", "uzp2", "trn2", "zip2"}[bits(14, 12)]; name != "" {
			return three(name, full)
		}
	case w>>31 == 0 && bits(29, 21) == 0b101110000 && bits(15, 15) == 0 && bits(10, 10) == 0:
		return three("ext", arrangements[0][q]) + fmt.Sprintf(", #%d", bits(14, 11))
	case w>>31 == 0 && bits(29, 21) == 0b001110000 && bits(15, 10) == 0: // a table of one register
		return fmt.Sprintf("tbl v%d.%s, {v%d.16b}, v%d.%s", d, arrangements[0][q], n, m, arrangements[0][q])
	case w>>31 == 0 && bits(29, 24) == 0b001110 && bits(21, 21) == 0 && bits(15, 10) == 0b100101 && size == 2:
		return fmt.Sprintf("sdot v%d.%s, v%d.%s, v%d.%s", d, full, n, arrangements[0][q], m, arrangements[0][q])
	case w>>31 == 0 && bits(29, 19) == 0b00111100000 && bits(11, 10) == 0b01: // immediates
		if a := map[uint32]string{0b0000: arrangements[2][q], 0b1110: arrangements[0][q]}[bits(15, 12)]; a != "" {
			return fmt.Sprintf("movi v%d.%s, #%d", d, a, bits(18, 16)<<5|n)
		}
	case w>>31 == 0 && bits(28, 23) == 0b011110 && bits(10, 10) == 1 && bits(22, 19) != 0: // shifts
		size, shift := 3, int(bits(22, 16))
		for shift < 8<<size {
			size--
		}
		a := arrangements[size][q]
		switch pick(map[string]string{"1 00000": "ushr", "0 01010": "shl", "0 10100": "sxtl", "1 10100": "uxtl"}, "%d %05b", u, bits(15, 11)) {
		case "ushr":
			return pair("ushr", a, a) + fmt.Sprintf(", #%d", 16<<size-shift)
		case "shl":
			return pair("shl", a, a) + fmt.Sprintf(", #%d", shift-8<<size)
		case "sxtl":
			return pair("sxtl"+two, arrangements[size+1][1], a)
		case "uxtl":
			return pair("uxtl"+two, arrangements[size+1][1], a)
		}
	case w>>31 == 0 && bits(28, 24) == 0b01111 && bits(10, 10) == 0 && size == 2: // by element
		name := pick(map[string]string{"0 1001": "fmul", "0 0001": "fmla", "1 0100": "mls", "0 1110": "sdot"}, "%d %04b", u, bits(15, 12))
		index := bits(11, 11)<<1 | bits(21, 21)
		if name == "sdot" {
			return fmt.Sprintf("sdot v%d.%s, v%d.%s, v%d.4b[%d]", d, full, n, arrangements[0][q], m, index)
		} else if name != "" {
			return fmt.Sprintf("%s v%d.%s, v%d.%s, v%d.s[%d]", name, d, full, n, full, m, index)
		}
	}
	return ""
}

// Opcodes by U and opcode, of float instructions by U, the upper bit of size and opcode.
var (
	threeSame      = map[string]string{"0 10000": "add", "0 10001": "cmtst", "1 10000": "sub", "1 10010": "mls", "0 10111": "addp", "1 01100": "umax"}
	threeSameFloat = map[string]string{"0 0 11010": "fadd", "0 1 11010": "fsub", "1 0 11010": "faddp", "1 0 11011": "fmul", "1 0 11111": "fdiv",
		"0 0 11001": "fmla", "0 1 11001": "fmls", "0 0 11110": "fmax", "0 1 11110": "fmin", "1 0 11100": "fcmge", "1 1 11100": "fcmgt"}
	twoFloat = map[string]string{"0 0 11101": "scvtf", "1 0 11101": "ucvtf", "0 0 11010": "fcvtns", "0 1 01111": "fabs", "1 1 01111": "fneg"}
	// by U, size and opcode
	acrossLanes    = map[string]string{"0 2 11011": "addv", "1 2 01010": "umaxv", "1 0 01111": "fmaxv"}
	threeDifferent = map[string]string{"1100": "smull", "1000": "smlal"}
)
