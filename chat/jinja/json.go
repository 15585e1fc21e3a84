package jinja

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Decode reads one JSON value as Python's json.loads does: keys in order, whole numbers apart from others.
func Decode(data []byte) (Value, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		if err == io.EOF {
			return nil, fault("empty JSON value")
		}
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fault("more than one JSON value")
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (Value, error) {
	if depth > maxDepth {
		return nil, fault("JSON nests deeper than %d", maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case bool, string:
		return t, nil
	case json.Number:
		return decodeNumber(string(t))
	case json.Delim:
		if t == '[' {
			l := &List{}
			for d.More() {
				v, err := decodeValue(d, depth+1)
				if err != nil {
					return nil, err
				}
				l.items = append(l.items, v)
			}
			_, err := d.Token()
			return l, err
		}
		o := NewDict(0)
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			o.Set(k, v)
		}
		_, err := d.Token()
		return o, err
	}
	return nil, nil
}

func decodeNumber(s string) (Value, error) {
	if !strings.ContainsAny(s, ".eE") {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, nil
		}
		return BigInt(s), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return nil, fault("number %s", s)
	}
	return f, nil
}

// jsonStyle is how tojson lays out its text.
type jsonStyle struct {
	indent    string // of one level
	lines     bool
	item, key string // separators
	sort      bool
	ascii     bool
}

// encodeJSON writes v as Python's json.dumps(v, ensure_ascii=False, …) does: no HTML escapes, a space after the separators
// on one line.
func (m *machine) encodeJSON(b *strings.Builder, v Value, style *jsonStyle, depth int) error {
	if depth > maxDepth {
		return fault("values nest deeper than %d", maxDepth)
	}
	if err := m.step(1); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case float64:
		switch {
		case math.IsNaN(v):
			b.WriteString("NaN")
		case math.IsInf(v, 1):
			b.WriteString("Infinity")
		case math.IsInf(v, -1):
			b.WriteString("-Infinity")
		default:
			b.WriteString(floatText(v))
		}
	case string:
		if err := m.grow(2 * len(v)); err != nil {
			return err
		}
		writeJSONString(b, v, style.ascii)
	case int64, BigInt:
		return m.repr(b, v, depth)
	case *List:
		return m.encodeEach(b, '[', ']', len(v.items), style, depth, func(i int) error {
			return m.encodeJSON(b, v.items[i], style, depth+1)
		})
	case *Dict:
		order, err := m.keyOrder(v, style.sort)
		if err != nil {
			return err
		}
		return m.encodeEach(b, '{', '}', len(order), style, depth, func(i int) error {
			k, ok := jsonKey(v.keys[order[i]])
			if !ok {
				return fault("keys must be str, int, float, bool or None, not %s", typeName(v.keys[order[i]]))
			}
			if err := m.grow(2 * len(k)); err != nil {
				return err
			}
			writeJSONString(b, k, style.ascii)
			b.WriteString(style.key)
			return m.encodeJSON(b, v.values[order[i]], style, depth+1)
		})
	default:
		return fault("Object of type %s is not JSON serializable", typeName(v))
	}
	return m.grow(8)
}

// encodeEach writes n elements between brackets.
func (m *machine) encodeEach(b *strings.Builder, open, end byte, n int, style *jsonStyle, depth int, one func(int) error) error {
	b.WriteByte(open)
	for i := range n {
		if i > 0 {
			b.WriteString(style.item)
		}
		if err := m.newline(b, style, depth+1); err != nil {
			return err
		}
		if err := one(i); err != nil {
			return err
		}
	}
	if n > 0 {
		if err := m.newline(b, style, depth); err != nil {
			return err
		}
	}
	b.WriteByte(end)
	return m.grow(2 + n*(len(style.item)+len(style.key)))
}

func (m *machine) newline(b *strings.Builder, style *jsonStyle, depth int) error {
	if !style.lines {
		return nil
	}
	if err := m.grow(1 + depth*len(style.indent)); err != nil {
		return err
	}
	b.WriteByte('\n')
	for range depth {
		b.WriteString(style.indent)
	}
	return nil
}

// keyOrder returns the order in which d's entries are written.
func (m *machine) keyOrder(d *Dict, sorted bool) ([]int, error) {
	order := make([]int, d.Len())
	for i := range order {
		order[i] = i
	}
	if !sorted {
		return order, nil
	}
	var fail error
	slices.SortStableFunc(order, func(i, j int) int {
		c, err := m.order(d.keys[i], d.keys[j], 0)
		if err != nil {
			fail = err
		}
		return c
	})
	return order, fail
}

func jsonKey(k Value) (string, bool) {
	switch k := k.(type) {
	case string:
		return k, true
	case nil:
		return "null", true
	case bool:
		return strconv.FormatBool(k), true
	case int64:
		return strconv.FormatInt(k, 10), true
	case BigInt:
		return string(k), true
	case float64:
		return floatText(k), true
	}
	return "", false
}

func writeJSONString(b *strings.Builder, s string, ascii bool) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r < 0x20:
			b.WriteString(`\u` + hex(r, 4))
		case ascii && r >= 0x10000:
			r -= 0x10000
			b.WriteString(`\u` + hex(0xd800+r>>10, 4) + `\u` + hex(0xdc00+r&0x3ff, 4))
		case ascii && r > 0x7e:
			b.WriteString(`\u` + hex(r, 4))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}
