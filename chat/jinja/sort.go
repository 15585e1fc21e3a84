package jinja

import (
	"slices"
	"strings"
)

// Filters that compare items: sort, dictsort, unique, groupby, min, max.

// sortKey is what sorting, grouping and comparing filters look at: an attribute, without case unless asked.
func (m *machine) sortKey(v, attr Value, cased bool) (Value, error) {
	if given(attr) {
		var err error
		if v, err = m.path(v, attr, nil); err != nil {
			return nil, err
		}
	}
	if s, ok := v.(string); ok && !cased {
		return lower(s), m.grow(len(s))
	}
	return v, nil
}

// keyed pairs every item with its key.
type keyed struct{ key, item Value }

func (m *machine) keyed(items []Value, attr Value, cased bool) ([]keyed, error) {
	out := make([]keyed, len(items))
	for i, item := range items {
		k, err := m.sortKey(item, attr, cased)
		if err != nil {
			return nil, err
		}
		out[i] = keyed{k, item}
	}
	return out, m.grow(32 * len(items))
}

func (m *machine) sortKeyed(items []keyed, reverse bool) error {
	var fail error
	slices.SortStableFunc(items, func(a, b keyed) int {
		if fail != nil {
			return 0
		}
		c, err := m.order(a.key, b.key, 0)
		if err != nil {
			fail = err
		}
		if reverse {
			return -c
		}
		return c
	})
	return fail
}

func filterSort(m *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("sort", "reverse", "case_sensitive", "attribute")
	if err != nil {
		return nil, err
	}
	items, err := m.items(v)
	if err != nil {
		return nil, err
	}
	var attrs []Value
	if s, ok := p[2].(string); ok {
		for part := range strings.SplitSeq(s, ",") {
			attrs = append(attrs, part)
		}
	} else {
		attrs = []Value{p[2]}
	}
	// Sorting by the last attribute first, stably, orders by all of them.
	for _, attr := range slices.Backward(attrs) {
		pairs, err := m.keyed(items, attr, Truth(or(p[1], false)))
		if err == nil {
			err = m.sortKeyed(pairs, Truth(or(p[0], false)))
		}
		if err != nil {
			return nil, err
		}
		items = make([]Value, len(pairs))
		for i, pair := range pairs {
			items[i] = pair.item
		}
	}
	return &List{items: items}, m.grow(16 * len(items))
}

func filterDictSort(m *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("dictsort", "case_sensitive", "by", "reverse")
	if err != nil {
		return nil, err
	}
	d, ok := v.(*Dict)
	if !ok {
		return nil, fault("dictsort needs a mapping, not '%s'", typeName(v))
	}
	at := 0
	switch or(p[1], "key") {
	case Value("key"):
	case Value("value"):
		at = 1
	default:
		return nil, fault(`You can only sort by either "key" or "value"`)
	}
	pairs, err := dictItems(m, d, arguments{})
	if err != nil {
		return nil, err
	}
	out := pairs.(*List)
	keys, err := m.keyed(out.items, int64(at), Truth(or(p[0], false)))
	if err == nil {
		err = m.sortKeyed(keys, Truth(or(p[2], false)))
	}
	if err != nil {
		return nil, err
	}
	for i, pair := range keys {
		out.items[i] = pair.item
	}
	return out, nil
}

func filterUnique(m *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("unique", "case_sensitive", "attribute")
	if err != nil {
		return nil, err
	}
	items, err := m.items(v)
	if err != nil {
		return nil, err
	}
	pairs, err := m.keyed(items, p[1], Truth(or(p[0], false)))
	if err != nil {
		return nil, err
	}
	seen := NewDict(0)
	out := &List{}
	for _, pair := range pairs {
		if _, ok := seen.Get(pair.key); ok {
			continue
		}
		if !seen.Set(pair.key, nil) {
			return nil, fault("unhashable type: '%s'", typeName(pair.key))
		}
		out.items = append(out.items, pair.item)
	}
	return out, m.grow(96 * len(out.items))
}

func filterGroupBy(m *machine, v Value, a arguments) (Value, error) {
	p, err := a.bind("groupby", "attribute", "default", "case_sensitive")
	if err != nil {
		return nil, err
	}
	if !given(p[0]) {
		return nil, fault("groupby() needs an attribute")
	}
	items, err := m.items(v)
	if err != nil {
		return nil, err
	}
	pairs := make([]keyed, len(items))
	shown := make([]keyed, 0, len(items))
	for i, item := range items {
		k, err := m.path(item, p[0], or(p[1], nil))
		if err != nil {
			return nil, err
		}
		pairs[i] = keyed{k, item}
		if s, ok := k.(string); ok && !Truth(or(p[2], false)) {
			pairs[i].key = lower(s)
		}
	}
	if err := m.sortKeyed(pairs, false); err != nil {
		return nil, err
	}
	out := &List{}
	for i, pair := range pairs {
		if i > 0 {
			same, err := m.equal(pairs[i-1].key, pair.key, 0)
			if err != nil {
				return nil, err
			}
			if same {
				group := out.items[len(out.items)-1].(*List).items[1].(*List)
				group.items = append(group.items, pair.item)
				continue
			}
		}
		name, err := m.path(pair.item, p[0], or(p[1], nil))
		if err != nil {
			return nil, err
		}
		shown = append(shown, keyed{name, nil})
		out.items = append(out.items, &List{items: []Value{name, &List{items: []Value{pair.item}}}, tuple: true, names: []string{"grouper", "list"}})
	}
	return out, m.grow(64*len(shown) + 32*len(items))
}

// extreme makes min (-1) and max (1).
func extreme(name string, sign int) filterFunc {
	return func(m *machine, v Value, a arguments) (Value, error) {
		p, err := a.bind(name, "case_sensitive", "attribute")
		if err != nil {
			return nil, err
		}
		items, err := m.items(v)
		if err != nil {
			return nil, err
		}
		if len(items) == 0 {
			return Undefined{"No aggregated item, sequence was empty."}, nil
		}
		pairs, err := m.keyed(items, p[1], Truth(or(p[0], false)))
		if err != nil {
			return nil, err
		}
		best := pairs[0]
		for _, pair := range pairs[1:] {
			c, err := m.order(pair.key, best.key, 0)
			if err != nil {
				return nil, err
			}
			if c*sign > 0 {
				best = pair
			}
		}
		return best.item, nil
	}
}
