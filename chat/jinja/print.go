package jinja

import (
	"strconv"
	"strings"
)

// print writes str(v).
func (m *machine) print(b *strings.Builder, v Value) error {
	switch v := v.(type) {
	case string:
		if err := m.grow(len(v)); err != nil {
			return err
		}
		b.WriteString(v)
		return nil
	case Undefined:
		return nil
	}
	return m.repr(b, v, 0)
}

// str is Python's str(v).
func (m *machine) str(v Value) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	var b strings.Builder
	err := m.print(&b, v)
	return b.String(), err
}

// repr writes Python's repr(v).
func (m *machine) repr(b *strings.Builder, v Value, depth int) error {
	if depth > maxDepth {
		return fault("values nest deeper than %d", maxDepth)
	}
	if err := m.step(1); err != nil {
		return err
	}
	var s string
	switch v := v.(type) {
	case nil:
		s = "None"
	case Undefined:
		s = "Undefined"
	case bool:
		s = "False"
		if v {
			s = "True"
		}
	case int64:
		s = strconv.FormatInt(v, 10)
	case BigInt:
		s = string(v)
	case float64:
		s = floatText(v)
	case string:
		if err := m.grow(2 * len(v)); err != nil {
			return err
		}
		b.WriteString(reprText(v))
		return nil
	case *List:
		return m.reprList(b, v, depth)
	case *Dict:
		return m.reprDict(b, v, depth)
	case *namespace:
		b.WriteString("<Namespace ")
		if err := m.reprDict(b, v.vars, depth); err != nil {
			return err
		}
		s = ">"
	case *loopState:
		s = "<LoopContext " + strconv.Itoa(v.at+1) + "/" + strconv.Itoa(len(v.items)) + ">"
	case *function:
		s = "<function " + v.name + ">"
	}
	if err := m.grow(len(s)); err != nil {
		return err
	}
	b.WriteString(s)
	return nil
}

func (m *machine) reprList(b *strings.Builder, l *List, depth int) error {
	open, end := "[", "]"
	if l.tuple {
		open, end = "(", ")"
		if len(l.items) == 1 {
			end = ",)"
		}
	}
	b.WriteString(open)
	for i, v := range l.items {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := m.repr(b, v, depth+1); err != nil {
			return err
		}
	}
	b.WriteString(end)
	return m.grow(2 + 2*len(l.items))
}

func (m *machine) reprDict(b *strings.Builder, d *Dict, depth int) error {
	b.WriteByte('{')
	for i, k := range d.keys {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := m.repr(b, k, depth+1); err != nil {
			return err
		}
		b.WriteString(": ")
		if err := m.repr(b, d.values[i], depth+1); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return m.grow(2 + 4*d.Len())
}
