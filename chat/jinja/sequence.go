package jinja

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Filters over sequences.

func filterLength(m *machine, v Value, _ arguments) (Value, error) {
	switch x := v.(type) {
	case Undefined:
		return int64(0), nil
	case string:
		return int64(utf8.RuneCountInString(x)), m.scan(len(x))
	case *List:
		return int64(len(x.items)), nil
	case *Dict:
		return int64(x.Len()), nil
	case *loopState:
		return int64(len(x.items)), nil
	}
	return nil, fault("object of type '%s' has no len()", typeName(v))
}

func filterFirst(m *machine, v Value, _ arguments) (Value, error) {
	items, err := m.items(v)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return Undefined{"No first item, sequence was empty."}, nil
	}
	return items[0], nil
}

func filterLast(m *machine, v Value, _ arguments) (Value, error) {
	items, err := m.items(v)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return Undefined{"No last item, sequence was empty."}, nil
	}
	return items[len(items)-1], nil
}

// fresh copies what iterating over v gives, so that the result can be changed without changing v.
func (m *machine) fresh(v Value) ([]Value, error) {
	items, err := m.items(v)
	if err != nil {
		return nil, err
	}
	return append([]Value(nil), items...), m.grow(16 * len(items))
}

func filterList(m *machine, v Value, _ arguments) (Value, error) {
	items, err := m.fresh(v)
	return &List{items: items}, err
}

func filterReverse(m *machine, v Value, _ arguments) (Value, error) {
	items, err := m.fresh(v)
	if err != nil {
		return nil, err
	}
	slices.Reverse(items)
	if _, ok := v.(string); ok {
		var b strings.Builder
		for _, c := range items {
			b.WriteString(c.(string))
		}
		return b.String(), nil
	}
	return &List{items: items}, nil
}

func filterJoin(m *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("join", "d", "attribute")
	if err != nil {
		return nil, err
	}
	sep, err := m.str(or(p[0], ""))
	if err != nil {
		return nil, err
	}
	items, err := m.items(v)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for i, item := range items {
		if given(p[1]) {
			if item, err = m.path(item, p[1], nil); err != nil {
				return nil, err
			}
		}
		if i > 0 {
			if err := m.print(&b, sep); err != nil {
				return nil, err
			}
		}
		if err := m.print(&b, item); err != nil {
			return nil, err
		}
	}
	return b.String(), nil
}

// path follows an attribute given as "a.b.0" or as an index; entries are looked up before methods.
func (m *machine) path(v, attr, def Value) (Value, error) {
	var steps []Value
	switch x := attr.(type) {
	case string:
		for part := range strings.SplitSeq(x, ".") {
			if n, err := strconv.ParseInt(part, 10, 64); err == nil && n >= 0 {
				steps = append(steps, n)
			} else {
				steps = append(steps, part)
			}
		}
	default:
		steps = []Value{attr}
	}
	for _, s := range steps {
		var err error
		if v, err = m.item(v, s); err != nil {
			return nil, err
		}
		if _, no := v.(Undefined); no && def != nil {
			v = def
		}
	}
	return v, nil
}

func filterItems(m *machine, v Value, a arguments) (Value, error) {
	switch x := v.(type) {
	case Undefined:
		return &List{}, nil
	case *Dict:
		return dictItems(m, x, a)
	}
	return nil, fault("Can only get item pairs from a mapping.")
}

func filterSum(m *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("sum", "attribute", "start")
	if err != nil {
		return nil, err
	}
	items, err := m.items(v)
	if err != nil {
		return nil, err
	}
	total := or(p[1], int64(0))
	for _, item := range items {
		if given(p[0]) {
			if item, err = m.path(item, p[0], nil); err != nil {
				return nil, err
			}
		}
		if total, err = m.binary("+", total, item); err != nil {
			return nil, err
		}
	}
	return total, nil
}

func filterMap(m *machine, v Value, a arguments) (Value, error) {
	items, err := m.items(v)
	if err != nil {
		return nil, err
	}
	out := &List{items: make([]Value, len(items))}
	if len(a.pos) == 0 {
		p, err := a.bind("map", "attribute", "default")
		if err != nil {
			return nil, err
		}
		if !given(p[0]) {
			return nil, fault("map requires a filter argument")
		}
		for i, item := range items {
			if out.items[i], err = m.path(item, p[0], or(p[1], nil)); err != nil {
				return nil, err
			}
		}
		return out, m.grow(16 * len(items))
	}
	name, err := needString("map", a.pos[0])
	if err != nil {
		return nil, err
	}
	rest := arguments{pos: a.pos[1:], keys: a.keys, vals: a.vals}
	for i, item := range items {
		if out.items[i], err = m.apply(name, item, rest); err != nil {
			return nil, err
		}
	}
	return out, m.grow(16 * len(items))
}

// chooser makes select, reject and their attribute forms.
func chooser(keep, attr bool) filterFunc {
	return func(m *machine, v Value, a arguments) (Value, error) {
		items, err := m.items(v)
		if err != nil {
			return nil, err
		}
		rest := a.pos
		var name Value
		if attr {
			if len(rest) == 0 {
				return nil, fault("missing parameter for attribute name")
			}
			name, rest = rest[0], rest[1:]
		}
		test := ""
		if len(rest) > 0 {
			if test, err = needString("select", rest[0]); err != nil {
				return nil, err
			}
			rest = rest[1:]
		}
		out := &List{}
		for _, item := range items {
			x := item
			if attr {
				if x, err = m.path(item, name, nil); err != nil {
					return nil, err
				}
			}
			ok := Truth(x)
			if test != "" {
				if ok, err = m.check(test, x, arguments{pos: rest, keys: a.keys, vals: a.vals}); err != nil {
					return nil, err
				}
			}
			if ok == keep {
				out.items = append(out.items, item)
			}
		}
		return out, m.grow(16 * len(out.items))
	}
}

func filterBatch(m *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("batch", "linecount", "fill_with")
	if err != nil {
		return nil, err
	}
	n, err := needInt("batch", p[0], 0)
	if err != nil {
		return nil, err
	}
	items, err := m.items(v)
	if err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, fault("batch() needs a positive count")
	}
	out := &List{}
	for i := 0; i < len(items); i += n {
		row := append([]Value(nil), items[i:min(i+n, len(items))]...)
		if given(p[1]) {
			if err := m.grow(16 * (n - len(row))); err != nil {
				return nil, err
			}
			for len(row) < n {
				row = append(row, p[1])
			}
		}
		out.items = append(out.items, &List{items: row})
	}
	return out, m.grow(16*len(items) + 48*len(out.items))
}

func filterSlice(m *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("slice", "slices", "fill_with")
	if err != nil {
		return nil, err
	}
	n, err := needInt("slice", p[0], 0)
	if err != nil {
		return nil, err
	}
	items, err := m.items(v)
	if err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, fault("slice() needs a positive count")
	}
	if err := m.grow(64 * n); err != nil {
		return nil, err
	}
	out := &List{}
	size, extra, at := len(items)/n, len(items)%n, 0
	for i := range n {
		end := at + size
		if i < extra {
			end++
		}
		row := append([]Value(nil), items[at:end]...)
		if given(p[1]) && i >= extra && extra > 0 {
			row = append(row, p[1])
		}
		at = end
		out.items = append(out.items, &List{items: row})
	}
	return out, m.grow(16 * len(items))
}
