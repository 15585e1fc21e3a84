package model

import (
	"fmt"
	"math"

	"pith/gguf"
)

// keys reads the metadata of one architecture and remembers the first thing that is wrong with it.
type keys struct {
	f    *gguf.File
	arch string
	err  error
}

// maxCount bounds every size that a key may state; a product of two of them fits an int64.
const maxCount = 1 << 30

// has reports whether the architecture's key is in the file.
func (k *keys) has(name string) bool { return k.f.Kind(k.arch+"."+name) != gguf.Missing }

// fail records that a key's value cannot be used.
func (k *keys) fail(name, format string, args ...any) {
	if k.err == nil {
		k.err = fmt.Errorf("model: key %s.%s: %s", k.arch, name, fmt.Sprintf(format, args...))
	}
}

func (k *keys) failTensor(name, fact string) {
	if k.err == nil {
		k.err = fmt.Errorf("model: tensor %s: %s", name, fact)
	}
}

// count is a required positive integer.
func (k *keys) count(name string) int {
	if !k.has(name) {
		k.fail(name, "missing")
		return 0
	}
	return k.positiveOr(name, 0)
}

// positiveOr is an optional positive integer.
func (k *keys) positiveOr(name string, def int) int {
	n := k.countOr(name, def)
	if n < 1 {
		k.fail(name, "%d is not positive", n)
	}
	return n
}

// countOr is an optional integer, not negative. Files that state one value for each layer are read when all values are
// equal.
func (k *keys) countOr(name string, def int) int {
	if !k.has(name) {
		return def
	}
	n, ok := k.f.Uint(k.arch + "." + name)
	if !ok {
		if each, isList := k.f.Ints(k.arch + "." + name); isList && len(each) > 0 && each[0] >= 0 {
			for _, v := range each {
				if v != each[0] {
					k.fail(name, "differs between layers (%d, %d): not supported", each[0], v)
				}
			}
			return int(each[0])
		}
		k.fail(name, "not a whole number from 0 up")
		return def
	}
	if n > maxCount {
		k.fail(name, "%d is out of range", n)
		return def
	}
	return int(n)
}

// floatOr is an optional finite number.
func (k *keys) floatOr(name string, def float64) float64 {
	if !k.has(name) {
		return def
	}
	v, ok := k.f.Float(k.arch + "." + name)
	if !ok {
		k.fail(name, "not a number")
		return def
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		k.fail(name, "%v is not finite", v)
		return def
	}
	return v
}

// positive is an optional number above 0.
func (k *keys) positive(name string, def float64) float64 {
	v := k.floatOr(name, def)
	if v <= 0 {
		k.fail(name, "%v is not positive", v)
		return def
	}
	return v
}

func (k *keys) string(name, def string) string {
	if !k.has(name) {
		return def
	}
	s, ok := k.f.String(k.arch + "." + name)
	if !ok {
		k.fail(name, "not a string")
	}
	return s
}

func (k *keys) bool(name string) (value, ok bool) {
	if !k.has(name) {
		return false, false
	}
	value, ok = k.f.Bool(k.arch + "." + name)
	if !ok {
		k.fail(name, "not a truth value")
	}
	return value, ok
}

// windows marks the window layers: every period-th layer is global, counted from 1, unless the file lists the layers itself
// (attention.sliding_window_pattern: a period, or a truth value a layer that is set on window layers).
func (k *keys) windows(c *Config, window, period int) {
	const name = "attention.sliding_window_pattern"
	local := make([]bool, c.Layers)
	if list, ok := k.f.Bools(k.arch + "." + name); ok {
		if len(list) < c.Layers {
			k.fail(name, "%d values for %d layers", len(list), c.Layers)
			return
		}
		copy(local, list)
	} else {
		period = k.countOr(name, period)
		for l := range local {
			local[l] = period == 0 || (l+1)%period != 0
		}
	}
	for l := range local {
		if local[l] {
			c.Window[l] = window
		}
	}
}
