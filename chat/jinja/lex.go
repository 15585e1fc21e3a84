package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	tEOF kind = iota
	tData
	tVarBegin
	tVarEnd
	tBlockBegin
	tBlockEnd
	tName
	tString
	tInt
	tFloat
	tOp
)

type token struct {
	kind kind
	text string
	line int
}

// lexer cuts a template into tokens with the options chat templates are written for: trim_blocks (one newline after a
// statement or comment goes) and lstrip_blocks (blanks before one go when nothing else stands on the line before it). A
// minus inside a tag takes all white space on its side, a plus switches the option off there.
type lexer struct {
	src  string
	pos  int
	line int
	out  []token
	open []byte // brackets to be closed before a tag can end

	lineStart bool // nothing but a newline, or nothing at all, lies before pos
}

func lex(src string) ([]token, error) {
	if len(src) > maxSource {
		return nil, fault("%d bytes of source, more than %d", len(src), maxSource)
	}
	src = strings.ReplaceAll(src, "\r\n", "\n")
	src = strings.ReplaceAll(src, "\r", "\n")
	src = strings.TrimSuffix(src, "\n")
	l := &lexer{src: src, line: 1, lineStart: true}
	for l.pos < len(l.src) {
		if err := l.text(); err != nil {
			if t, ok := err.(*Error); ok && t.Line == 0 {
				t.Line = l.line
			}
			return nil, err
		}
	}
	l.emit(tEOF, "")
	return l.out, nil
}

func (l *lexer) emit(k kind, text string) {
	l.out = append(l.out, token{kind: k, text: text, line: l.line})
}

// skip moves past n bytes.
func (l *lexer) skip(n int) {
	s := l.src[l.pos : l.pos+n]
	l.line += strings.Count(s, "\n")
	if n > 0 {
		l.lineStart = s[n-1] == '\n'
	}
	l.pos += n
}

// blank moves past white space.
func (l *lexer) blank() {
	rest := l.src[l.pos:]
	l.skip(len(rest) - len(strings.TrimLeftFunc(rest, isSpace)))
}

// data emits text that stands before a tag, trimmed by the tag's sign; variables are not subject to lstrip_blocks.
func (l *lexer) data(text string, sign byte, variable bool) {
	kept := text
	switch {
	case sign == '-':
		kept = strings.TrimRightFunc(text, isSpace)
	case sign != '+' && !variable:
		at := strings.LastIndexByte(text, '\n') + 1
		if at > 0 || l.lineStart {
			if strings.TrimLeftFunc(text[at:], isSpace) == "" {
				kept = text[:at]
			}
		}
	}
	if kept != "" {
		l.emit(tData, kept)
	}
	l.skip(len(text))
}

// text reads literal text up to a tag, and that tag.
func (l *lexer) text() error {
	rest := l.src[l.pos:]
	at := 0
	for {
		i := strings.IndexByte(rest[at:], '{')
		if i < 0 || at+i+1 >= len(rest) {
			l.emit(tData, rest)
			l.skip(len(rest))
			return nil
		}
		at += i
		if c := rest[at+1]; c == '{' || c == '%' || c == '#' {
			break
		}
		at++
	}
	opener := rest[at+1]
	var sign byte
	n := 2
	if at+2 < len(rest) && (rest[at+2] == '-' || rest[at+2] == '+') {
		sign = rest[at+2]
		n = 3
	}
	if opener == '%' {
		if end := matchWord(rest[at+n:], "raw", false); end > 0 {
			l.data(rest[:at], sign, false)
			return l.raw(n + end)
		}
	}
	l.data(rest[:at], sign, opener == '{')
	switch opener {
	case '#':
		l.skip(n)
		return l.comment()
	case '%':
		l.emit(tBlockBegin, "")
	default:
		l.emit(tVarBegin, "")
	}
	l.skip(n)
	return l.tag(opener == '%')
}

// matchWord matches white space, word, white space and a tag's end at the start of s and returns the length, 0 without
// a match. A statement's plain end takes one newline along when trim is set.
func matchWord(s, word string, trim bool) int {
	t := strings.TrimLeftFunc(s, isSpace)
	if !strings.HasPrefix(t, word) {
		return 0
	}
	t = strings.TrimLeftFunc(t[len(word):], isSpace)
	n := endOfTag(t, "%}", trim, trim)
	if n == 0 {
		return 0
	}
	return len(s) - len(t) + n
}

// endOfTag returns the length of the end of a tag at the start of s with the white space that it takes along.
func endOfTag(s, end string, plus, trim bool) int {
	switch {
	case strings.HasPrefix(s, "-"+end):
		after := s[1+len(end):]
		return 1 + len(end) + len(after) - len(strings.TrimLeftFunc(after, isSpace))
	case plus && strings.HasPrefix(s, "+"+end):
		return 1 + len(end)
	case strings.HasPrefix(s, end):
		if trim && strings.HasPrefix(s[len(end):], "\n") {
			return len(end) + 1
		}
		return len(end)
	}
	return 0
}

