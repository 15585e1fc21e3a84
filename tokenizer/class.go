package tokenizer

import (
	"sync"
	"unicode"
)

// Classes of characters, one bit each, as the published pre-tokenizers name them.
const (
	letter = 1 << iota // \p{L}
	number             // \p{N}
	space              // \s: White_Space
	punct              // \p{P}
	symbol             // \p{S}
	mark               // \p{M}
	upper              // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]: may begin a capitalised word
	lower              // [\p{Ll}\p{Lm}\p{Lo}\p{M}]: may go on with one
)

// classes is filled on first use: a byte per code point is the fastest table, and 1.1 MB is small beside a model.
var classes []uint8

var loadClasses = sync.OnceFunc(func() {
	t := make([]uint8, unicode.MaxRune+1)
	set := func(bit uint8, tables ...*unicode.RangeTable) {
		for _, tab := range tables {
			for _, r := range tab.R16 {
				for c := uint32(r.Lo); c <= uint32(r.Hi); c += uint32(r.Stride) {
					t[c] |= bit
				}
			}
			for _, r := range tab.R32 {
				for c := r.Lo; c <= r.Hi; c += r.Stride {
					t[c] |= bit
				}
			}
		}
	}
	set(letter, unicode.L)
	set(number, unicode.N)
	set(space, unicode.White_Space)
	set(punct, unicode.P)
	set(symbol, unicode.S)
	set(mark, unicode.M)
	set(upper, unicode.Lu, unicode.Lt, unicode.Lm, unicode.Lo, unicode.M)
	set(lower, unicode.Ll, unicode.Lm, unicode.Lo, unicode.M)
	classes = t
})

// classAt is the class of the character at s[i] and its length; 0, 0 at the end.
func classAt(s string, i int) (uint8, int) {
	if i >= len(s) {
		return 0, 0
	}
	if c := s[i]; c < 0x80 {
		return classes[c], 1
	}
	r, n := runeAt(s, i)
	return classes[r], n
}

// run goes on from i as long as characters have any of the classes.
func run(s string, i int, class uint8) int {
	for i < len(s) {
		c, n := classAt(s, i)
		if c&class == 0 {
			break
		}
		i += n
	}
	return i
}

// runNot goes on from i as long as characters have none of the classes.
func runNot(s string, i int, class uint8) int {
	for i < len(s) {
		c, n := classAt(s, i)
		if c&class != 0 {
			break
		}
		i += n
	}
	return i
}

// runLimit is run with at most limit characters.
func runLimit(s string, i int, class uint8, limit int) int {
	for ; limit > 0 && i < len(s); limit-- {
		c, n := classAt(s, i)
		if c&class == 0 {
			break
		}
		i += n
	}
	return i
}
