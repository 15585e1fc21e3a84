package tokenizer

// A finder gives the next match at or after s[i]: its start and its end. No match is (len(s), len(s)). What lies before
// the start is text that the expression does not match; it becomes a word of its own. Finders see one stretch of text
// only, so an end of that stretch is an end of text for "\s+(?!\S)".
type finder func(s string, i int) (from, to int)

// words applies finders one after the other, each to the words of the one before, as the published pre-tokenizers are
// sequences of isolating splits.
func words(s string, stages []finder, emit func(word string)) {
	find, rest := stages[0], stages[1:]
	give := emit
	if len(rest) > 0 {
		give = func(w string) { words(w, rest, emit) }
	}
	for i := 0; i < len(s); {
		from, to := find(s, i)
		if from > i {
			give(s[i:from])
		}
		if to > from {
			give(s[from:to])
		}
		i = to
	}
}

// covering makes a finder of a scanner that matches at every position.
func covering(scan func(s string, i int) int) finder {
	return func(s string, i int) (int, int) { return i, scan(s, i) }
}

// contraction is the length of an English contraction at s[i], which is an apostrophe: 's 't 're 've 'm 'll 'd.
// Expressions with (?i:…) differ among engines on U+017F (long s); here, as in llama.cpp, only ASCII letters count.
func contraction(s string, i int, anyCase bool) int {
	fold := func(c byte) byte {
		if anyCase && c >= 'A' && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}
	if i+1 >= len(s) {
		return 0
	}
	a := fold(s[i+1])
	switch a {
	case 's', 't', 'm', 'd':
		return 2
	}
	if i+2 >= len(s) {
		return 0
	}
	b := fold(s[i+2])
	if a == 'r' && b == 'e' || a == 'v' && b == 'e' || a == 'l' && b == 'l' {
		return 3
	}
	return 0
}

// whitespace matches "\s+(?!\S)|\s+" at s[i], which is whitespace: a run that text follows leaves its last character to
// that text, unless it is the only one.
func whitespace(s string, i int) int {
	last, j := i, i
	for j < len(s) {
		c, n := classAt(s, j)
		if c&space == 0 {
			break
		}
		last = j
		j += n
	}
	if j < len(s) && last > i {
		return last
	}
	return j
}

// newlines matches "\s*[\r\n]+|\s+(?!\S)|\s+" at s[i], which is whitespace.
func newlines(s string, i int) int {
	last, j, after := i, i, 0
	for j < len(s) {
		c, n := classAt(s, j)
		if c&space == 0 {
			break
		}
		last = j
		if s[j] == '\n' || s[j] == '\r' {
			after = j + 1
		}
		j += n
	}
	switch {
	case after > 0:
		return after
	case j < len(s) && last > i:
		return last
	}
	return j
}

// scanGPT2 matches
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func scanGPT2(s string, i int) int {
	if s[i] == '\'' {
		if n := contraction(s, i, false); n > 0 {
			return i + n
		}
	}
	j := i
	if s[i] == ' ' && i+1 < len(s) {
		j++
	}
	switch c, n := classAt(s, j); {
	case c&letter != 0:
		return run(s, j+n, letter)
	case c&number != 0:
		return run(s, j+n, number)
	case c&space == 0:
		return runNot(s, j+n, letter|number|space)
	}
	return whitespace(s, i)
}

// scanDigits is scanGPT2 applied between single digits, "\p{N}" isolated first: a digit ends the stretch before it, so
// whitespace in front of one stays whole.
func scanDigits(s string, i int) int {
	if s[i] == '\'' {
		if n := contraction(s, i, false); n > 0 {
			return i + n
		}
	}
	j := i
	if s[i] == ' ' && i+1 < len(s) {
		j++
	}
	switch c, n := classAt(s, j); {
	case c&letter != 0:
		return run(s, j+n, letter)
	case c&number != 0 && j > i:
		return j // the space alone
	case c&number != 0:
		return i + n
	case c&space == 0:
		return runNot(s, j+n, letter|number|space)
	}
	end := run(s, i, space)
	if c, _ := classAt(s, end); c&number != 0 {
		return end
	}
	return whitespace(s, i)
}

// scanLlama3 matches, with digits = 3 for Llama 3 and 1 for Qwen2,
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|
//	\s*[\r\n]+|\s+(?!\S)|\s+
func scanLlama3(s string, i, digits int) int {
	if s[i] == '\'' {
		if n := contraction(s, i, true); n > 0 {
			return i + n
		}
	}
	c, n := classAt(s, i)
	if c&letter != 0 {
		return run(s, i+n, letter)
	}
	if c&number != 0 {
		return runLimit(s, i, number, digits)
	}
	next, m := classAt(s, i+n)
	if next&letter != 0 && s[i] != '\r' && s[i] != '\n' {
		return run(s, i+n+m, letter)
	}
	if c&space == 0 {
		return breaks(s, runNot(s, i+n, letter|number|space))
	}
	if s[i] == ' ' && m > 0 && next&(space|number) == 0 {
		return breaks(s, runNot(s, i+n+m, letter|number|space))
	}
	return newlines(s, i)
}

func scanLlama3Three(s string, i int) int { return scanLlama3(s, i, 3) }
func scanLlama3One(s string, i int) int   { return scanLlama3(s, i, 1) }

// scanQwen35 is scanLlama3 with one digit where marks belong to words:
//
//	(?i:…)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func scanQwen35(s string, i int) int {
	if s[i] == '\'' {
		if n := contraction(s, i, true); n > 0 {
			return i + n
		}
	}
	c, n := classAt(s, i)
	if c&(letter|mark) != 0 {
		return run(s, i+n, letter|mark)
	}
	if c&number != 0 {
		return i + n
	}
	next, m := classAt(s, i+n)
	if next&(letter|mark) != 0 && s[i] != '\r' && s[i] != '\n' {
		return run(s, i+n+m, letter|mark)
	}
	if c&space == 0 {
		return breaks(s, runNot(s, i+n, letter|mark|number|space))
	}
	if s[i] == ' ' && m > 0 && next&(space|number) == 0 {
		return breaks(s, runNot(s, i+n+m, letter|mark|number|space))
	}
	return newlines(s, i)
}

// breaks goes over "[\r\n]*".
func breaks(s string, i int) int {
	for i < len(s) && (s[i] == '\r' || s[i] == '\n') {
		i++
	}
	return i
}

// slashBreaks goes over "[\r\n/]*".
func slashBreaks(s string, i int) int {
	for i < len(s) && (s[i] == '\r' || s[i] == '\n' || s[i] == '/') {
		i++
	}
	return i
}
