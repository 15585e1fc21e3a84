package jinja

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// integer converts what Python takes for an index.
func integer(v Value) (int, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return int(max(math.MinInt32, min(math.MaxInt32, v))), true // no template's text is longer; the meter sees to it
	}
	return 0, false
}

// float converts a number; whole tells that it was an integer.
func number64(v Value) (f float64, whole, ok bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true, true
		}
		return 0, true, true
	case int64:
		return float64(v), true, true
	case float64:
		return v, false, true
	}
	return 0, false, false
}

func toInt(v Value) int64 {
	if b, ok := v.(bool); ok {
		if b {
			return 1
		}
		return 0
	}
	return v.(int64)
}

// binary is left op right for + - * / // % **, with Python's types: no number becomes text on its own.
func (m *machine) binary(op string, left, right Value) (Value, error) {
	for _, v := range []Value{left, right} {
		if u, ok := v.(Undefined); ok {
			return nil, fault("%s", u.why)
		}
	}
	if _, ok := left.(string); ok && op == "%" {
		return m.format(left.(string), right)
	}
	lf, lw, lok := number64(left)
	rf, rw, rok := number64(right)
	if lok && rok {
		if lw && rw && op != "/" {
			return wholeArithmetic(op, toInt(left), toInt(right))
		}
		return floatArithmetic(op, lf, rf)
	}
	switch l := left.(type) {
	case string:
		if r, ok := right.(string); ok && op == "+" {
			return l + r, m.grow(len(l) + len(r))
		}
		if n, ok := integer(right); ok && op == "*" {
			return m.repeat(l, n)
		}
	case *List:
		if r, ok := right.(*List); ok && op == "+" && l.tuple == r.tuple {
			if err := m.grow(16 * (len(l.items) + len(r.items))); err != nil {
				return nil, err
			}
			return &List{items: append(append([]Value{}, l.items...), r.items...), tuple: l.tuple}, nil
		}
		if n, ok := integer(right); ok && op == "*" {
			out := &List{tuple: l.tuple}
			if err := m.grow(16 * len(l.items) * max(n, 0)); err != nil {
				return nil, err
			}
			for range n {
				out.items = append(out.items, l.items...)
			}
			return out, nil
		}
	default:
		if lok && op == "*" {
			switch right.(type) {
			case string, *List:
				return m.binary(op, right, left)
			}
		}
	}
	return nil, fault("unsupported operand type(s) for %s: '%s' and '%s'", op, typeName(left), typeName(right))
}

func (m *machine) repeat(s string, n int) (Value, error) {
	if n <= 0 || s == "" {
		return "", nil
	}
	if n > math.MaxInt32/len(s) {
		return nil, m.grow(-1)
	}
	if err := m.grow(len(s) * n); err != nil {
		return nil, err
	}
	return strings.Repeat(s, n), nil
}

func wholeArithmetic(op string, a, b int64) (Value, error) {
	overflow := false
	var r int64
	switch op {
	case "+":
		r = a + b
		overflow = (a >= 0) == (b >= 0) && (r >= 0) != (a >= 0)
	case "-":
		r = a - b
		overflow = (a >= 0) != (b >= 0) && (r >= 0) != (a >= 0)
	case "*":
		r = a * b
		overflow = a != 0 && (r/a != b || a == -1 && b == math.MinInt64)
	case "//", "%":
		if b == 0 {
			return nil, fault("division by zero")
		}
		if a == math.MinInt64 && b == -1 {
			return nil, fault("integer out of range")
		}
		q, mod := a/b, a%b
		if mod != 0 && (mod < 0) != (b < 0) { // Python rounds down, Go towards zero
			q, mod = q-1, mod+b
		}
		if op == "//" {
			return q, nil
		}
		return mod, nil
	case "**":
		if b < 0 {
			return floatArithmetic(op, float64(a), float64(b))
		}
		f := math.Pow(float64(a), float64(b))
		if math.Abs(f) >= 1<<62 {
			return nil, fault("integer out of range")
		}
		r = 1
		if a == 0 || a == 1 || a == -1 {
			b = min(b, 2+b%2)
		}
		for range b {
			r *= a
		}
	}
	if overflow {
		return nil, fault("integer out of range")
	}
	return r, nil
}

