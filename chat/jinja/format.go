package jinja

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// stringFormat is s.format(…) for plain fields: {}, {0}, {name}; a field's own format is refused.
func stringFormat(m *machine, s string, a arguments) (Value, error) {
	var b strings.Builder
	next := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case (c == '{' || c == '}') && i+1 < len(s) && s[i+1] == c:
			i++
			b.WriteByte(c)
			continue
		case c == '}':
			return nil, fault("single '}' encountered in format string")
		case c != '{':
			b.WriteByte(c)
			continue
		}
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			return nil, fault("single '{' encountered in format string")
		}
		field := s[i+1 : i+end]
		i += end
		v, err := a.field(field, &next)
		if err == nil {
			err = m.print(&b, v)
		}
		if err != nil {
			return nil, err
		}
	}
	return b.String(), m.grow(b.Len())
}

// field finds the argument that a replacement field names.
func (a arguments) field(field string, next *int) (Value, error) {
	at := -1
	if field == "" {
		at = *next
		*next++
	} else if strings.Trim(field, "0123456789") == "" && len(field) < 4 {
		at = 0
		for _, c := range field {
			at = at*10 + int(c-'0')
		}
	} else if i := slices.Index(a.keys, field); i >= 0 {
		return a.vals[i], nil
	}
	if at < 0 || at >= len(a.pos) {
		return nil, fault("format field '{%s}' has no argument", field)
	}
	return a.pos[at], nil
}

// format is Python's s % args, for the conversions that templates use.
func (m *machine) format(s string, args Value) (Value, error) {
	var pos []Value
	named, _ := args.(*Dict)
	if l, ok := args.(*List); ok && l.tuple {
		pos = l.items
	} else {
		pos = []Value{args}
	}
	var b strings.Builder
	used := 0
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			_, w := utf8.DecodeRuneInString(s[i:])
			if err := m.print(&b, s[i:i+w]); err != nil {
				return nil, err
			}
			i += w - 1
			continue
		}
		i++
		var v Value
		have := false
		if i < len(s) && s[i] == '(' && named != nil {
			end := strings.IndexByte(s[i:], ')')
			if end < 0 {
				return nil, fault("incomplete format key")
			}
			if v, have = named.Get(s[i+1 : i+end]); !have {
				return nil, fault("format key '%s' missing", s[i+1:i+end])
			}
			i += end + 1
		}
		precision := -1
		if i < len(s) && s[i] == '.' {
			precision = 0
			for i++; i < len(s) && s[i] >= '0' && s[i] <= '9' && precision < 100; i++ {
				precision = precision*10 + int(s[i]-'0')
			}
		}
		if i >= len(s) {
			return nil, fault("incomplete format")
		}
		if s[i] == '%' {
			b.WriteByte('%')
			continue
		}
		if !have {
			if used >= len(pos) {
				return nil, fault("not enough arguments for format string")
			}
			v = pos[used]
			used++
		}
		if err := m.convert(&b, s[i], precision, v); err != nil {
			return nil, err
		}
	}
	if used < len(pos) && named == nil {
		return nil, fault("not all arguments converted during string formatting")
	}
	return b.String(), nil
}

// convert writes v by one conversion of a format string.
func (m *machine) convert(b *strings.Builder, verb byte, precision int, v Value) error {
	f, whole, ok := number64(v)
	switch verb {
	case 's':
		s, err := m.str(v)
		if err != nil {
			return err
		}
		if precision >= 0 {
			s = s[:runeOffset(s, precision)]
		}
		return m.print(b, s)
	case 'r':
		return m.repr(b, v, 0)
	case 'd', 'i':
		if !ok {
			return fault("%%%c format: a number is required, not %s", verb, typeName(v))
		}
		if whole {
			return m.print(b, strconv.FormatInt(toInt(v), 10))
		}
		return m.print(b, strconv.FormatFloat(f, 'f', 0, 64))
	case 'f', 'F', 'e', 'g':
		if !ok {
			return fault("must be real number, not %s", typeName(v))
		}
		if precision < 0 {
			precision = 6
		}
		if verb == 'F' {
			verb = 'f'
		}
		return m.print(b, strconv.FormatFloat(f, verb, precision, 64))
	}
	return fault("unsupported format character '%c'", verb)
}
