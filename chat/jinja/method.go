package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// method returns v's bound method, nil when the type has none of that name. Names that start with an underscore are out
// of reach of templates, as in Jinja's sandbox.
func (m *machine) method(v Value, name string) *function {
	var call func(m *machine, a arguments) (Value, error)
	switch v := v.(type) {
	case string:
		f, ok := stringMethods[name]
		if !ok {
			return nil
		}
		call = func(m *machine, a arguments) (Value, error) {
			if err := m.scan(len(v)); err != nil {
				return nil, err
			}
			return f(m, v, a)
		}
	case *Dict:
		f, ok := dictMethods[name]
		if !ok {
			return nil
		}
		call = func(m *machine, a arguments) (Value, error) { return f(m, v, a) }
	case *List:
		f, ok := listMethods[name]
		if !ok || v.tuple && name != "index" && name != "count" {
			return nil
		}
		call = func(m *machine, a arguments) (Value, error) { return f(m, v, a) }
	default:
		return nil
	}
	return &function{name: name, call: call}
}

type stringMethod = func(m *machine, s string, a arguments) (Value, error)

var stringMethods = map[string]stringMethod{
	"strip":        stripper("strip", true, true),
	"lstrip":       stripper("lstrip", true, false),
	"rstrip":       stripper("rstrip", false, true),
	"lower":        mapper("lower", lower),
	"upper":        mapper("upper", upper),
	"title":        mapper("title", pythonTitle),
	"capitalize":   mapper("capitalize", capitalize),
	"casefold":     mapper("casefold", lower),
	"swapcase":     mapper("swapcase", func(s string) string { return strings.Map(swapCase, s) }),
	"startswith":   affix("startswith", strings.HasPrefix),
	"endswith":     affix("endswith", strings.HasSuffix),
	"removeprefix": remover("removeprefix", strings.TrimPrefix),
	"removesuffix": remover("removesuffix", strings.TrimSuffix),
	"split":        splitter("split", false),
	"rsplit":       splitter("rsplit", true),
	"splitlines":   stringSplitLines,
	"partition":    partition("partition", strings.Index),
	"rpartition":   partition("rpartition", strings.LastIndex),
	"replace":      stringReplace,
	"join":         stringJoin,
	"find":         finder("find", strings.Index),
	"rfind":        finder("rfind", strings.LastIndex),
	"index":        finder("index", strings.Index),
	"rindex":       finder("rindex", strings.LastIndex),
	"count":        stringCount,
	"zfill":        stringFill,
	"ljust":        padder("ljust", 0),
	"center":       padder("center", 1),
	"rjust":        padder("rjust", 2),
	"format":       stringFormat,
	"isdigit":      every("isdigit", unicode.IsDigit),
	"isdecimal":    every("isdecimal", unicode.IsDigit),
	"isnumeric":    every("isnumeric", unicode.IsNumber),
	"isalpha":      every("isalpha", unicode.IsLetter),
	"isspace":      every("isspace", isSpace),
	"isalnum":      every("isalnum", func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }),
	"isupper":      cased("isupper", unicode.IsUpper, unicode.IsLower),
	"islower":      cased("islower", unicode.IsLower, unicode.IsUpper),
}

func lower(s string) string { return strings.ToLower(s) }

// expanding are the letters in use whose capital is more than one letter; Go's mapping is one to one.
var expanding = strings.NewReplacer("ß", "SS", "ﬀ", "FF", "ﬁ", "FI", "ﬂ", "FL", "ﬃ", "FFI", "ﬄ", "FFL", "ﬅ", "ST", "ﬆ", "ST", "ŉ", "ʼN", "ǰ", "J̌")

func upper(s string) string { return strings.ToUpper(expanding.Replace(s)) }

func swapCase(r rune) rune {
	if unicode.IsUpper(r) {
		return unicode.ToLower(r)
	}
	return unicode.ToUpper(r)
}

// pythonTitle starts a word after anything that is not a letter.
func pythonTitle(s string) string {
	inside := false
	return strings.Map(func(r rune) rune {
		start := !inside
		inside = unicode.IsLetter(r)
		if start {
			return unicode.ToTitle(r)
		}
		return unicode.ToLower(r)
	}, s)
}

func mapper(name string, f func(string) string) stringMethod {
	return func(m *machine, s string, a arguments) (Value, error) {
		if _, err := a.bind(name); err != nil {
			return nil, err
		}
		return f(s), m.grow(2 * len(s))
	}
}

// strip removes characters of chars, white space without them, from the ends.
func strip(s string, chars Value, left, right bool) (string, error) {
	cut := isSpace
	if given(chars) {
		set, err := needString("strip", chars)
		if err != nil {
			return "", err
		}
		cut = func(r rune) bool { return strings.ContainsRune(set, r) }
	}
	if left {
		s = strings.TrimLeftFunc(s, cut)
	}
	if right {
		s = strings.TrimRightFunc(s, cut)
	}
	return s, nil
}

func stripper(name string, left, right bool) stringMethod {
	return func(m *machine, s string, a arguments) (Value, error) {
		p, err := a.bind(name, "chars")
		if err != nil {
			return nil, err
		}
		if set, ok := p[0].(string); ok {
			if err := m.scan(len(set) * min(len(s), 1<<20)); err != nil {
				return nil, err
			}
		}
		return strip(s, p[0], left, right)
	}
}

