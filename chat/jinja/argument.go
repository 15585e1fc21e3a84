package jinja

import "slices"

// missing stands for a parameter that the call did not give.
type missing struct{}

// bind puts a call's arguments in the order of params; one not given is missing{}.
func (a arguments) bind(name string, params ...string) ([]Value, error) {
	out := make([]Value, len(params))
	for i := range out {
		out[i] = missing{}
	}
	if len(a.pos) > len(params) {
		return nil, fault("%s() takes at most %d arguments (%d given)", name, len(params), len(a.pos))
	}
	copy(out, a.pos)
	for i, k := range a.keys {
		at := slices.Index(params, k)
		if at < 0 {
			return nil, fault("%s() got an unexpected keyword argument '%s'", name, k)
		}
		if at < len(a.pos) {
			return nil, fault("%s() got multiple values for argument '%s'", name, k)
		}
		out[at] = a.vals[i]
	}
	return out, nil
}

// given reports whether v was passed and is not None.
func given(v Value) bool {
	_, no := v.(missing)
	return !no && v != nil
}

// or returns v, or def when the call did not give it.
func or(v, def Value) Value {
	if _, no := v.(missing); no {
		return def
	}
	return v
}

// needString converts an argument that must be text.
func needString(name string, v Value) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	if u, ok := v.(Undefined); ok {
		return "", fault("%s", u.why)
	}
	if _, no := v.(missing); no {
		return "", fault("%s() missing a required argument", name)
	}
	return "", fault("%s() argument must be str, not %s", name, typeName(v))
}

// needInt converts an argument that must be an integer, def when not given.
func needInt(name string, v Value, def int) (int, error) {
	if _, no := v.(missing); no {
		return def, nil
	}
	if n, ok := integer(v); ok {
		return n, nil
	}
	if u, ok := v.(Undefined); ok {
		return 0, fault("%s", u.why)
	}
	return 0, fault("%s() argument must be int, not %s", name, typeName(v))
}
