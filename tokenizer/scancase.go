package tokenizer

// scanCase matches the pre-tokenizers that cut words at changes of case. With U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and
// W = [\p{Ll}\p{Lm}\p{Lo}\p{M}], tekken (digits = 1, suffix false) is
//
//	[^\r\n\p{L}\p{N}]?U*W+|[^\r\n\p{L}\p{N}]?U+W*|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|
//	\s*[\r\n]+|\s+(?!\S)|\s+
//
// and gpt-4o (digits = 3, suffix true) the same with (?i:'s|'t|'re|'ve|'m|'ll|'d)? after both word forms.
//
// U and W share \p{Lm}, \p{Lo} and \p{M}, so "U*W+" backtracks: of a run of U that no W follows, it gives back
// characters down to the last one that is also W. That is all it can match, since what comes after that one is not W.
func scanCase(s string, i, digits int, suffix bool) int {
	c, n := classAt(s, i)
	prefix := c&(letter|number) == 0 && s[i] != '\r' && s[i] != '\n'
	end := 0
	if prefix {
		end = caseWord(s, i+n)
	}
	// Without its prefix the expression is tried before U+W*; then a mark, which may be prefix and word, is a word.
	if end == 0 && c&(letter|mark) != 0 {
		end = caseWord(s, i)
	}
	if end == 0 && prefix {
		end = upperWord(s, i+n)
	}
	if end == 0 && c&(letter|mark) != 0 {
		end = upperWord(s, i)
	}
	if end > 0 {
		if suffix && end < len(s) && s[end] == '\'' {
			end += contraction(s, end, true)
		}
		return end
	}
	if c&number != 0 {
		return runLimit(s, i, number, digits)
	}
	j := i
	if s[i] == ' ' && i+1 < len(s) {
		j++
	}
	if c, n := classAt(s, j); c&(space|letter|number) == 0 {
		return slashBreaks(s, runNot(s, j+n, letter|number|space))
	}
	return newlines(s, i)
}

// caseWord matches U*W+ at s[i]; 0 where it does not match.
func caseWord(s string, i int) int {
	last := 0 // end of the last character of the run of U that is also W
	for i < len(s) {
		c, n := classAt(s, i)
		if c&upper == 0 {
			break
		}
		i += n
		if c&lower != 0 {
			last = i
		}
	}
	if end := run(s, i, lower); end > i {
		return end
	}
	return last
}

// upperWord matches U+W* at s[i]; 0 where it does not match.
func upperWord(s string, i int) int {
	end := run(s, i, upper)
	if end == i {
		return 0
	}
	return run(s, end, lower)
}

func scanTekken(s string, i int) int { return scanCase(s, i, 1, false) }
func scanGPT4o(s string, i int) int  { return scanCase(s, i, 3, true) }
