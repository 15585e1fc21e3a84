package jinja

import (
	"math"
	"strings"
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
