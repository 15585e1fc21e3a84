package gguf

import (
	"encoding/binary"
	"math"
)

// value is where a metadata value lies in the first part; its bytes have been checked. Numbers are decoded when they
// are asked for, and so are arrays: a vocabulary of 260,000 strings costs nothing until the tokenizer wants it.
type value struct {
	kind  Kind
	elem  Kind   // of arrays
	count int    // of arrays
	bits  uint64 // of numbers and booleans: the bytes as stored
	start int    // of strings and arrays: their bytes, without lengths and counts in front
	end   int
}

// value reads and checks one value behind its kind.
func (c *cursor) value() value {
	v := value{kind: Kind(c.u32())}
	if c.err != nil {
		return v
	}
	switch {
	case v.kind == Array:
		c.array(&v)
	case v.kind == String:
		b := c.str()
		v.end = c.at
		v.start = v.end - len(b)
	case v.kind.known():
		v.bits = pad64(c.take(uint64(v.kind.size())))
		if v.kind == Bool && v.bits > 1 {
			c.fail("boolean of value %d", v.bits)
		}
	default:
		c.fail("%s is not in the format", v.kind)
	}
	return v
}

func (c *cursor) array(v *value) {
	v.elem = Kind(c.u32())
	n := c.u64()
	if c.err != nil {
		return
	}
	size := uint64(8) // a string has at least its length
	switch {
	case v.elem == Array:
		c.fail("array of arrays not supported")
		return
	case !v.elem.known():
		c.fail("array of %s, which is not in the format", v.elem)
		return
	case v.elem != String:
		size = uint64(v.elem.size())
	}
	if n > c.left()/size {
		c.fail("array of %d %s values past end of file (%d bytes left)", n, v.elem, c.left())
		return
	}
	v.count, v.start = int(n), c.at
	switch v.elem {
	case String:
		data, at := c.data, c.at
		for i := range v.count {
			if len(data)-at < 8 {
				c.fail("string %d at offset %d past end of file (%d)", i, at, len(data))
				return
			}
			length := binary.LittleEndian.Uint64(data[at:])
			at += 8
			if length > uint64(len(data)-at) {
				c.fail("string %d of %d bytes at offset %d past end of file (%d)", i, length, at, len(data))
				return
			}
			at += int(length)
		}
		c.at = at
	case Bool:
		for i, b := range c.take(n) {
			if b > 1 {
				c.fail("boolean %d of value %d", i, b)
				return
			}
		}
	default:
		c.take(n * size)
	}
	v.end = c.at
}

// pad64 reads up to eight little-endian bytes.
func pad64(b []byte) (bits uint64) {
	for i, x := range b {
		bits |= uint64(x) << (8 * i)
	}
	return bits
}

// Keys returns the metadata keys in the order of the file. The slice belongs to the file.
func (f *File) Keys() []string { return f.keys }

// Kind returns the kind of a key's value, Missing if there is none.
func (f *File) Kind(key string) Kind {
	if v, ok := f.values[key]; ok {
		return v.kind
	}
	return Missing
}

// Array returns the kind and number of an array's values; ok is false if the key is missing or no array.
func (f *File) Array(key string) (elem Kind, n int, ok bool) {
	v, ok := f.values[key]
	if !ok || v.kind != Array {
		return Missing, 0, false
	}
	return v.elem, v.count, true
}

// The following return false if the key is missing, or of another kind, and after Close. Those that read strings and
// arrays also do if the mapped file can't be read any more.

// String returns a string, copied. It may be invalid UTF-8.
func (f *File) String(key string) (s string, ok bool) {
	f.read(key, String, Missing, func(_ value, b []byte) {
		s, ok = string(b), true
	})
	return s, ok
}

// Uint returns the value of any integer kind that is not negative.
func (f *File) Uint(key string) (uint64, bool) {
	v, ok := f.values[key]
	if !ok {
		return 0, false
	}
	n, sign, ok := integer(v.kind, v.bits)
	return n, ok && !sign
}