func (l *lexer) comment() error {
	rest := l.src[l.pos:]
	i := strings.Index(rest, "#}")
	if i < 0 {
		return fault("comment without an end")
	}
	if i > 0 && (rest[i-1] == '-' || rest[i-1] == '+') {
		i--
	}
	l.skip(i + endOfTag(rest[i:], "#}", true, true))
	return nil
}

// raw emits everything up to the endraw statement as text.
func (l *lexer) raw(opening int) error {
	l.skip(opening)
	rest := l.src[l.pos:]
	for at := 0; ; at += 2 {
		i := strings.Index(rest[at:], "{%")
		if i < 0 {
			return fault("raw without endraw")
		}
		at += i
		n := 2
		var sign byte
		if at+2 < len(rest) && (rest[at+2] == '-' || rest[at+2] == '+') {
			sign = rest[at+2]
			n = 3
		}
		if end := matchWord(rest[at+n:], "endraw", true); end > 0 {
			l.data(rest[:at], sign, false)
			l.skip(n + end)
			return nil
		}
	}
}

// operators, longest first.
var operators = []string{"//", "**", "==", "!=", ">=", "<=",
	"+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"}

// tag reads the inside of a statement or an expression and its end.
func (l *lexer) tag(block bool) error {
	l.open = l.open[:0]
	end := "}}"
	if block {
		end = "%}"
	}
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		if len(l.open) == 0 {
			if n := endOfTag(rest, end, block, block); n > 0 {
				if block {
					l.emit(tBlockEnd, "")
				} else {
					l.emit(tVarEnd, "")
				}
				l.skip(n)
				return nil
			}
		}
		if r, _ := utf8.DecodeRuneInString(rest); isSpace(r) {
			l.blank()
			continue
		}
		if err := l.inner(rest); err != nil {
			return err
		}
	}
	if block {
		return fault("statement without an end")
	}
	return fault("expression without an end")
}

// inner reads one token inside a tag.
func (l *lexer) inner(rest string) error {
	c := rest[0]
	switch {
	case c >= '0' && c <= '9':
		k, n := number(rest)
		l.emit(k, strings.ReplaceAll(rest[:n], "_", ""))
		l.skip(n)
		return nil
	case c == '"' || c == '\'':
		n := 1
		for n < len(rest) && rest[n] != c {
			if rest[n] == '\\' {
				n++
			}
			n++
		}
		if n >= len(rest) {
			return fault("string without an end")
		}
		l.emit(tString, Unescape(rest[1:n]))
		l.skip(n + 1)
		return nil
	}
	n := 0
	for i, r := range rest {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			break
		}
		n = i + utf8.RuneLen(r)
	}
	if n > 0 {
		l.emit(tName, rest[:n])
		l.skip(n)
		return nil
	}
	for _, op := range operators {
		if !strings.HasPrefix(rest, op) {
			continue
		}
		switch op {
		case "(", "[", "{":
			l.open = append(l.open, map[string]byte{"(": ')', "[": ']', "{": '}'}[op])
		case ")", "]", "}":
			if len(l.open) == 0 || l.open[len(l.open)-1] != op[0] {
				return fault("unexpected '%s'", op)
			}
			l.open = l.open[:len(l.open)-1]
		}
		l.emit(tOp, op)
		l.skip(len(op))
		return nil
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return fault("unexpected character %q", r)
}

// number measures an integer or float literal at the start of s.
func number(s string) (kind, int) {
	digits := func(i int, is func(byte) bool) int {
		for i < len(s) && (is(s[i]) || s[i] == '_' && i+1 < len(s) && is(s[i+1])) {
			i++
		}
		return i
	}
	decimal := func(c byte) bool { return c >= '0' && c <= '9' }
	if len(s) > 2 && s[0] == '0' {
		var is func(byte) bool
		switch s[1] {
		case 'x', 'X':
			is = func(c byte) bool { return decimal(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }
		case 'o', 'O':
			is = func(c byte) bool { return c >= '0' && c <= '7' }
		case 'b', 'B':
			is = func(c byte) bool { return c == '0' || c == '1' }
		}
		if is != nil && is(s[2]) {
			return tInt, digits(2, is)
		}
	}
	n := digits(0, decimal)
	k := tInt
	if n+1 < len(s) && s[n] == '.' && decimal(s[n+1]) {
		k, n = tFloat, digits(n+1, decimal)
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		i := n + 1
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if i < len(s) && decimal(s[i]) {
			k, n = tFloat, digits(i, decimal)
		}
	}
	return k, n
}
