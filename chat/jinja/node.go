package jinja

import (
	"errors"
	"strings"
)

// node is a statement of a template, or text between statements.
type node interface {
	exec(m *machine, s *scope, out *strings.Builder) error
}

// target is what for, set and with assign to.
type target struct {
	names []string
	tuple bool // unpack, even into a single name
}

type (
	textNode  string
	printNode struct {
		line int
		of   expr
	}
	ifNode struct {
		line      int
		tests     []expr
		bodies    [][]node
		otherwise []node
	}
	forNode struct {
		line            int
		target          target
		over, test      expr
		recursive       bool
		body, otherwise []node
	}
	setNode struct {
		line      int
		namespace string // not empty: target.names[0] is an attribute of it
		target    target
		value     expr // nil: the body's text, through chain
		chain     expr
		body      []node
	}
	macroNode struct {
		line                    int
		name                    string
		params                  []string
		defaults                []expr // nil where there is none
		body                    []node
		varargs, kwargs, caller bool // read in the body
	}
	callNode struct {
		line int
		call *callExpr
		body macroNode
	}
	filterNode struct {
		line  int
		chain expr
		body  []node
	}
	withNode struct {
		line    int
		targets []target
		values  []expr
		body    []node
	}
	jumpNode struct {
		line int
		out  bool // break, else continue
	}
)

var (
	errBreak    = errors.New("break outside of a loop")
	errContinue = errors.New("continue outside of a loop")
)

// at gives err the line it came from, unless a statement further in already did.
func at(line int, err error) error {
	if t, ok := err.(*Error); ok && t.Line == 0 && !t.Raised {
		t.Line = line
	}
	return err
}

func run(nodes []node, m *machine, s *scope, out *strings.Builder) error {
	for _, n := range nodes {
		if err := m.step(1); err != nil {
			return err
		}
		if err := n.exec(m, s, out); err != nil {
			return err
		}
	}
	return nil
}

// text runs nodes into a string of their own.
func text(nodes []node, m *machine, s *scope) (string, error) {
	var b strings.Builder
	err := run(nodes, m, s, &b)
	return b.String(), err
}

func (n textNode) exec(m *machine, _ *scope, out *strings.Builder) error {
	if err := m.grow(len(n)); err != nil {
		return err
	}
	out.WriteString(string(n))
	return nil
}

func (n *printNode) exec(m *machine, s *scope, out *strings.Builder) error {
	v, err := n.of.eval(m, s)
	if err == nil {
		err = m.print(out, v)
	}
	return at(n.line, err)
}

func (n *ifNode) exec(m *machine, s *scope, out *strings.Builder) error {
	for i, test := range n.tests {
		v, err := test.eval(m, s)
		if err != nil {
			return at(n.line, err)
		}
		if Truth(v) {
			return run(n.bodies[i], m, s, out)
		}
	}
	return run(n.otherwise, m, s, out)
}

// assign binds v to the names of t.
func (t *target) assign(m *machine, s *scope, v Value) error {
	if !t.tuple {
		s.put(t.names[0], v)
		return nil
	}
	items, err := m.items(v)
	if err != nil {
		return err
	}
	if len(items) != len(t.names) {
		return fault("%d values to unpack into %d names", len(items), len(t.names))
	}
	for i, name := range t.names {
		s.put(name, items[i])
	}
	return nil
}

func (n *setNode) exec(m *machine, s *scope, out *strings.Builder) error {
	var v Value
	var err error
	if n.value != nil {
		v, err = n.value.eval(m, s)
	} else {
		v, err = text(n.body, m, &scope{up: s})
		if err == nil && n.chain != nil {
			inner := &scope{up: s}
			inner.put(blockName, v)
			v, err = n.chain.eval(m, inner)
		}
	}
	if err != nil {
		return at(n.line, err)
	}
	if n.namespace == "" {
		return at(n.line, n.target.assign(m, s, v))
	}
	o, _ := s.look(n.namespace)
	ns, ok := o.(*namespace)
	if !ok {
		return at(n.line, fault("cannot assign attribute on non-namespace object '%s'", n.namespace))
	}
	ns.vars.Set(n.target.names[0], v)
	return nil
}

