package jinja

import (
	"math"
	"strconv"
	"strings"
	"unicode"
)

// filterFunc is a filter: v|name(a).
type filterFunc = func(m *machine, v Value, a arguments) (Value, error)

// filters are Jinja's, but for those that write HTML links, random choices and word wrapping. tojson is the one that chat
// templates are rendered with: plain json.dumps, without HTML escapes.
func filters() map[string]filterFunc {
	return map[string]filterFunc{
		"tojson":     filterJSON,
		"trim":       filterTrim,
		"string":     func(m *machine, v Value, a arguments) (Value, error) { return m.str(v) },
		"safe":       func(m *machine, v Value, a arguments) (Value, error) { return m.str(v) },
		"escape":     filterEscape,
		"e":          filterEscape,
		"lower":      textFilter(lower),
		"upper":      textFilter(upper),
		"capitalize": textFilter(capitalize),
		"title":      textFilter(filterTitleText),
		"replace":    filterReplace,
		"indent":     filterIndent,
		"center":     filterCenter,
		"truncate":   filterTruncate,
		"wordcount":  filterWordCount,
		"format":     filterFormat,
		"default":    filterDefault,
		"d":          filterDefault,
		"int":        filterInt,
		"float":      filterFloat,
		"abs":        filterAbs,
		"round":      filterRound,
		"length":     filterLength,
		"count":      filterLength,
		"first":      filterFirst,
		"last":       filterLast,
		"list":       filterList,
		"reverse":    filterReverse,
		"join":       filterJoin,
		"items":      filterItems,
		"attr":       filterAttr,
		"sort":       filterSort,
		"dictsort":   filterDictSort,
		"unique":     filterUnique,
		"groupby":    filterGroupBy,
		"min":        extreme("min", -1),
		"max":        extreme("max", 1),
		"sum":        filterSum,
		"map":        filterMap,
		"select":     chooser(true, false),
		"reject":     chooser(false, false),
		"selectattr": chooser(true, true),
		"rejectattr": chooser(false, true),
		"batch":      filterBatch,
		"slice":      filterSlice,
	}
}

func filterJSON(m *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("tojson", "ensure_ascii", "indent", "separators", "sort_keys")
	if err != nil {
		return nil, err
	}
	style := &jsonStyle{item: ", ", key: ": ", ascii: Truth(or(p[0], false)), sort: Truth(or(p[3], false))}
	if given(p[1]) {
		style.lines, style.item = true, ","
		switch in := p[1].(type) {
		case string:
			style.indent = in
		default:
			n, err := needInt("tojson", p[1], 0)
			if err != nil {
				return nil, err
			}
			pad, err := m.repeat(" ", n)
			if err != nil {
				return nil, err
			}
			style.indent = pad.(string)
		}
	}
	if given(p[2]) {
		sep, ok := p[2].(*List)
		if !ok || len(sep.items) != 2 {
			return nil, fault("tojson() separators must be two strings")
		}
		if style.item, err = needString("tojson", sep.items[0]); err != nil {
			return nil, err
		}
		if style.key, err = needString("tojson", sep.items[1]); err != nil {
			return nil, err
		}
	}
	var b strings.Builder
	err = m.encodeJSON(&b, v, style, 0)
	return b.String(), err
}

func filterTrim(m *machine, v Value, a arguments) (Value, error) {
	s, err := m.str(v)
	if err != nil {
		return nil, err
	}
	return stringMethods["strip"](m, s, a)
}

func filterEscape(m *machine, v Value, a arguments) (Value, error) {
	s, err := m.str(v)
	if err != nil {
		return nil, err
	}
	if err := m.grow(5 * len(s)); err != nil {
		return nil, err
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&#39;", `"`, "&#34;").Replace(s), nil
}

func textFilter(f func(string) string) filterFunc {
	return func(m *machine, v Value, a arguments) (Value, error) {
		s, err := m.str(v)
		if err != nil {
			return nil, err
		}
		return f(s), m.grow(2 * len(s))
	}
}

func capitalize(s string) string {
	w := runeOffset(s, 1)
	return upper(s[:w]) + lower(s[w:])
}

// filterTitleText starts words after white space, hyphens and opening brackets only.
func filterTitleText(s string) string {
	start := true
	return strings.Map(func(r rune) rune {
		first := start
		start = isSpace(r) || strings.ContainsRune("-({[<", r)
		if first {
			return unicode.ToUpper(r)
		}
		return unicode.ToLower(r)
	}, s)
}

func filterReplace(m *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("replace", "old", "new", "count")
	if err != nil {
		return nil, err
	}
	var text [3]string
	for i, x := range []Value{v, p[0], p[1]} {
		if _, no := x.(missing); no {
			return nil, fault("replace() missing a required argument")
		}
		if text[i], err = m.str(x); err != nil {
			return nil, err
		}
	}
	n := -1
	if given(p[2]) {
		if n, err = needInt("replace", p[2], -1); err != nil {
			return nil, err
		}
	}
	return m.replace(text[0], text[1], text[2], n)
}

func filterIndent(m *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("indent", "width", "first", "blank")
	if err != nil {
		return nil, err
	}
	s, err := m.str(v)
	if err != nil {
		return nil, err
	}
	pad, isText := p[0].(string)
	if !isText {
		n, err := needInt("indent", p[0], 4)
		if err != nil {
			return nil, err
		}
		r, err := m.repeat(" ", n)
		if err != nil {
			return nil, err
		}
		pad = r.(string)
	}
	lines := splitLines(s+"\n", false)
	if err := m.grow(len(s) + len(lines)*(len(pad)+24)); err != nil {
		return nil, err
	}
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == 0 && Truth(or(p[1], false)) || i > 0 && (line != "" || Truth(or(p[2], false))) {
			b.WriteString(pad)
		}
		b.WriteString(line)
	}
	return b.String(), nil
}

