// Package text holds a book in the public domain: Isaac Newton, Opticks, fourth edition, London 1730, as the Go distribution carries it.
// Samples are hidden in it and words are taken from it.
package text

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"io"
	"slices"
	"strings"
	"sync"
)

//go:generate go run generate.go

//go:embed opticks.deflate
var packed []byte

// Opticks returns the book from the first definition on: paragraphs are lines, between two of which one is empty; marks of emphasis
// are left out.
var Opticks = sync.OnceValue(func() string {
	b, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
	if err != nil {
		panic("text: the embedded book is damaged: " + err.Error()) // made with the program
	}
	return string(b)
})

// Words returns the book's distinct words of 4 to 12 small letters, in alphabetical order. Borrowed.
var Words = sync.OnceValue(func() []string {
	seen := map[string]bool{}
	var words []string
	for _, w := range strings.FieldsFunc(Opticks(), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '\'' && r < 0x80
	}) {
		small := strings.IndexFunc(w, func(r rune) bool { return r < 'a' || r > 'z' }) < 0
		if small && len(w) >= 4 && len(w) <= 12 && !seen[w] {
			seen[w] = true
			words = append(words, w)
		}
	}
	slices.Sort(words)
	return words
})
