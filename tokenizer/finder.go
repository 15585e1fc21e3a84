package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Finders for pre-tokenizers that are sequences of splits (DeepSeek, Falcon). Their expressions stand above each.

// findRun finds [set]{1,limit}; set tells by class and character.
func findRun(in func(r rune, class uint8) bool, limit int) finder {
	return func(s string, i int) (int, int) {
		from, to, count := len(s), len(s), 0
		for i < len(s) {
			r, n := runeAt(s, i)
			if in(r, classes[r]) {
				if count == 0 {
					from = i
				}
				count++
				if to = i + n; count == limit {
					return from, to
				}
			} else if count > 0 {
				return from, i
			}
			i += n
		}
		return from, to
	}
}

// findSpacedRun finds \s?[set]+.
func findSpacedRun(in func(r rune, class uint8) bool) finder {
	inner := findRun(in, 0)
	return func(s string, i int) (int, int) {
		from, to := inner(s, i)
		if from > i && from < to {
			r, n := utf8.DecodeLastRuneInString(s[i:from])
			if classes[r]&space != 0 {
				from -= n
			}
		}
		return from, to
	}
}

func ofClass(class uint8) func(rune, uint8) bool {
	return func(_ rune, c uint8) bool { return c&class != 0 }
}

// ofRanges tells by ascending, disjoint ranges.
func ofRanges(ranges [][2]rune) func(rune, uint8) bool {
	return func(r rune, _ uint8) bool {
		lo, hi := 0, len(ranges)
		for lo < hi {
			m := (lo + hi) / 2
			if ranges[m][1] < r {
				lo = m + 1
			} else {
				hi = m
			}
		}
		return lo < len(ranges) && ranges[lo][0] <= r
	}
}

// findTrailing finds \s+$.
func findTrailing(s string, i int) (int, int) {
	from := len(s)
	for from > i {
		r, n := utf8.DecodeLastRuneInString(s[i:from])
		if classes[r]&space == 0 {
			break
		}
		from -= n
	}
	return from, len(s)
}

// findDeepSeek3 finds
//
//	[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|
//	\s*[\r\n]+|\s+(?!\S)|\s+
//
// Control characters outside words match nothing.
func findDeepSeek3(s string, i int) (int, int) {
	for i < len(s) {
		c, n := classAt(s, i)
		next, m := classAt(s, i+n)
		switch {
		case s[i] < 0x80 && c&(punct|symbol) != 0 && i+1 < len(s) && asciiLetter(s[i+1]):
			j := i + 2
			for j < len(s) && asciiLetter(s[j]) {
				j++
			}
			return i, j
		case c&(letter|mark) != 0:
			return i, run(s, i+n, letter|mark)
		case c&(punct|symbol) == 0 && s[i] != '\r' && s[i] != '\n' && next&(letter|mark) != 0:
			return i, run(s, i+n+m, letter|mark)
		case c&(punct|symbol) != 0:
			return i, breaks(s, run(s, i+n, punct|symbol))
		case s[i] == ' ' && next&(punct|symbol) != 0:
			return i, breaks(s, run(s, i+n+m, punct|symbol))
		case c&space != 0:
			return i, newlines(s, i)
		}
		i += n
	}
	return len(s), len(s)
}

func asciiLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// findThreeDigits finds [0-9][0-9][0-9].
func findThreeDigits(s string, i int) (int, int) {
	count := 0
	for ; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			count = 0
		} else if count++; count == 3 {
			return i - 2, i + 1
		}
	}
	return len(s), len(s)
}

// falconPunct is [\p{P}\$\+<=>\^~\|`].
func falconPunct(r rune, class uint8) bool {
	return class&punct != 0 || r < 0x80 && strings.ContainsRune("$+<=>^~|`", r)
}
