package tokenizer

import (
	"unicode/utf8"
)

// Scanners work on what is called here a character string: every lead byte is followed by its continuation bytes.
// That is valid UTF-8 and, beyond it, surrogates written in three bytes, which byte-level vocabularies keep.

// characters makes a character string of text: valid UTF-8 as it is; otherwise overlong forms are shortened, surrogates
// kept, and each byte that belongs to no character (or to one above U+10FFFF) becomes U+FFFD.
func characters(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			out = append(out, text[i])
			i++
			continue
		}
		r, n := looseRune(text[i:])
		if n == 0 {
			out = append(out, "\uFFFD"...)
			i++
			continue
		}
		if r >= 0xd800 && r < 0xe000 { // utf8.AppendRune would replace it
			out = append(out, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
		} else {
			out = utf8.AppendRune(out, r)
		}
		i += n
	}
	return string(out)
}

// looseRune decodes the character that s starts with by its lead byte alone, so also overlong forms and surrogates. The
// length is 0 where a continuation byte is missing or the value is above U+10FFFF.
func looseRune(s string) (rune, int) {
	n, r := 0, rune(0)
	switch c := s[0]; {
	case c < 0xc0:
		return 0, 0
	case c < 0xe0:
		n, r = 2, rune(c&0x1f)
	case c < 0xf0:
		n, r = 3, rune(c&0x0f)
	case c < 0xf8:
		n, r = 4, rune(c&0x07)
	default:
		return 0, 0
	}
	if len(s) < n {
		return 0, 0
	}
	for i := 1; i < n; i++ {
		if s[i]&0xc0 != 0x80 {
			return 0, 0
		}
		r = r<<6 | rune(s[i]&0x3f)
	}
	if r > utf8.MaxRune {
		return 0, 0
	}
	return r, n
}

// runeAt decodes the character at s[i] of a character string.
func runeAt(s string, i int) (rune, int) {
	c := s[i]
	switch {
	case c < 0x80:
		return rune(c), 1
	case c < 0xe0 && i+1 < len(s):
		return rune(c&0x1f)<<6 | rune(s[i+1]&0x3f), 2
	case c < 0xf0 && i+2 < len(s):
		return rune(c&0x0f)<<12 | rune(s[i+1]&0x3f)<<6 | rune(s[i+2]&0x3f), 3
	case i+3 < len(s):
		return rune(c&0x07)<<18 | rune(s[i+1]&0x3f)<<12 | rune(s[i+2]&0x3f)<<6 | rune(s[i+3]&0x3f), 4
	}
	return utf8.RuneError, len(s) - i
}
