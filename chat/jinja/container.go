package jinja

// Methods of dicts and lists. Unlike Jinja's immutable sandbox they include those that change the object, because
// templates written against other engines use append; all values belong to one rendering, so nothing leaks.

var dictMethods = map[string]func(m *machine, d *Dict, a arguments) (Value, error){
	"items":      dictItems,
	"keys":       func(m *machine, d *Dict, a arguments) (Value, error) { return m.view("keys", d.keys, a) },
	"values":     func(m *machine, d *Dict, a arguments) (Value, error) { return m.view("values", d.values, a) },
	"get":        dictGet,
	"pop":        dictPop,
	"setdefault": dictSetDefault,
	"update":     dictUpdate,
	"copy": func(m *machine, d *Dict, a arguments) (Value, error) {
		return d.copy(), m.grow(64 * d.Len())
	},
}

var listMethods = map[string]func(m *machine, l *List, a arguments) (Value, error){
	"append": listAppend,
	"extend": listExtend,
	"insert": listInsert,
	"pop":    listPop,
	"index":  listIndex,
	"count":  listCount,
	"copy": func(m *machine, l *List, a arguments) (Value, error) {
		return m.view("copy", l.items, a)
	},
}

// view copies values into a list.
func (m *machine) view(name string, values []Value, a arguments) (Value, error) {
	if _, err := a.bind(name); err != nil {
		return nil, err
	}
	if err := m.grow(16 * len(values)); err != nil {
		return nil, err
	}
	return &List{items: append([]Value(nil), values...)}, nil
}

func dictItems(m *machine, d *Dict, a arguments) (Value, error) {
	if _, err := a.bind("items"); err != nil {
		return nil, err
	}
	if err := m.grow(80 * d.Len()); err != nil {
		return nil, err
	}
	out := &List{items: make([]Value, d.Len())}
	for i, k := range d.keys {
		out.items[i] = &List{items: []Value{k, d.values[i]}, tuple: true}
	}
	return out, m.step(d.Len())
}

// lookup finds the entry for a method that takes a key and a default.
func (d *Dict) lookup(name string, a arguments) (p []Value, v Value, found bool, err error) {
	if p, err = a.bind(name, "key", "default"); err != nil {
		return nil, nil, false, err
	}
	if _, ok := hash(p[0]); !ok {
		return nil, nil, false, fault("unhashable type: '%s'", typeName(p[0]))
	}
	v, found = d.Get(p[0])
	return p, v, found, nil
}

func dictGet(_ *machine, d *Dict, a arguments) (Value, error) {
	p, v, found, err := d.lookup("get", a)
	if err != nil || found {
		return v, err
	}
	return or(p[1], nil), nil
}

func dictPop(m *machine, d *Dict, a arguments) (Value, error) {
	p, v, found, err := d.lookup("pop", a)
	if err != nil {
		return nil, err
	}
	if found {
		d.remove(p[0])
		return v, m.step(d.Len())
	}
	if _, no := p[1].(missing); no {
		return nil, fault("pop(): no such key")
	}
	return p[1], nil
}

func dictSetDefault(m *machine, d *Dict, a arguments) (Value, error) {
	p, v, found, err := d.lookup("setdefault", a)
	if err != nil || found {
		return v, err
	}
	v = or(p[1], nil)
	d.Set(p[0], v)
	return v, m.grow(64)
}

func dictUpdate(m *machine, d *Dict, a arguments) (Value, error) {
	from, err := globalDict(m, a)
	if err != nil {
		return nil, err
	}
	o := from.(*Dict)
	for i, k := range o.keys {
		d.Set(k, o.values[i])
	}
	return nil, m.grow(64 * o.Len())
}

func listAppend(m *machine, l *List, a arguments) (Value, error) {
	if len(a.pos) != 1 || len(a.keys) > 0 {
		return nil, fault("append() takes one argument")
	}
	l.items = append(l.items, a.pos[0])
	return nil, m.grow(32)
}

func listExtend(m *machine, l *List, a arguments) (Value, error) {
	p, err := a.bind("extend", "iterable")
	if err != nil {
		return nil, err
	}
	items, err := m.items(or(p[0], nil))
	if err != nil {
		return nil, err
	}
	l.items = append(l.items, items...)
	return nil, m.grow(32 * len(items))
}

func listInsert(m *machine, l *List, a arguments) (Value, error) {
	if len(a.pos) != 2 || len(a.keys) > 0 {
		return nil, fault("insert() takes two arguments")
	}
	i, err := needInt("insert", a.pos[0], 0)
	if err != nil {
		return nil, err
	}
	lo, _ := sliceBounds(len(l.items), &i, nil, 1)
	items := append([]Value(nil), l.items[:lo]...)
	l.items = append(append(items, a.pos[1]), l.items[lo:]...)
	return nil, m.grow(16 * len(l.items))
}

func listPop(m *machine, l *List, a arguments) (Value, error) {
	p, err := a.bind("pop", "index")
	if err != nil {
		return nil, err
	}
	i, err := needInt("pop", p[0], -1)
	if err != nil {
		return nil, err
	}
	if i < 0 {
		i += len(l.items)
	}
	if i < 0 || i >= len(l.items) {
		return nil, fault("pop index out of range")
	}
	v := l.items[i]
	items := append([]Value(nil), l.items[:i]...)
	l.items = append(items, l.items[i+1:]...)
	return v, m.grow(16 * len(l.items))
}

func listIndex(m *machine, l *List, a arguments) (Value, error) {
	if len(a.pos) != 1 {
		return nil, fault("index() takes one argument")
	}
	for i, v := range l.items {
		if same, err := m.equal(v, a.pos[0], 0); err != nil || same {
			return int64(i), err
		}
	}
	return nil, fault("value is not in list")
}

func listCount(m *machine, l *List, a arguments) (Value, error) {
	if len(a.pos) != 1 {
		return nil, fault("count() takes one argument")
	}
	n := int64(0)
	for _, v := range l.items {
		same, err := m.equal(v, a.pos[0], 0)
		if err != nil {
			return nil, err
		}
		if same {
			n++
		}
	}
	return n, nil
}
