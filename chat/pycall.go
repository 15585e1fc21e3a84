package chat

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"pith/chat/jinja"
)

// readPythonCalls reads the body of a ```tool_code block.
func readPythonCalls(s string) ([]Call, string, status) {
	calls, ok := pythonCalls(s)
	if !ok {
		return nil, s, broken
	}
	return calls, "", whole
}

// pythonCalls reads one call a line, or a list of calls, with keyword arguments that are literals; print(…) around a call is what
// Gemma was shown, and means the call.
func pythonCalls(s string) ([]Call, bool) {
	p := &pyReader{s: s}
	var out []Call
	list := p.skip("[")
	for p.space(); p.s != "" && !(list && strings.HasPrefix(p.s, "]")); p.space() {
		c, ok := p.call(0)
		if !ok {
			return nil, false
		}
		out = append(out, c)
		p.space()
		if !p.skip(",") {
			p.skip(";")
		}
	}
	if list && !p.skip("]") {
		return nil, false
	}
	p.space()
	return out, len(out) > 0 && p.s == ""
}

// pyReader reads Python literals.
type pyReader struct{ s string }

func (p *pyReader) space() { p.s = strings.TrimLeft(p.s, " \t\r\n") }

func (p *pyReader) skip(token string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.s, token)
	p.s = rest
	return ok
}

// name reads a dotted name.
func (p *pyReader) name() string {
	p.space()
	n := 0
	for i, r := range p.s {
		if r != '_' && r != '.' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			break
		}
		n = i + utf8.RuneLen(r)
	}
	name := p.s[:n]
	p.s = p.s[n:]
	return name
}

// maxPython bounds how deep literals and print( may nest.
const maxPython = 100

func (p *pyReader) call(depth int) (Call, bool) {
	name := p.name()
	if name == "" || depth > maxPython || !p.skip("(") {
		return Call{}, false
	}
	if name == "print" {
		c, ok := p.call(depth + 1)
		return c, ok && p.skip(")")
	}
	args := []byte{'{'}
	for first := true; !p.skip(")"); first = false {
		if !first {
			if !p.skip(",") {
				return Call{}, false
			}
			if p.skip(")") {
				break
			}
			args = append(args, ", "...)
		}
		key := p.name()
		if key == "" || strings.Contains(key, ".") || !p.skip("=") {
			return Call{}, false
		}
		args = append(append(args, quote(key)...), ": "...)
		var ok bool
		if args, ok = p.value(args, depth+1); !ok {
			return Call{}, false
		}
	}
	return Call{Name: strings.TrimPrefix(name, "default_api."), Arguments: append(args, '}')}, true
}

// value appends the literal at the front as JSON.
func (p *pyReader) value(to []byte, depth int) ([]byte, bool) {
	p.space()
	if p.s == "" || depth > maxPython {
		return to, false
	}
	switch c := p.s[0]; {
	case c == '"' || c == '\'':
		text, ok := p.text()
		return append(to, quote(text)...), ok
	case c == '[' || c == '(':
		return p.sequence(to, map[byte]string{'[': "]", '(': ")"}[c], depth)
	case c == '{':
		return p.object(to, depth)
	case c == '-' || c >= '0' && c <= '9':
		n := 1
		for n < len(p.s) && strings.IndexByte("0123456789.eE+-_", p.s[n]) >= 0 {
			n++
		}
		number := strings.ReplaceAll(p.s[:n], "_", "")
		p.s = p.s[n:]
		if _, err := strconv.ParseInt(number, 10, 64); err == nil {
			return append(to, number...), true
		}
		f, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return to, false
		}
		return strconv.AppendFloat(to, f, 'g', -1, 64), true
	}
	word, ok := map[string]string{"True": "true", "False": "false", "None": "null", "true": "true", "false": "false", "null": "null"}[p.name()]
	return append(to, word...), ok
}

func (p *pyReader) sequence(to []byte, end string, depth int) ([]byte, bool) {
	p.s = p.s[1:]
	to = append(to, '[')
	for first := true; !p.skip(end); first = false {
		if !first {
			if !p.skip(",") {
				return to, false
			}
			if p.skip(end) {
				break
			}
			to = append(to, ", "...)
		}
		var ok bool
		if to, ok = p.value(to, depth+1); !ok {
			return to, false
		}
	}
	return append(to, ']'), true
}

func (p *pyReader) object(to []byte, depth int) ([]byte, bool) {
	p.s = p.s[1:]
	to = append(to, '{')
	for first := true; !p.skip("}"); first = false {
		if !first {
			if !p.skip(",") {
				return to, false
			}
			if p.skip("}") {
				break
			}
			to = append(to, ", "...)
		}
		p.space()
		if p.s == "" || p.s[0] != '"' && p.s[0] != '\'' {
			return to, false
		}
		key, ok := p.text()
		if !ok || !p.skip(":") {
			return to, false
		}
		to = append(append(to, quote(key)...), ": "...)
		if to, ok = p.value(to, depth+1); !ok {
			return to, false
		}
	}
	return append(to, '}'), true
}

// text reads a string literal, tripled quotes included.
func (p *pyReader) text() (string, bool) {
	mark := p.s[:1]
	if strings.HasPrefix(p.s, mark+mark+mark) {
		mark = p.s[:3]
	}
	body := p.s[len(mark):]
	for i := 0; i < len(body); i++ {
		if body[i] == '\\' {
			i++
			continue
		}
		if strings.HasPrefix(body[i:], mark) {
			p.s = body[i+len(mark):]
			return jinja.Unescape(body[:i]), true
		}
	}
	return "", false
}
