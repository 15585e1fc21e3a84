package jinja

import (
	"strings"
	"unicode"
)

// check is v is name(a).
func (m *machine) check(name string, v Value, a arguments) (bool, error) {
	if err := m.step(1); err != nil {
		return false, err
	}
	if op, ok := comparisons[name]; ok {
		if len(a.pos) != 1 {
			return false, fault("test '%s' takes one argument", name)
		}
		return m.compare(op, v, a.pos[0])
	}
	if name == "divisibleby" || name == "sameas" {
		if len(a.pos) != 1 {
			return false, fault("test '%s' takes one argument", name)
		}
		if name == "sameas" {
			return same(v, a.pos[0]), nil
		}
		r, err := m.binary("%", v, a.pos[0])
		return err == nil && !Truth(r), err
	}
	f, ok := tests[name]
	if !ok {
		return false, fault("no test named '%s'", name)
	}
	if len(a.pos)+len(a.keys) > 0 {
		return false, fault("test '%s' takes no argument", name)
	}
	if s, ok := v.(string); ok {
		if err := m.scan(len(s)); err != nil {
			return false, err
		}
	}
	return f(v)
}

var comparisons = map[string]string{
	"eq": "==", "equalto": "==", "==": "==", "ne": "!=", "!=": "!=", "in": "in",
	"lt": "<", "lessthan": "<", "<": "<", "le": "<=", "<=": "<=",
	"gt": ">", "greaterthan": ">", ">": ">", "ge": ">=", ">=": ">=",
}

// same is Python's "is": values that are one object there are told apart here by type and content.
func same(a, b Value) bool {
	switch a.(type) {
	case nil, bool, int64, float64, string, *List, *Dict, *namespace, *function:
		return a == b
	}
	return false
}

func kindTest(is func(v Value) bool) func(v Value) (bool, error) {
	return func(v Value) (bool, error) { return is(v), nil }
}

var tests = map[string]func(v Value) (bool, error){
	"defined":   kindTest(func(v Value) bool { _, no := v.(Undefined); return !no }),
	"undefined": kindTest(func(v Value) bool { _, no := v.(Undefined); return no }),
	"none":      kindTest(func(v Value) bool { return v == nil }),
	"boolean":   kindTest(func(v Value) bool { _, ok := v.(bool); return ok }),
	"true":      kindTest(func(v Value) bool { return v == true }),
	"false":     kindTest(func(v Value) bool { return v == false }),
	"string":    kindTest(func(v Value) bool { _, ok := v.(string); return ok }),
	"mapping":   kindTest(func(v Value) bool { _, ok := v.(*Dict); return ok }),
	"float":     kindTest(func(v Value) bool { _, ok := v.(float64); return ok }),
	"integer": kindTest(func(v Value) bool {
		switch v.(type) {
		case int64, BigInt:
			return true
		}
		return false
	}),
	"number": kindTest(func(v Value) bool {
		switch v.(type) {
		case int64, BigInt, float64, bool:
			return true
		}
		return false
	}),
	"sequence": kindTest(func(v Value) bool {
		switch v.(type) {
		case string, *List, *Dict, Undefined:
			return true
		}
		return false
	}),
	"iterable": kindTest(func(v Value) bool {
		switch v.(type) {
		case string, *List, *Dict, Undefined, *loopState:
			return true
		}
		return false
	}),
	"callable": kindTest(func(v Value) bool {
		switch v.(type) {
		case *function, Undefined, *loopState:
			return true
		}
		return false
	}),
	"escaped": kindTest(func(Value) bool { return false }),
	"odd":     parity(1),
	"even":    parity(0),
	"lower":   letters(unicode.IsLower, unicode.IsUpper),
	"upper":   letters(unicode.IsUpper, unicode.IsLower),
}

func parity(want int64) func(v Value) (bool, error) {
	return func(v Value) (bool, error) {
		r, ok := v.(int64)
		if !ok {
			return false, fault("parity of '%s'", typeName(v))
		}
		return r&1 == want, nil
	}
}

func letters(want, not func(rune) bool) func(v Value) (bool, error) {
	return func(v Value) (bool, error) {
		s, ok := v.(string)
		return ok && strings.IndexFunc(s, want) >= 0 && strings.IndexFunc(s, not) < 0, nil
	}
}
