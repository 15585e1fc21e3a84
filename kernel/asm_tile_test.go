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
	tileMnemonic = regexp.MustCompile(`\b(LDTILECFG|STTILECFG|TILE[A-Z0-9]+|TDP[A-Z0-9]+)\b`)
	rawByte      = regexp.MustCompile(`BYTE \$0x([0-9a-f]{2})`)
)

// Tile instructions are bytes below a comment: decoded, they say what the comment says, and stand only in routines of the
// AMX tier, of which each configures tiles first and releases them last. So are those of bf16, in routines of that tier.
func TestInstructionsInBytesAreWhatTheySay(t *testing.T) {
	files, err := filepath.Glob("*_amd64.s")
	if err != nil || len(files) == 0 {
		t.Fatalf("no assembly found: %v", err)
	}
	seen, pairs := 0, 0
	products := map[string]int{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		routine, comment, first, last := "", "", "", ""
		for i, line := range strings.Split(string(b), "\n") {
			at := fmt.Sprintf("%s:%d", name, i+1)
			if rest, ok := strings.CutPrefix(line, "TEXT ·"); ok {
				routine, _, _ = strings.Cut(rest, "(")
				first, last, comment = "", "", ""
			}
			text := strings.TrimSpace(line)
			if rest, ok := strings.CutPrefix(text, "// "); ok && strings.HasPrefix(line, "\t") {
				comment = rest
				continue
			}
			code, _, _ := strings.Cut(text, "//")
			if tileMnemonic.MatchString(code) {
				t.Errorf("%s: %s: the assembler of every Go version must know it", at, code)
			}
			if !strings.Contains(code, "BYTE") {
				if code == "RET" && (first != "" || last != "") && (first != "LDTILECFG" || last != "TILERELEASE") {
					t.Errorf("%s: %s returns after %s ... %s", at, routine, first, last)
				}
				continue
			}
			var bytes []byte
			for _, m := range rawByte.FindAllStringSubmatch(code, -1) {
				v, _ := strconv.ParseUint(m[1], 16, 8)
				bytes = append(bytes, byte(v))
			}
			if len(bytes) > 0 && bytes[0] == 0x62 {
				if got, err := decodePairs(bytes); err != nil || got != comment || !strings.HasSuffix(routine, "BF16") {
					t.Errorf("%s: %x is %q (%v) in %s, the comment says %q", at, bytes, got, err, routine, comment)
				}
				pairs++
				continue
			}
			got, err := decodeTile(bytes)
			if err != nil || got != comment {
				t.Errorf("%s: %x is %q (%v), the comment says %q", at, bytes, got, err, comment)
			}
			if !strings.HasSuffix(routine, "AMX") {
				t.Errorf("%s: %s in %s", at, comment, routine)
			}
			last, _, _ = strings.Cut(got, " ")
			if first == "" {
				first = last
			}
			comment = ""
			seen++
			if strings.HasPrefix(last, "TDP") {
				products[routine+" "+last]++
			}
		}
	}
	if seen < 5*20 || pairs < 100 {
		t.Fatalf("found %d tile instructions and %d of bf16", seen, pairs)
	}
	for _, key := range []string{"gemmZero32AMX TDPBSSD", "gemmOffset16AMX TDPBSSD", "scoresAMX TDPBF16PS", "valuesTileAMX TDPBF16PS"} {
		if products[key] < 4 {
			t.Errorf("%s: %d times", key, products[key])
		}
	}
}

