package jinja

import (
	"strings"
	"time"
)

// expr is an expression of a template.
type expr interface {
	eval(m *machine, s *scope) (Value, error)
}

// machine is one rendering.
type machine struct {
	*meter
	now    time.Time
	filter map[string]filterFunc // in the machine, not a global: filters call filters
}

// scope holds the names set in one block; blocks see the names of those around them.
type scope struct {
	vars map[string]Value
	up   *scope
}

func (s *scope) look(name string) (Value, bool) {
	for ; s != nil; s = s.up {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

func (s *scope) put(name string, v Value) {
	if s.vars == nil {
		s.vars = make(map[string]Value, 4)
	}
	s.vars[name] = v
}

type (
	literal  struct{ v Value }
	nameExpr string
	signExpr struct {
		of    expr
		minus bool
	}
	notExpr   struct{ of expr }
	logicExpr struct {
		left, right expr
		or          bool
	}
	condExpr    struct{ yes, test, no expr }
	compareExpr struct {
		first expr
		ops   []string
		rest  []expr
	}
	binaryExpr struct {
		op          string
		left, right expr
	}
	concatExpr struct{ parts []expr }
	listExpr   struct {
		items []expr
		tuple bool
	}
	dictExpr struct{ keys, values []expr }
	attrExpr struct {
		of   expr
		name string
	}
	itemExpr  struct{ of, key expr }
	sliceExpr struct {
		of    expr
		parts [3]expr // start, stop, step; nil when left out
	}
	callExpr struct {
		fn   expr
		args callArgs
	}
	filterExpr struct {
		of   expr
		name string
		args callArgs
	}
	testExpr struct {
		of   expr
		name string
		args callArgs
	}
	blockText struct{} // the text of the block that a filter chain applies to

	callArgs struct {
		pos            []expr
		keys           []string
		vals           []expr
		star, starstar expr
	}
)

// blockName is where a block's text lies while its filters run; no template can spell it.
const blockName = "\x00block"

func (e literal) eval(m *machine, _ *scope) (Value, error) { return e.v, m.step(1) }

func (e blockText) eval(m *machine, s *scope) (Value, error) {
	v, _ := s.look(blockName)
	return v, nil
}

func (e nameExpr) eval(m *machine, s *scope) (Value, error) {
	if v, ok := s.look(string(e)); ok {
		return v, m.step(1)
	}
	if v, ok := globals[string(e)]; ok {
		return v, m.step(1)
	}
	return Undefined{"'" + string(e) + "' is undefined"}, m.step(1)
}

func (e *signExpr) eval(m *machine, s *scope) (Value, error) {
	v, err := e.of.eval(m, s)
	if err != nil {
		return nil, err
	}
	if e.minus {
		return m.binary("-", int64(0), v)
	}
	return m.binary("+", int64(0), v)
}

func (e *notExpr) eval(m *machine, s *scope) (Value, error) {
	v, err := e.of.eval(m, s)
	return !Truth(v), err
}

func (e *logicExpr) eval(m *machine, s *scope) (Value, error) {
	v, err := e.left.eval(m, s)
	if err != nil || Truth(v) == e.or {
		return v, err
	}
	return e.right.eval(m, s)
}

func (e *condExpr) eval(m *machine, s *scope) (Value, error) {
	v, err := e.test.eval(m, s)
	switch {
	case err != nil:
		return nil, err
	case Truth(v):
		return e.yes.eval(m, s)
	case e.no == nil:
		return Undefined{"the inline if-expression evaluated to false and no else section was defined"}, nil
	}
	return e.no.eval(m, s)
}

func (e *compareExpr) eval(m *machine, s *scope) (Value, error) {
	left, err := e.first.eval(m, s)
	if err != nil {
		return nil, err
	}
	for i, op := range e.ops {
		right, err := e.rest[i].eval(m, s)
		if err != nil {
			return nil, err
		}
		ok, err := m.compare(op, left, right)
		if err != nil || !ok {
			return false, err
		}
		left = right
	}
	return true, nil
}

func (e *binaryExpr) eval(m *machine, s *scope) (Value, error) {
	left, err := e.left.eval(m, s)
	if err != nil {
		return nil, err
	}
	right, err := e.right.eval(m, s)
	if err != nil {
		return nil, err
	}
	if err := m.step(1); err != nil {
		return nil, err
	}
	return m.binary(e.op, left, right)
}

func (e *concatExpr) eval(m *machine, s *scope) (Value, error) {
	var b strings.Builder
	for _, part := range e.parts {
		v, err := part.eval(m, s)
		if err != nil {
			return nil, err
		}
		if err := m.print(&b, v); err != nil {
			return nil, err
		}
	}
	return b.String(), nil
}

func (e *listExpr) eval(m *machine, s *scope) (Value, error) {
	out := &List{tuple: e.tuple}
	for _, item := range e.items {
		v, err := item.eval(m, s)
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, v)
	}
	return out, m.grow(16 * len(out.items))
}

func (e *dictExpr) eval(m *machine, s *scope) (Value, error) {
	d := NewDict(len(e.keys))
	for i, key := range e.keys {
		k, err := key.eval(m, s)
		if err != nil {
			return nil, err
		}
		v, err := e.values[i].eval(m, s)
		if err != nil {
			return nil, err
		}
		if !d.Set(k, v) {
			return nil, fault("unhashable type: '%s'", typeName(k))
		}
	}
	return d, m.grow(64 * len(e.keys))
}

func (e *attrExpr) eval(m *machine, s *scope) (Value, error) {
	v, err := e.of.eval(m, s)
	if err != nil {
		return nil, err
	}
	if err := m.step(1); err != nil {
		return nil, err
	}
	return m.attribute(v, e.name)
}

func (e *itemExpr) eval(m *machine, s *scope) (Value, error) {
	v, err := e.of.eval(m, s)
	if err != nil {
		return nil, err
	}
	k, err := e.key.eval(m, s)
	if err != nil {
		return nil, err
	}
	return m.item(v, k)
}

func (e *sliceExpr) eval(m *machine, s *scope) (Value, error) {
	v, err := e.of.eval(m, s)
	if err != nil {
		return nil, err
	}
	var at [3]*int
	for i, part := range e.parts {
		if part == nil {
			continue
		}
		p, err := part.eval(m, s)
		if err != nil {
			return nil, err
		}
		if p == nil {
			continue
		}
		n, ok := integer(p)
		if !ok {
			return nil, fault("slice indices must be integers or None, not '%s'", typeName(p))
		}
		at[i] = &n
	}
	return m.slice(v, at[0], at[1], at[2])
}

// eval gathers a call's arguments.
func (a *callArgs) eval(m *machine, s *scope) (arguments, error) {
	var out arguments
	for _, e := range a.pos {
		v, err := e.eval(m, s)
		if err != nil {
			return out, err
		}
		out.pos = append(out.pos, v)
	}
	if a.star != nil {
		v, err := a.star.eval(m, s)
		if err != nil {
			return out, err
		}
		items, err := m.items(v)
		if err != nil {
			return out, err
		}
		out.pos = append(out.pos, items...)
	}
	for i, e := range a.vals {
		v, err := e.eval(m, s)
		if err != nil {
			return out, err
		}
		out.keys, out.vals = append(out.keys, a.keys[i]), append(out.vals, v)
	}
	if a.starstar != nil {
		v, err := a.starstar.eval(m, s)
		if err != nil {
			return out, err
		}
		d, ok := v.(*Dict)
		if !ok {
			return out, fault("argument after ** must be a mapping, not %s", typeName(v))
		}
		for i, k := range d.keys {
			name, ok := k.(string)
			if !ok {
				return out, fault("keywords must be strings")
			}
			out.keys, out.vals = append(out.keys, name), append(out.vals, d.values[i])
		}
	}
	return out, m.grow(16 * (len(out.pos) + len(out.keys)))
}

func (e *callExpr) eval(m *machine, s *scope) (Value, error) {
	fn, err := e.fn.eval(m, s)
	if err != nil {
		return nil, err
	}
	a, err := e.args.eval(m, s)
	if err != nil {
		return nil, err
	}
	return m.call(fn, a)
}

// call runs a function, a macro or a recursive loop.
func (m *machine) call(fn Value, a arguments) (Value, error) {
	if err := m.step(1); err != nil {
		return nil, err
	}
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	switch fn := fn.(type) {
	case *function:
		return fn.call(m, a)
	case *loopState:
		return fn.recurse(m, a)
	case Undefined:
		return nil, fault("%s", fn.why)
	}
	return nil, fault("'%s' object is not callable", typeName(fn))
}

func (e *filterExpr) eval(m *machine, s *scope) (Value, error) {
	v, err := e.of.eval(m, s)
	if err != nil {
		return nil, err
	}
	a, err := e.args.eval(m, s)
	if err != nil {
		return nil, err
	}
	return m.apply(e.name, v, a)
}

// apply runs the named filter on v.
func (m *machine) apply(name string, v Value, a arguments) (Value, error) {
	f, ok := m.filter[name]
	if !ok {
		return nil, fault("no filter named '%s'", name)
	}
	if err := m.step(1); err != nil {
		return nil, err
	}
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	return f(m, v, a)
}

func (e *testExpr) eval(m *machine, s *scope) (Value, error) {
	v, err := e.of.eval(m, s)
	if err != nil {
		return nil, err
	}
	a, err := e.args.eval(m, s)
	if err != nil {
		return nil, err
	}
	return m.check(e.name, v, a)
}