func affix(name string, has func(s, x string) bool) stringMethod {
	return func(m *machine, s string, a arguments) (Value, error) {
		p, err := a.bind(name, "affix")
		if err != nil {
			return nil, err
		}
		choices := []Value{p[0]}
		if l, ok := p[0].(*List); ok && l.tuple {
			choices = l.items
		}
		for _, c := range choices {
			x, err := needString(name, c)
			if err != nil {
				return nil, err
			}
			if has(s, x) {
				return true, nil
			}
		}
		return false, m.step(len(choices))
	}
}

func remover(name string, cut func(s, x string) string) stringMethod {
	return func(_ *machine, s string, a arguments) (Value, error) {
		p, err := a.bind(name, "affix")
		if err != nil {
			return nil, err
		}
		x, err := needString(name, p[0])
		return cut(s, x), err
	}
}

func stringReplace(m *machine, s string, a arguments) (Value, error) {
	p, err := a.bind("replace", "old", "new", "count")
	if err != nil {
		return nil, err
	}
	old, err := needString("replace", p[0])
	if err != nil {
		return nil, err
	}
	to, err := needString("replace", p[1])
	if err != nil {
		return nil, err
	}
	n, err := needInt("replace", p[2], -1)
	if err != nil {
		return nil, err
	}
	return m.replace(s, old, to, n)
}

// replace replaces the first n occurrences, all when n is negative.
func (m *machine) replace(s, old, to string, n int) (Value, error) {
	count := strings.Count(s, old)
	if n >= 0 {
		count = min(count, n)
	}
	if len(to) > 0 && count > (1<<40)/len(to) {
		return nil, m.grow(-1)
	}
	if err := m.grow(len(s) + count*len(to)); err != nil {
		return nil, err
	}
	return strings.Replace(s, old, to, n), nil
}

func stringJoin(m *machine, s string, a arguments) (Value, error) {
	p, err := a.bind("join", "iterable")
	if err != nil {
		return nil, err
	}
	items, err := m.items(or(p[0], nil))
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for i, v := range items {
		x, err := needString("join", v)
		if err != nil {
			return nil, err
		}
		if err := m.grow(len(s) + len(x)); err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString(s)
		}
		b.WriteString(x)
	}
	return b.String(), nil
}

func finder(name string, find func(s, x string) int) stringMethod {
	return func(_ *machine, s string, a arguments) (Value, error) {
		p, err := a.bind(name, "sub", "start", "end")
		if err != nil {
			return nil, err
		}
		sub, err := needString(name, p[0])
		if err != nil {
			return nil, err
		}
		n := utf8.RuneCountInString(s)
		start, err := needInt(name, p[1], 0)
		if err != nil {
			return nil, err
		}
		end, err := needInt(name, p[2], n)
		if err != nil {
			return nil, err
		}
		lo, hi := sliceBounds(n, &start, &end, 1)
		if lo <= hi {
			base := runeOffset(s, lo)
			window := s[base : base+runeOffset(s[base:], hi-lo)]
			if i := find(window, sub); i >= 0 {
				return int64(lo + utf8.RuneCountInString(window[:i])), nil
			}
		}
		if strings.HasSuffix(name, "index") {
			return nil, fault("substring not found")
		}
		return int64(-1), nil
	}
}

func stringCount(_ *machine, s string, a arguments) (Value, error) {
	p, err := a.bind("count", "sub")
	if err != nil {
		return nil, err
	}
	sub, err := needString("count", p[0])
	return int64(strings.Count(s, sub)), err
}

func stringFill(m *machine, s string, a arguments) (Value, error) {
	p, err := a.bind("zfill", "width")
	if err != nil {
		return nil, err
	}
	width, err := needInt("zfill", p[0], 0)
	if err != nil {
		return nil, err
	}
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = s[:1], s[1:]
	}
	zeros, err := m.repeat("0", width-len(sign)-utf8.RuneCountInString(s))
	if err != nil {
		return nil, err
	}
	return sign + zeros.(string) + s, m.grow(len(s) + width)
}

// padder pads to a width: on the right (0), on both sides (1), on the left (2).
func padder(name string, side int) stringMethod {
	return func(m *machine, s string, a arguments) (Value, error) {
		p, err := a.bind(name, "width", "fillchar")
		if err != nil {
			return nil, err
		}
		width, err := needInt(name, p[0], 0)
		if err != nil {
			return nil, err
		}
		fill, err := needString(name, or(p[1], " "))
		if err != nil {
			return nil, err
		}
		pad := max(0, width-utf8.RuneCountInString(s))
		left := 0
		switch side {
		case 1:
			left = pad/2 + pad&width&1
		case 2:
			left = pad
		}
		l, err := m.repeat(fill, left)
		if err != nil {
			return nil, err
		}
		r, err := m.repeat(fill, pad-left)
		if err != nil {
			return nil, err
		}
		return l.(string) + s + r.(string), m.grow(len(s) + pad*len(fill))
	}
}

func every(name string, is func(rune) bool) stringMethod {
	return func(m *machine, s string, a arguments) (Value, error) {
		if _, err := a.bind(name); err != nil {
			return nil, err
		}
		return s != "" && strings.IndexFunc(s, func(r rune) bool { return !is(r) }) < 0, nil
	}
}

func cased(name string, want, not func(rune) bool) stringMethod {
	return func(m *machine, s string, a arguments) (Value, error) {
		if _, err := a.bind(name); err != nil {
			return nil, err
		}
		return strings.IndexFunc(s, want) >= 0 && strings.IndexFunc(s, not) < 0, nil
	}
}
