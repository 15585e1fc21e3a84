//go:build ignore

// Writes opticks.deflate from the Go distribution's src/testdata/Isaac.Newton-Opticks.txt.
package main

import (
	"bytes"
	"compress/flate"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

func main() {
	raw, err := os.ReadFile(filepath.Join(runtime.GOROOT(), "src/testdata/Isaac.Newton-Opticks.txt"))
	if err != nil {
		log.Fatal(err)
	}
	book := strings.ReplaceAll(string(raw), "\r\n", "\n")
	book = book[strings.Index(book, "My Design in this Book"):]
	book = strings.ReplaceAll(book, "_", "")
	var paragraphs []string
	for _, p := range regexp.MustCompile(`\n{2,}`).Split(book, -1) {
		line := strings.Join(strings.Fields(p), " ")
		// Tables, captions and formulas are no prose.
		if len(line) < 80 || strings.Count(line, "|") > 2 || strings.Contains(line, "[Illustration") || strings.Count(line, "=") > 3 {
			continue
		}
		paragraphs = append(paragraphs, line)
	}
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	w.Write([]byte(strings.Join(paragraphs, "\n\n") + "\n"))
	w.Close()
	if err := os.WriteFile("opticks.deflate", b.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}