// decodePairs is the inverse of evex in _asm/attention/half.go, written from the tables of the Intel SDM, volume 2, 2.7: three registers,
// EVEX.512.0F38.W0, no mask.
func decodePairs(b []byte) (string, error) {
	if len(b) != 6 || b[1]&0x0f != 2 || b[2]&0x84 != 4 || b[3]&0xf7 != 0x40 || b[5]>>6 != 3 {
		return "", fmt.Errorf("not EVEX.512.0F38.W0 on registers")
	}
	// The extension bits R, X, B, R' and V' are stored inverted.
	extend := func(low, bit3, bit4 byte) int { return int(low) | int(bit3^1)<<3 | int(bit4^1)<<4 }
	dst := extend(b[5]>>3&7, b[1]>>7, b[1]>>4&1)
	rm := extend(b[5]&7, b[1]>>5&1, b[1]>>6&1)
	first := int(^b[2]>>3&15) | int(b[3]>>3&1^1)<<4
	name := map[[2]byte]string{{2, 0x52}: "VDPBF16PS", {3, 0x72}: "VCVTNE2PS2BF16"}[[2]byte{b[2] & 3, b[4]}]
	if name == "" {
		return "", fmt.Errorf("opcode %02x with prefix %d", b[4], b[2]&3)
	}
	return fmt.Sprintf("%s Z%d, Z%d, Z%d", name, rm, first, dst), nil
}

// decodeTile is the inverse of _asm/amx/encode.go, written from the tables of the Intel SDM, volume 2: every instruction in use
// is VEX.128.0F38.W0, three bytes of VEX in front.
func decodeTile(b []byte) (string, error) {
	if len(b) < 5 || b[0] != 0xc4 || b[1]&0x1f != 2 || b[2]&0x84 != 0 {
		return "", fmt.Errorf("not VEX.128.0F38.W0")
	}
	if b[1]>>7 != 1 {
		return "", fmt.Errorf("register beyond tile 7")
	}
	prefix := [...]string{"NP", "66", "F3", "F2"}[b[2]&3]
	source := int(^b[2] >> 3 & 15)
	mod, reg, rm := b[4]>>6, int(b[4]>>3&7), int(b[4]&7)
	kind := "r"
	if mod != 3 {
		kind = "m"
	}
	memory := ""
	if kind == "m" {
		if rm != 4 || len(b) < 6 {
			return "", fmt.Errorf("no SIB")
		}
		names := [...]string{"AX", "CX", "DX", "BX", "SP", "BP", "SI", "DI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"}
		base := int(b[5]&7) + 8*int(b[1]>>5&1^1)
		index := int(b[5]>>3&7) + 8*int(b[1]>>6&1^1)
		disp := int32(0)
		switch {
		case mod == 0 && len(b) == 6 && base&7 != 5:
		case mod == 2 && len(b) == 10:
			disp = int32(b[6]) | int32(b[7])<<8 | int32(b[8])<<16 | int32(b[9])<<24
		default:
			return "", fmt.Errorf("mod %d with %d bytes", mod, len(b))
		}
		memory = fmt.Sprintf("%d(%s)", disp, names[base])
		if index != 4 {
			if b[5]>>6 != 0 {
				return "", fmt.Errorf("index scaled by %d", 1<<(b[5]>>6))
			}
			memory += fmt.Sprintf("(%s*1)", names[index])
		}
	} else if len(b) != 5 {
		return "", fmt.Errorf("%d bytes for registers", len(b))
	}
	key := fmt.Sprintf("%s %02x %s", prefix, b[3], kind)
	if b[3] != 0x5e && b[3] != 0x5c && source != 0 {
		return "", fmt.Errorf("a second source in %s", key)
	}
	switch key {
	case "NP 49 m":
		return "LDTILECFG " + memory, nil
	case "NP 49 r":
		return "TILERELEASE", nil
	case "F2 49 r":
		return fmt.Sprintf("TILEZERO TMM%d", reg), nil
	case "F2 4b m":
		return fmt.Sprintf("TILELOADD %s, TMM%d", memory, reg), nil
	case "F3 4b m":
		return fmt.Sprintf("TILESTORED TMM%d, %s", reg, memory), nil
	}
	name, ok := map[string]string{"NP 5e r": "TDPBUUD", "66 5e r": "TDPBUSD", "F3 5e r": "TDPBSUD", "F2 5e r": "TDPBSSD", "F3 5c r": "TDPBF16PS"}[key]
	if !ok {
		return "", fmt.Errorf("unknown instruction %s", key)
	}
	if source == reg || source == rm || reg == rm {
		return "", fmt.Errorf("a tile twice: the instruction faults")
	}
	return fmt.Sprintf("%s TMM%d, TMM%d, TMM%d", name, source, rm, reg), nil
}