func filterCenter(m *machine, v Value, a arguments) (Value, error) {
	s, err := m.str(v)
	if err != nil {
		return nil, err
	}
	p, err := a.bind("center", "width")
	if err != nil {
		return nil, err
	}
	return stringMethods["center"](m, s, arguments{pos: []Value{or(p[0], int64(80))}})
}

func filterTruncate(m *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("truncate", "length", "killwords", "end", "leeway")
	if err != nil {
		return nil, err
	}
	s, err := m.str(v)
	if err != nil {
		return nil, err
	}
	length, err := needInt("truncate", p[0], 255)
	if err != nil {
		return nil, err
	}
	end, err := needString("truncate", or(p[2], "..."))
	if err != nil {
		return nil, err
	}
	leeway, err := needInt("truncate", p[3], 5)
	if err != nil {
		return nil, err
	}
	runes := len([]rune(s))
	if runes <= length+leeway {
		return s, m.scan(len(s))
	}
	s = s[:runeOffset(s, max(0, length-len([]rune(end))))]
	if !Truth(or(p[1], false)) {
		if i := strings.LastIndexByte(s, ' '); i >= 0 {
			s = s[:i]
		}
	}
	return s + end, m.grow(len(s) + len(end))
}

func filterWordCount(m *machine, v Value, _ arguments) (Value, error) {
	s, err := m.str(v)
	if err != nil {
		return nil, err
	}
	words := strings.FieldsFunc(s, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r)
	})
	return int64(len(words)), m.grow(16 * len(words))
}

func filterFormat(m *machine, v Value, a arguments) (Value, error) {
	s, err := m.str(v)
	if err != nil {
		return nil, err
	}
	if len(a.keys) > 0 {
		d := NewDict(len(a.keys))
		for i, k := range a.keys {
			d.Set(k, a.vals[i])
		}
		return m.format(s, d)
	}
	return m.format(s, &List{items: a.pos, tuple: true})
}

func filterDefault(_ *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("default", "default_value", "boolean")
	if err != nil {
		return nil, err
	}
	if _, no := v.(Undefined); no || Truth(or(p[1], false)) && !Truth(v) {
		return or(p[0], ""), nil
	}
	return v, nil
}

func filterInt(_ *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("int", "default", "base")
	if err != nil {
		return nil, err
	}
	base, err := needInt("int", p[1], 10)
	if err != nil {
		return nil, err
	}
	if s, ok := v.(string); ok {
		s = strings.ReplaceAll(strings.TrimFunc(s, isSpace), "_", "")
		if base >= 2 && base <= 36 {
			prefix := map[int]string{16: "0x", 8: "0o", 2: "0b"}[base]
			if n, err := strconv.ParseInt(strings.TrimPrefix(strings.ToLower(s), prefix), base, 64); err == nil {
				return n, nil
			}
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return or(p[0], int64(0)), nil
		}
		v = f
	}
	switch x := v.(type) {
	case bool:
		return toInt(x), nil
	case int64, BigInt:
		return x, nil
	case float64:
		if math.Abs(x) < 1<<62 {
			return int64(x), nil
		}
	}
	return or(p[0], int64(0)), nil
}

func filterFloat(_ *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("float", "default")
	if err != nil {
		return nil, err
	}
	if f, _, ok := number64(v); ok {
		return f, nil
	}
	if s, ok := v.(string); ok {
		if f, err := strconv.ParseFloat(strings.TrimFunc(s, isSpace), 64); err == nil {
			return f, nil
		}
	}
	return or(p[0], 0.0), nil
}

func filterAbs(m *machine, v Value, _ arguments) (Value, error) {
	switch x := v.(type) {
	case int64:
		if x < 0 {
			return wholeArithmetic("-", 0, x)
		}
		return x, nil
	case bool:
		return toInt(x), nil
	case float64:
		return math.Abs(x), nil
	}
	return nil, fault("bad operand type for abs(): '%s'", typeName(v))
}

func filterRound(_ *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("round", "precision", "method")
	if err != nil {
		return nil, err
	}
	precision, err := needInt("round", p[0], 0)
	if err != nil {
		return nil, err
	}
	method, err := needString("round", or(p[1], "common"))
	if err != nil {
		return nil, err
	}
	f, whole, ok := number64(v)
	if !ok {
		return nil, fault("type %s doesn't define __round__ method", typeName(v))
	}
	precision = max(-300, min(300, precision))
	scale := math.Pow(10, float64(precision))
	switch method {
	case "common":
		if whole {
			if precision >= 0 {
				return toInt(v), nil
			}
			return int64(math.RoundToEven(f*scale) / scale), nil
		}
		if precision < 0 {
			return math.RoundToEven(f*scale) / scale, nil
		}
		r, err := strconv.ParseFloat(strconv.FormatFloat(f, 'f', precision, 64), 64)
		return r, err
	case "ceil":
		return math.Ceil(f*scale) / scale, nil
	case "floor":
		return math.Floor(f*scale) / scale, nil
	}
	return nil, fault("method must be common, ceil or floor")
}

func filterAttr(m *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("attr", "name")
	if err != nil {
		return nil, err
	}
	name, err := m.str(or(p[0], ""))
	if err != nil {
		return nil, err
	}
	// The filter looks at attributes only, never at entries.
	if d, ok := v.(*Dict); ok {
		if f := m.method(d, name); f != nil {
			return f, nil
		}
		return Undefined{"'dict object' has no attribute '" + name + "'"}, nil
	}
	return m.attribute(v, name)
}
