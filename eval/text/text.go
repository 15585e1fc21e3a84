// Package text holds two texts. One is a book in the public domain: Isaac Newton, Opticks, fourth edition, London 1730, as the Go distribution
// carries it; samples are hidden in it and words are taken from it. The other is a mixture of prose, documentation and source code, on
// which models are calibrated; it has nothing in common with the first, so that what is calibrated can be judged there.
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

//go:embed mixed.deflate
var packedMixture []byte

// Mixture returns fourteen pieces of some 2,000 tokens each: the King James Bible (public domain), the story, the documentation and the source code
// of this project as they were when the mixture was made.
var Mixture = sync.OnceValue(func() string { return unpack(packedMixture) })

// Opticks returns the book from the first definition on: paragraphs are lines, between two of which one is empty; marks of emphasis
// are left out.
var Opticks = sync.OnceValue(func() string { return unpack(packed) })

func unpack(packed []byte) string {
	b, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
	if err != nil {
		panic("text: an embedded text is damaged: " + err.Error()) // made with the program
	}
	return string(b)
}

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
