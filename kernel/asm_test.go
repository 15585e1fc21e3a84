package kernel

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	beyondAVX2 = regexp.MustCompile(`\b(Z\d+|[XY](1[6-9]|2\d|3[01])|K[0-7])\b|\.(BCST|Z)\b`)
	vnniOnly   = regexp.MustCompile(`\bVPDP(BUSD|WSSD)S?\b`)
)

// A register above 15 makes the assembler choose the AVX-512 form of an instruction without a word, which then faults on
// processors without it. Every routine keeps to the tier that its name ends in.
func TestAssemblyKeepsToItsTier(t *testing.T) {
	files, err := filepath.Glob("*_amd64.s")
	if err != nil || len(files) == 0 {
		t.Fatalf("no assembly found: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		routine := ""
		for i, line := range strings.Split(string(b), "\n") {
			if rest, ok := strings.CutPrefix(line, "TEXT ·"); ok {
				routine, _, _ = strings.Cut(rest, "(")
				continue
			}
			if !strings.HasPrefix(line, "\t") {
				continue
			}
			code, _, _ := strings.Cut(line, "//")
			if strings.Contains(routine, "AVX2") && beyondAVX2.MatchString(code) {
				t.Errorf("%s:%d: %s is beyond AVX2 in %s", name, i+1, strings.TrimSpace(line), routine)
			}
			if !strings.HasSuffix(routine, "AMX") && !strings.Contains(routine, "VNNI") && vnniOnly.MatchString(code) {
				t.Errorf("%s:%d: %s needs VNNI in %s", name, i+1, strings.TrimSpace(line), routine)
			}
		}
	}
}