func (n *filterNode) exec(m *machine, s *scope, out *strings.Builder) error {
	v, err := text(n.body, m, &scope{up: s})
	if err != nil {
		return err
	}
	inner := &scope{up: s}
	inner.put(blockName, v)
	r, err := n.chain.eval(m, inner)
	if err == nil {
		err = m.print(out, r)
	}
	return at(n.line, err)
}

func (n *withNode) exec(m *machine, s *scope, out *strings.Builder) error {
	inner := &scope{up: s}
	for i, e := range n.values {
		v, err := e.eval(m, s)
		if err == nil {
			err = n.targets[i].assign(m, inner, v)
		}
		if err != nil {
			return at(n.line, err)
		}
	}
	return run(n.body, m, inner, out)
}

func (n *jumpNode) exec(*machine, *scope, *strings.Builder) error {
	if n.out {
		return errBreak
	}
	return errContinue
}

func (n *macroNode) exec(m *machine, s *scope, _ *strings.Builder) error {
	s.put(n.name, n.bind(s))
	return nil
}

func (n *callNode) exec(m *machine, s *scope, out *strings.Builder) error {
	fn, err := n.call.fn.eval(m, s)
	if err != nil {
		return at(n.line, err)
	}
	a, err := n.call.args.eval(m, s)
	if err != nil {
		return at(n.line, err)
	}
	a.keys, a.vals = append(a.keys, "caller"), append(a.vals, Value(n.body.bind(s)))
	v, err := m.call(fn, a)
	if err == nil {
		err = m.print(out, v)
	}
	return at(n.line, err)
}

// bind makes the function that a macro is where it is defined.
func (n *macroNode) bind(s *scope) *function {
	return &function{name: n.name, call: func(m *machine, a arguments) (Value, error) {
		inner := &scope{up: s}
		if err := n.fill(m, inner, a); err != nil {
			return nil, err
		}
		v, err := text(n.body, m, inner)
		if errors.Is(err, errBreak) || errors.Is(err, errContinue) {
			err = fault("%v", err)
		}
		return v, err
	}}
}

// fill binds a macro's arguments in its scope. Defaults see the parameters before them.
func (n *macroNode) fill(m *machine, s *scope, a arguments) error {
	if len(a.pos) > len(n.params) && !n.varargs {
		return fault("macro '%s' takes not more than %d argument(s)", n.name, len(n.params))
	}
	extra := NewDict(0)
	named := make(map[string]Value, len(a.keys))
	for i, k := range a.keys {
		named[k] = a.vals[i]
	}
	for i, name := range n.params {
		v, given := named[name]
		delete(named, name)
		switch {
		case i < len(a.pos):
			if given {
				return fault("macro '%s' got multiple values for argument '%s'", n.name, name)
			}
			v = a.pos[i]
		case given:
		case n.defaults[i] != nil:
			var err error
			if v, err = n.defaults[i].eval(m, s); err != nil {
				return err
			}
		default:
			v = Undefined{"parameter '" + name + "' was not provided"}
		}
		s.put(name, v)
	}
	if n.caller {
		s.put("caller", Undefined{"No caller defined"})
	}
	for _, k := range a.keys {
		v, left := named[k]
		switch {
		case !left:
		case k == "caller" && n.caller:
			s.put("caller", v)
		case n.kwargs:
			extra.Set(k, v)
		default:
			return fault("macro '%s' takes no keyword argument '%s'", n.name, k)
		}
	}
	if n.kwargs {
		s.put("kwargs", extra)
	}
	if n.varargs {
		rest := &List{tuple: true}
		if len(a.pos) > len(n.params) {
			rest.items = a.pos[len(n.params):]
		}
		s.put("varargs", rest)
	}
	return nil
}