func floatArithmetic(op string, a, b float64) (Value, error) {
	switch op {
	case "+":
		return a + b, nil
	case "-":
		return a - b, nil
	case "*":
		return a * b, nil
	case "**":
		return math.Pow(a, b), nil
	}
	if b == 0 {
		return nil, fault("division by zero")
	}
	switch op {
	case "/":
		return a / b, nil
	case "//":
		return math.Floor(a / b), nil
	}
	r := math.Mod(a, b)
	if r != 0 && (r < 0) != (b < 0) {
		r += b
	}
	return r, nil
}

// compare is left op right for the comparisons and for in.
func (m *machine) compare(op string, left, right Value) (bool, error) {
	switch op {
	case "==":
		return m.equal(left, right, 0)
	case "!=":
		same, err := m.equal(left, right, 0)
		return !same, err
	case "in":
		return m.contains(right, left)
	case "not in":
		found, err := m.contains(right, left)
		return !found, err
	}
	c, err := m.order(left, right, 0)
	if err != nil {
		return false, err
	}
	switch op {
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil
}

// equal is Python's ==. The depth bounds lists that contain themselves.
func (m *machine) equal(a, b Value, depth int) (bool, error) {
	if depth > maxDepth {
		return false, fault("values nest deeper than %d", maxDepth)
	}
	if err := m.step(1); err != nil {
		return false, err
	}
	af, _, aok := number64(a)
	bf, _, bok := number64(b)
	if aok && bok {
		if x, ok := a.(int64); ok {
			if y, ok := b.(int64); ok {
				return x == y, nil
			}
		}
		return af == bf, nil
	}
	switch x := a.(type) {
	case string:
		y, ok := b.(string)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		return x == y, m.scan(len(x))
	case Undefined:
		_, ok := b.(Undefined)
		return ok, nil
	case *List:
		y, ok := b.(*List)
		if !ok || x.tuple != y.tuple || len(x.items) != len(y.items) {
			return false, nil
		}
		for i := range x.items {
			if same, err := m.equal(x.items[i], y.items[i], depth+1); err != nil || !same {
				return false, err
			}
		}
		return true, nil
	case *Dict:
		y, ok := b.(*Dict)
		if !ok || x.Len() != y.Len() {
			return false, nil
		}
		for i, k := range x.keys {
			v, ok := y.Get(k)
			if !ok {
				return false, nil
			}
			if same, err := m.equal(x.values[i], v, depth+1); err != nil || !same {
				return false, err
			}
		}
		return true, nil
	}
	return a == b, nil
}

// order is Python's < as a three-way comparison, for the types that have an order.
func (m *machine) order(a, b Value, depth int) (int, error) {
	if depth > maxDepth {
		return 0, fault("values nest deeper than %d", maxDepth)
	}
	if err := m.step(1); err != nil {
		return 0, err
	}
	af, aw, aok := number64(a)
	bf, bw, bok := number64(b)
	if aok && bok {
		if aw && bw {
			return cmp.Compare(toInt(a), toInt(b)), nil
		}
		return cmp.Compare(af, bf), nil
	}
	switch x := a.(type) {
	case Undefined:
		return 0, fault("%s", x.why)
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), m.scan(len(x)) // UTF-8 keeps the order of code points
		}
	case *List:
		y, ok := b.(*List)
		if !ok || x.tuple != y.tuple {
			break
		}
		for i := 0; i < len(x.items) && i < len(y.items); i++ {
			same, err := m.equal(x.items[i], y.items[i], depth+1)
			if err != nil {
				return 0, err
			}
			if !same {
				return m.order(x.items[i], y.items[i], depth+1)
			}
		}
		return cmp.Compare(len(x.items), len(y.items)), nil
	}
	if u, ok := b.(Undefined); ok {
		return 0, fault("%s", u.why)
	}
	return 0, fault("'<' not supported between instances of '%s' and '%s'", typeName(a), typeName(b))
}

// contains is item in container.
func (m *machine) contains(container, item Value) (bool, error) {
	switch c := container.(type) {
	case string:
		s, ok := item.(string)
		if !ok {
			if u, ok := item.(Undefined); ok {
				return false, fault("%s", u.why)
			}
			return false, fault("'in <string>' requires string as left operand, not %s", typeName(item))
		}
		return strings.Contains(c, s), m.scan(len(c))
	case *Dict:
		if _, ok := hash(item); !ok {
			return false, fault("unhashable type: '%s'", typeName(item))
		}
		_, ok := c.Get(item)
		return ok, nil
	case Undefined:
		return false, nil
	case *List:
		for _, v := range c.items {
			if same, err := m.equal(v, item, 0); err != nil || same {
				return same, err
			}
		}
		return false, nil
	}
	return false, fault("argument of type '%s' is not iterable", typeName(container))
}

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
