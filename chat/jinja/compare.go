package jinja

import (
	"cmp"
	"strings"
)

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
