package kernel

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestAssemblyNeedsNoMoreThanItsTier compares the extensions that the generator noted for each function with the tier in its
// name: an instruction that slips in from a higher one would fault on processors that the dispatch sends there.
func TestAssemblyNeedsNoMoreThanItsTier(t *testing.T) {
	base := []string{"MMX+", "SSE", "SSE2", "SSE3", "SSSE3", "SSE4.1", "SSE4.2", "POPCNT", "CMOV", "BMI", "BMI2", "AVX", "AVX2", "FMA3", "F16C"}
	wide := append(slices.Clip(base), "AVX512F", "AVX512BW", "AVX512VL", "AVX512DQ")
	allowed := map[string][]string{"AVX2": base, "AVX512": wide, "VNNI": append(slices.Clip(wide), "AVX512VNNI"),
		"BF16": append(slices.Clip(wide), "AVX512BF16"),
		"AMX":  append(slices.Clip(wide), "AVX512VNNI", "AVX512BF16", "AMXTILE", "AMXINT8", "AMXBF16")}
	requires := regexp.MustCompile(`(?m)^// Requires: (.*)\nTEXT ·(\w+)\(`)
	files, err := filepath.Glob("*_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range requires.FindAllStringSubmatch(string(text), -1) {
			for tier, extensions := range allowed {
				if !strings.HasSuffix(m[2], tier) {
					continue
				}
				seen++
				for _, x := range strings.Split(m[1], ", ") {
					if !slices.Contains(extensions, x) {
						t.Errorf("%s: %s needs %s", file, m[2], x)
					}
				}
			}
		}
	}
	if seen < 50 {
		t.Fatalf("found %d functions of a tier", seen)
	}
}
