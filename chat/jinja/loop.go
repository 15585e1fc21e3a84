package jinja

import (
	"errors"
	"strings"
)

// loopState is the object that a for loop's body sees as "loop".
type loopState struct {
	items []Value
	at    int
	depth int
	node  *forNode
	scope *scope // around the loop
	last  *List  // what changed() saw
}

func (n *forNode) exec(m *machine, s *scope, out *strings.Builder) error {
	v, err := n.over.eval(m, s)
	if err != nil {
		return at(n.line, err)
	}
	return at(n.line, n.loop(m, s, v, 0, out))
}

func (n *forNode) loop(m *machine, s *scope, over Value, depth int, out *strings.Builder) error {
	items, err := m.items(over)
	if err != nil {
		return err
	}
	if n.test != nil {
		if items, err = n.choose(m, s, items); err != nil {
			return err
		}
	}
	if len(items) == 0 {
		return run(n.otherwise, m, s, out)
	}
	// The loop sees the items as they are now, whatever its body does to the list.
	state := &loopState{items: items[:len(items):len(items)], depth: depth, node: n, scope: s}
	for i, item := range state.items {
		state.at = i
		inner := &scope{up: s}
		inner.put("loop", state)
		if err := n.target.assign(m, inner, item); err != nil {
			return err
		}
		err := run(n.body, m, inner, out)
		if errors.Is(err, errBreak) {
			break
		}
		if err != nil && !errors.Is(err, errContinue) {
			return err
		}
	}
	return nil
}

// choose keeps the items for which the loop's condition holds.
func (n *forNode) choose(m *machine, s *scope, items []Value) ([]Value, error) {
	var kept []Value
	for _, item := range items {
		inner := &scope{up: s}
		if err := n.target.assign(m, inner, item); err != nil {
			return nil, err
		}
		v, err := n.test.eval(m, inner)
		if err != nil {
			return nil, err
		}
		if Truth(v) {
			kept = append(kept, item)
		}
	}
	return kept, m.grow(16 * len(kept))
}

// recurse is loop(items) inside a recursive loop.
func (l *loopState) recurse(m *machine, a arguments) (Value, error) {
	if !l.node.recursive {
		return nil, fault("the loop must have the 'recursive' marker to be called recursively")
	}
	if len(a.pos) != 1 || len(a.keys) > 0 {
		return nil, fault("loop() takes one argument")
	}
	var b strings.Builder
	err := l.node.loop(m, l.scope, a.pos[0], l.depth+1, &b)
	return b.String(), err
}

// attribute looks up loop.name.
func (l *loopState) attribute(name string) (Value, bool) {
	n := len(l.items)
	switch name {
	case "index":
		return int64(l.at + 1), true
	case "index0":
		return int64(l.at), true
	case "revindex":
		return int64(n - l.at), true
	case "revindex0":
		return int64(n - l.at - 1), true
	case "first":
		return l.at == 0, true
	case "last":
		return l.at == n-1, true
	case "length":
		return int64(n), true
	case "depth":
		return int64(l.depth + 1), true
	case "depth0":
		return int64(l.depth), true
	case "previtem":
		if l.at == 0 {
			return Undefined{"there is no previous item"}, true
		}
		return l.items[l.at-1], true
	case "nextitem":
		if l.at == n-1 {
			return Undefined{"there is no next item"}, true
		}
		return l.items[l.at+1], true
	case "cycle":
		return &function{name: "cycle", call: func(_ *machine, a arguments) (Value, error) {
			if len(a.pos) == 0 {
				return nil, fault("no items for cycling given")
			}
			return a.pos[l.at%len(a.pos)], nil
		}}, true
	case "changed":
		return &function{name: "changed", call: func(m *machine, a arguments) (Value, error) {
			now := &List{items: a.pos, tuple: true}
			if l.last != nil {
				same, err := m.equal(l.last, now, 0)
				if err != nil || same {
					return false, err
				}
			}
			l.last = now
			return true, nil
		}}, true
	}
	return nil, false
}
