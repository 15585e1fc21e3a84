package jinja

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// String methods that cut text into pieces.

func (m *machine) strings(parts []string) (Value, error) {
	out := &List{items: make([]Value, len(parts))}
	for i, p := range parts {
		out.items[i] = p
	}
	return out, m.grow(32 * len(parts))
}

func splitter(name string, fromRight bool) stringMethod {
	return func(m *machine, s string, a arguments) (Value, error) {
		p, err := a.bind(name, "sep", "maxsplit")
		if err != nil {
			return nil, err
		}
		limit, err := needInt(name, p[1], -1)
		if err != nil {
			return nil, err
		}
		if limit < 0 {
			limit = len(s) + 1
		}
		if !given(p[0]) {
			return m.strings(splitBlank(s, limit, fromRight))
		}
		sep, err := needString(name, p[0])
		if err != nil {
			return nil, err
		}
		if sep == "" {
			return nil, fault("empty separator")
		}
		if err := m.grow(48 * (min(limit, strings.Count(s, sep)) + 1)); err != nil {
			return nil, err
		}
		if !fromRight {
			return m.strings(strings.SplitN(s, sep, limit+1))
		}
		var parts []string
		for ; limit > 0; limit-- {
			i := strings.LastIndex(s, sep)
			if i < 0 {
				break
			}
			parts = append(parts, s[i+len(sep):])
			s = s[:i]
		}
		parts = append(parts, s)
		slices.Reverse(parts)
		return m.strings(parts)
	}
}

// splitBlank splits at runs of white space, at most limit times; what is left keeps its inner white space.
func splitBlank(s string, limit int, fromRight bool) []string {
	var parts []string
	if !fromRight {
		for s = strings.TrimLeftFunc(s, isSpace); s != ""; limit-- {
			i := strings.IndexFunc(s, isSpace)
			if limit <= 0 || i < 0 {
				if limit > 0 {
					s = strings.TrimRightFunc(s, isSpace)
				}
				return append(parts, s)
			}
			parts = append(parts, s[:i])
			s = strings.TrimLeftFunc(s[i:], isSpace)
		}
		return parts
	}
	for s = strings.TrimRightFunc(s, isSpace); s != ""; limit-- {
		i := strings.LastIndexFunc(s, isSpace)
		if limit <= 0 || i < 0 {
			parts = append(parts, s)
			break
		}
		_, w := utf8.DecodeRuneInString(s[i:])
		parts = append(parts, s[i+w:])
		s = strings.TrimRightFunc(s[:i], isSpace)
	}
	slices.Reverse(parts)
	return parts
}

// splitLines cuts at Python's line boundaries, without them.
func splitLines(s string, keep bool) []string {
	var lines []string
	start := 0
	for i := 0; i < len(s); {
		r, w := utf8.DecodeRuneInString(s[i:])
		switch r {
		case '\r':
			if i+1 < len(s) && s[i+1] == '\n' {
				w = 2
			}
			fallthrough
		case '\n', '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
			end := i
			if keep {
				end += w
			}
			lines = append(lines, s[start:end])
			start = i + w
		}
		i += w
	}
	if start < len(s) {
		lines = append(lines, s[start:])
	}
	return lines
}

func stringSplitLines(m *machine, s string, a arguments) (Value, error) {
	p, err := a.bind("splitlines", "keepends")
	if err != nil {
		return nil, err
	}
	if err := m.step(len(s)); err != nil {
		return nil, err
	}
	return m.strings(splitLines(s, Truth(or(p[0], false))))
}

func partition(name string, find func(s, x string) int) stringMethod {
	return func(_ *machine, s string, a arguments) (Value, error) {
		p, err := a.bind(name, "sep")
		if err != nil {
			return nil, err
		}
		sep, err := needString(name, p[0])
		if err != nil {
			return nil, err
		}
		if sep == "" {
			return nil, fault("empty separator")
		}
		i := find(s, sep)
		switch {
		case i >= 0:
			return &List{items: []Value{s[:i], sep, s[i+len(sep):]}, tuple: true}, nil
		case name == "partition":
			return &List{items: []Value{s, "", ""}, tuple: true}, nil
		}
		return &List{items: []Value{"", "", s}, tuple: true}, nil
	}
}
