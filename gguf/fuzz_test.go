package gguf

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the corpus of hostile files anew")

func FuzzOpen(f *testing.F) {
	f.Add(encoded(f, smallModel()))
	f.Add(encoded(f, everyKind()))
	f.Add([]byte(header(2, 0, 0)))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := OpenBytes("fuzz.gguf", data)
		if err != nil {
			return
		}
		if n, ok := file.Uint(alignmentKey); ok && n > 4096 {
			return // rewriting would pad to gigabytes
		}
		exercise(t, file)
	})
}

// TestCorpusHoldsTheHostileFiles keeps testdata/fuzz/FuzzOpen, from which fuzzing starts, equal to the table.
func TestCorpusHoldsTheHostileFiles(t *testing.T) {
	const dir = "testdata/fuzz/FuzzOpen"
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range hostile {
		path := filepath.Join(dir, strings.Map(func(r rune) rune {
			switch {
			case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
				return r
			case r == ' ':
				return '_'
			}
			return -1
		}, c.name))
		want := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", c.build())
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ReplaceAll(string(got), "\r\n", "\n") != want {
			t.Errorf("%s is out of date: run go test -run Corpus -update", path)
		}
	}
}