// Int returns the value of any integer kind that an int64 holds.
func (f *File) Int(key string) (int64, bool) {
	v, ok := f.values[key]
	if !ok {
		return 0, false
	}
	n, negative, ok := integer(v.kind, v.bits)
	if !ok || !negative && n > math.MaxInt64 {
		return 0, false
	}
	return int64(n), true
}

// Float returns the value of either float kind, which may be infinite or NaN.
func (f *File) Float(key string) (float64, bool) {
	v, ok := f.values[key]
	if !ok {
		return 0, false
	}
	return float(v.kind, v.bits)
}

// Bool returns a boolean.
func (f *File) Bool(key string) (value, ok bool) {
	v, ok := f.values[key]
	return ok && v.kind == Bool && v.bits == 1, ok && v.kind == Bool
}

// Strings returns an array of strings. All of them share one copy of the bytes, which the caller owns.
func (f *File) Strings(key string) (all []string, ok bool) {
	f.read(key, Array, String, func(v value, b []byte) {
		text := string(b)
		all = make([]string, v.count)
		at := 0
		for i := range all {
			n := int(binary.LittleEndian.Uint64(b[at:]))
			all[i] = text[at+8:][:n]
			at += 8 + n
		}
		ok = true
	})
	return all, ok
}

// Floats returns an array of either float kind.
func (f *File) Floats(key string) (all []float32, ok bool) {
	f.read(key, Array, Missing, func(v value, b []byte) {
		if v.elem != Float32 && v.elem != Float64 {
			return
		}
		all, ok = make([]float32, v.count), true
		size := v.elem.size()
		for i := range all {
			x, _ := float(v.elem, pad64(b[i*size:][:size]))
			all[i] = float32(x)
		}
	})
	return all, ok
}

// Ints returns an array of any integer kind if an int32 holds every one of its values.
func (f *File) Ints(key string) (all []int32, ok bool) {
	f.read(key, Array, Missing, func(v value, b []byte) {
		if _, _, is := integer(v.elem, 0); !is {
			return
		}
		result := make([]int32, v.count)
		size := v.elem.size()
		for i := range result {
			n, negative, _ := integer(v.elem, pad64(b[i*size:][:size]))
			if negative && int64(n) < math.MinInt32 || !negative && n > math.MaxInt32 {
				return
			}
			result[i] = int32(n)
		}
		all, ok = result, true
	})
	return all, ok
}

// Bools returns an array of booleans.
func (f *File) Bools(key string) (all []bool, ok bool) {
	f.read(key, Array, Bool, func(v value, b []byte) {
		all, ok = make([]bool, v.count), true
		for i := range all {
			all[i] = b[i] == 1
		}
	})
	return all, ok
}

// read calls use with the bytes of a string or array of the given kind and, unless elem is Missing, element kind.
func (f *File) read(key string, kind, elem Kind, use func(v value, b []byte)) {
	v, ok := f.values[key]
	data := f.parts[0].data
	if !ok || data == nil || v.kind != kind || elem != Missing && v.elem != elem {
		return
	}
	// A fault leaves the named results of the caller as they are, which is not found.
	_ = Guard(func() error {
		use(v, data[v.start:v.end])
		return nil
	})
}

// integer interprets the bits of an integer kind; a negative number is sign-extended.
func integer(k Kind, bits uint64) (n uint64, negative, ok bool) {
	switch k {
	case Uint8, Uint16, Uint32, Uint64:
		return bits, false, true
	case Int8, Int16, Int32, Int64:
		shift := 64 - 8*k.size()
		s := int64(bits<<shift) >> shift
		return uint64(s), s < 0, true
	}
	return 0, false, false
}

func float(k Kind, bits uint64) (float64, bool) {
	switch k {
	case Float32:
		return float64(math.Float32frombits(uint32(bits))), true
	case Float64:
		return math.Float64frombits(bits), true
	}
	return 0, false
}
