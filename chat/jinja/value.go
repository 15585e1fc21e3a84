package jinja

import (
	"math"
	"unicode/utf8"
)

// Value is a Python value as templates see it: nil (None), Undefined, bool, int64, BigInt, float64, string, *List,
// *Dict, *namespace, *loopState or *function.
type Value any

// Undefined is the result of looking up what is not there; it prints as nothing and fails when used further.
type Undefined struct{ why string }

// BigInt is an integer outside int64, in decimal: Python's are unbounded, and an identifier passed through must print as
// it came. Arithmetic on it is refused.
type BigInt string

// List is a Python list, or a tuple, which only prints differently.
type List struct {
	items []Value
	tuple bool
	names []string // of a tuple's items, where it has them
}

// Dict is a Python dict: keys in order of insertion. Keys are string, int64, float64, bool or nil; bool and whole
// floats are the same key as the integer they equal.
type Dict struct {
	keys   []Value
	values []Value
	index  map[any]int
}

// namespace is the object that namespace() makes: the one thing a template may assign into.
type namespace struct{ vars *Dict }

// function is anything callable: macros, globals, bound methods.
type function struct {
	name string
	call func(m *machine, a arguments) (Value, error)
}

// arguments of a call. Keyword arguments keep their order, which namespace(a=…, b=…) shows when printed.
type arguments struct {
	pos  []Value
	keys []string
	vals []Value
}

// NewList returns a list of items, which it keeps.
func NewList(items ...Value) *List { return &List{items: items} }

// Items returns the list's items, not a copy.
func (l *List) Items() []Value { return l.items }

// NewDict returns an empty dict with room for n entries.
func NewDict(n int) *Dict { return &Dict{index: make(map[any]int, n)} }

// none stands for None as a map key.
type none struct{}

// hash returns what key is filed under, false for what Python cannot hash.
func hash(key Value) (any, bool) {
	switch k := key.(type) {
	case nil:
		return none{}, true
	case bool:
		if k {
			return int64(1), true
		}
		return int64(0), true
	case float64:
		if k == math.Trunc(k) && math.Abs(k) < 1<<62 {
			return int64(k), true
		}
		return k, true
	case string, int64, BigInt:
		return k, true
	}
	return nil, false
}

// Len returns the number of entries.
func (d *Dict) Len() int { return len(d.keys) }

// Keys returns the keys in order, not a copy.
func (d *Dict) Keys() []Value { return d.keys }

// Get returns the value under key.
func (d *Dict) Get(key Value) (Value, bool) {
	h, ok := hash(key)
	if !ok {
		return nil, false
	}
	i, ok := d.index[h]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

// Set stores v under key and reports whether the key can be one.
func (d *Dict) Set(key, v Value) bool {
	h, ok := hash(key)
	if !ok {
		return false
	}
	if i, ok := d.index[h]; ok {
		d.values[i] = v
		return true
	}
	d.index[h] = len(d.keys)
	d.keys = append(d.keys, key)
	d.values = append(d.values, v)
	return true
}

// remove takes key out, in O(n): templates do it to small objects, if at all.
func (d *Dict) remove(key Value) (Value, bool) {
	h, ok := hash(key)
	if !ok {
		return nil, false
	}
	at, ok := d.index[h]
	if !ok {
		return nil, false
	}
	v := d.values[at]
	d.keys = append(d.keys[:at:at], d.keys[at+1:]...)
	d.values = append(d.values[:at:at], d.values[at+1:]...)
	delete(d.index, h)
	for h, i := range d.index {
		if i > at {
			d.index[h] = i - 1
		}
	}
	return v, true
}

func (d *Dict) copy() *Dict {
	c := NewDict(len(d.keys))
	for i, k := range d.keys {
		c.Set(k, d.values[i])
	}
	return c
}

// Truth is Python's bool(v).
func Truth(v Value) bool {
	switch v := v.(type) {
	case nil, Undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case *List:
		return len(v.items) > 0
	case *Dict:
		return v.Len() > 0
	}
	return true
}

// typeName is Python's name of v's type, for messages.
func typeName(v Value) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case Undefined:
		return "Undefined"
	case bool:
		return "bool"
	case int64, BigInt:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case *List:
		if v.tuple {
			return "tuple"
		}
		return "list"
	case *Dict:
		return "dict"
	case *namespace:
		return "Namespace"
	case *loopState:
		return "LoopContext"
	}
	return "function"
}

// items lists what iterating over v gives.
func (m *machine) items(v Value) ([]Value, error) {
	switch v := v.(type) {
	case Undefined:
		return nil, nil
	case *List:
		return v.items, m.step(len(v.items))
	case *Dict:
		return v.keys, m.step(v.Len())
	case string:
		n := utf8.RuneCountInString(v)
		if err := m.grow(16 * n); err != nil {
			return nil, err
		}
		out := make([]Value, 0, n)
		for i, w := 0, 0; i < len(v); i += w {
			_, w = utf8.DecodeRuneInString(v[i:])
			out = append(out, v[i:i+w])
		}
		return out, m.step(n)
	}
	return nil, fault("'%s' object is not iterable", typeName(v))
}
