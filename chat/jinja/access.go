package jinja

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// item is v[key]: the entry, else the attribute of that name, else undefined.
func (m *machine) item(v, key Value) (Value, error) {
	if err := m.step(1); err != nil {
		return nil, err
	}
	switch o := v.(type) {
	case Undefined:
		return nil, fault("%s", o.why)
	case *Dict:
		if x, ok := o.Get(key); ok {
			return x, nil
		}
	case *List:
		if i, ok := integer(key); ok {
			if i < 0 {
				i += len(o.items)
			}
			if i >= 0 && i < len(o.items) {
				return o.items[i], nil
			}
		}
	case string:
		if i, ok := integer(key); ok {
			if err := m.scan(len(o)); err != nil {
				return nil, err
			}
			n := utf8.RuneCountInString(o)
			if i < 0 {
				i += n
			}
			if i >= 0 && i < n {
				return o[runeOffset(o, i):runeOffset(o, i+1)], nil
			}
		}
	}
	if name, ok := key.(string); ok {
		if f := m.method(v, name); f != nil {
			return f, nil
		}
		return Undefined{"'" + typeName(v) + " object' has no attribute '" + name + "'"}, nil
	}
	if key == nil {
		return Undefined{"'" + typeName(v) + " object' has no element None"}, nil
	}
	return Undefined{"'" + typeName(v) + " object' has no such element"}, nil
}

// runeOffset returns the byte offset of the n-th character of s.
func runeOffset(s string, n int) int {
	i := 0
	for ; n > 0 && i < len(s); n-- {
		_, w := utf8.DecodeRuneInString(s[i:])
		i += w
	}
	return i
}

// attribute is v.name: a method first, else the entry, else undefined. The order matters: schema.items is a method even
// where the object has a key "items".
func (m *machine) attribute(v Value, name string) (Value, error) {
	switch o := v.(type) {
	case Undefined:
		return nil, fault("%s", o.why)
	case *namespace:
		if x, ok := o.vars.Get(name); ok {
			return x, nil
		}
	case *loopState:
		if x, ok := o.attribute(name); ok {
			return x, nil
		}
	default:
		if f := m.method(v, name); f != nil {
			return f, nil
		}
		if l, ok := v.(*List); ok {
			if i := slices.Index(l.names, name); i >= 0 {
				return l.items[i], nil
			}
		}
	}
	if d, ok := v.(*Dict); ok {
		if x, ok := d.Get(name); ok {
			return x, nil
		}
	}
	return Undefined{"'" + typeName(v) + " object' has no attribute '" + name + "'"}, nil
}

// slice is v[start:stop:step], nil for what is left out.
func (m *machine) slice(v Value, start, stop, step *int) (Value, error) {
	by := 1
	if step != nil {
		by = *step
	}
	if by == 0 {
		return nil, fault("slice step cannot be zero")
	}
	switch o := v.(type) {
	case Undefined:
		return nil, fault("%s", o.why)
	case string:
		if err := m.scan(len(o)); err != nil {
			return nil, err
		}
		n := utf8.RuneCountInString(o)
		lo, hi := sliceBounds(n, start, stop, by)
		if by == 1 {
			if lo >= hi {
				return "", nil
			}
			a := runeOffset(o, lo)
			return o[a : a+runeOffset(o[a:], hi-lo)], nil
		}
		if err := m.grow(5 * len(o)); err != nil {
			return nil, err
		}
		runes := []rune(o)
		var b strings.Builder
		for i := lo; (by > 0 && i < hi) || (by < 0 && i > hi); i += by {
			b.WriteRune(runes[i])
		}
		return b.String(), nil
	case *List:
		lo, hi := sliceBounds(len(o.items), start, stop, by)
		out := &List{tuple: o.tuple}
		for i := lo; (by > 0 && i < hi) || (by < 0 && i > hi); i += by {
			out.items = append(out.items, o.items[i])
		}
		return out, m.grow(16 * len(out.items))
	}
	return nil, fault("'%s' object is not subscriptable", typeName(v))
}

// sliceBounds resolves negative and missing bounds for n items.
func sliceBounds(n int, start, stop *int, by int) (lo, hi int) {
	clip := func(p *int, def, low, high int) int {
		if p == nil {
			return def
		}
		i := *p
		if i < 0 {
			i += n
		}
		return max(low, min(high, i))
	}
	if by > 0 {
		return clip(start, 0, 0, n), clip(stop, n, 0, n)
	}
	return clip(start, n-1, -1, n-1), clip(stop, -1, -1, n-1)
}
