package gguf

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strconv"

	"pith/quant"
)

const (
	magic            = "GGUF"
	headerBytes      = 24
	defaultAlignment = 32
	alignmentKey     = "general.alignment"

	// The smallest possible records bound the counts by the bytes that are left; the fixed limits, far above any
	// model's, bound memory for files of many gigabytes.
	minKeyBytes    = 8 + 4 + 1     // name, kind, a value of one byte
	minTensorBytes = 8 + 4 + 4 + 8 // name, no dimensions, type, offset
	maxKeys        = 1 << 16
	maxTensors     = 1 << 18
	maxDims        = 4
	maxAlignment   = 1 << 30
)

// parse reads the header of one part and checks everything in it.
func parse(p *part) (*File, error) {
	f := &File{
		path: p.path, parts: []*part{p}, size: int64(len(p.data)),
		values: map[string]value{}, byName: map[string]*Tensor{},
	}
	c := &cursor{path: p.path, data: p.data, what: "header"}
	if len(p.data) < headerBytes {
		return nil, tooShort(p.path, int64(len(p.data)))
	}
	if m := c.take(4); string(m) != magic {
		return nil, c.fail("magic %q, want %q", m, magic)
	}
	switch f.version = c.u32(); {
	case f.version == 2 || f.version == 3:
	case f.version&0xffff == 0 && f.version != 0:
		return nil, c.fail("big-endian file (version %d), want little-endian", bits.ReverseBytes32(f.version))
	default:
		return nil, c.fail("version %d, want 2 or 3", f.version)
	}
	tensors, keys := c.u64(), c.u64()
	if keys > maxKeys || keys > c.left()/minKeyBytes {
		return nil, c.fail("%d keys do not fit into %d bytes (limit %d)", keys, c.left(), maxKeys)
	}
	if tensors > maxTensors || tensors > c.left()/minTensorBytes {
		return nil, c.fail("%d tensors do not fit into %d bytes (limit %d)", tensors, c.left(), maxTensors)
	}
	for i := range keys {
		c.enter("key", i+1)
		f.readKey(c)
		if c.err != nil {
			return nil, c.err
		}
	}
	alignment, err := f.alignment(c)
	if err != nil {
		return nil, err
	}
	for i := range tensors {
		c.enter("tensor", i+1)
		f.readTensor(c, p)
		if c.err != nil {
			return nil, c.err
		}
	}
	if err := f.place(c, alignment); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) readKey(c *cursor) {
	name := c.str()
	if c.err != nil {
		return
	}
	c.name = name
	if len(name) == 0 {
		c.fail("empty name")
		return
	}
	key := string(name)
	if _, twice := f.values[key]; twice {
		c.fail("duplicate key")
		return
	}
	v := c.value()
	if c.err != nil {
		return
	}
	f.keys = append(f.keys, key)
	f.values[key] = v
}

func (f *File) alignment(c *cursor) (uint64, error) {
	c.enter("key", 0)
	kind := f.Kind(alignmentKey)
	if kind == Missing {
		return defaultAlignment, nil
	}
	c.name = []byte(alignmentKey)
	n, ok := f.Uint(alignmentKey)
	if !ok {
		return 0, c.fail("kind %s, want an unsigned integer", kind)
	}
	if n < 8 || n > maxAlignment || n&(n-1) != 0 {
		return 0, c.fail("alignment %d, want a power of two from 8 to %d", n, maxAlignment)
	}
	return n, nil
}

// readTensor reads one record of the tensor table; offset is still relative to the data section.
func (f *File) readTensor(c *cursor, p *part) {
	name := c.str()
	if c.err != nil {
		return
	}
	c.name = name
	if len(name) == 0 {
		c.fail("empty name")
		return
	}
	t := &Tensor{Name: string(name), part: p}
	if _, twice := f.byName[t.Name]; twice {
		c.fail("duplicate tensor")
		return
	}
	n := c.u32()
	if n > maxDims {
		c.fail("%d dimensions, limit %d", n, maxDims)
		return
	}
	t.Dims = make([]int, max(n, 1))
	t.Dims[0] = 1 // a tensor without dimensions is a single number
	elems := uint64(1)
	for i := range n {
		d := c.u64()
		if c.err != nil {
			return
		}
		if d == 0 {
			c.fail("dimension %d is zero", i)
			return
		}
		high, low := bits.Mul64(elems, d)
		if high != 0 || low > 1<<62 {
			c.fail("dimension %d of %d overflows the number of elements", i, d)
			return
		}
		t.Dims[i], elems = int(d), low
	}
	t.Type = quant.Type(c.u32())
	offset := c.u64()
	if c.err != nil {
		return
	}
	format, ok := quant.Lookup(t.Type)
	if !ok {
		c.fail("%s (%d) not supported", t.Type, uint32(t.Type))
		return
	}
	if t.Dims[0]%format.BlockElems != 0 {
		c.fail("%d elements a row, not a multiple of %s's %d", t.Dims[0], format.Name, format.BlockElems)
		return
	}
	size, overflow := mul(elems/uint64(format.BlockElems), uint64(format.BlockBytes))
	if overflow || size > uint64(len(c.data)) {
		c.fail("%d elements of %s exceed the file (%d bytes)", elems, format.Name, len(c.data))
		return
	}
	if offset > uint64(len(c.data)) {
		c.fail("offset %d past end of file (%d)", offset, len(c.data))
		return
	}
	t.offset, t.size = int(offset), int(size)
	f.tensors = append(f.tensors, t)
	f.byName[t.Name] = t
}

// place finds the data section, makes offsets absolute, and checks that every tensor lies inside the file and that
// no two share a byte.
func (f *File) place(c *cursor, alignment uint64) error {
	if len(f.tensors) == 0 {
		return nil
	}
	c.enter("data section", 0)
	start := (uint64(c.at) + alignment - 1) &^ (alignment - 1)
	if start > uint64(len(c.data)) {
		return c.fail("start %d past end of file (%d)", start, len(c.data))
	}
	room := uint64(len(c.data)) - start
	for _, t := range f.tensors {
		c.what, c.name = "tensor", []byte(t.Name)
		offset := uint64(t.offset)
		if offset&(alignment-1) != 0 {
			return c.fail("offset %d not aligned to %d", offset, alignment)
		}
		if offset > room || uint64(t.size) > room-offset {
			return c.fail("offset %d and %d bytes past end of file (%d)", start+offset, t.size, len(c.data))
		}
		t.offset = int(start + offset)
	}
	byOffset := slices.Clone(f.tensors)
	slices.SortFunc(byOffset, func(a, b *Tensor) int { return a.offset - b.offset })
	for i, t := range byOffset[1:] {
		before := byOffset[i]
		if end := before.offset + before.size; end > t.offset {
			c.what, c.name = "tensor", []byte(t.Name)
			return c.fail("offset %d overlaps tensor %s (ends at %d)", t.offset, label([]byte(before.Name)), end)
		}
	}
	return nil
}

func mul(a, b uint64) (product uint64, overflow bool) {
	high, low := bits.Mul64(a, b)
	return low, high != 0
}

// cursor walks over a part. The first failure sticks; reads after it return zero.
type cursor struct {
	path string
	data []byte
	at   int // never above len(data)
	err  error

	// What is being read, for errors: "key" and its name once that is known, its number before.
	what   string
	record uint64
	name   []byte
}

func (c *cursor) enter(what string, record uint64) { c.what, c.record, c.name = what, record, nil }

func (c *cursor) object() string {
	switch {
	case c.name != nil:
		return c.what + " " + label(c.name)
	case c.record > 0:
		return c.what + " " + strconv.FormatUint(c.record, 10)
	}
	return c.what
}

func tooShort(path string, size int64) error {
	return &FormatError{path, "header", fmt.Sprintf("file of %d bytes, want at least %d", size, headerBytes)}
}

func (c *cursor) fail(fact string, args ...any) error {
	c.err = &FormatError{c.path, c.object(), fmt.Sprintf(fact, args...)}
	return c.err
}

func (c *cursor) left() uint64 { return uint64(len(c.data) - c.at) }

// take returns the next n bytes, borrowed from the file.
func (c *cursor) take(n uint64) []byte {
	if c.err != nil {
		return nil
	}
	if n > c.left() {
		c.fail("%d bytes at offset %d past end of file (%d)", n, c.at, len(c.data))
		return nil
	}
	b := c.data[c.at:][:n]
	c.at += int(n)
	return b
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (c *cursor) str() []byte { return c.take(c.u64()) }

// label makes a name from a file fit for a message: short, and quoted unless it is plain ASCII.
func label(name []byte) string {
	const limit = 80
	plain := len(name) > 0 && len(name) <= limit
	for _, b := range name {
		if !plain || b <= ' ' || b > '~' {
			plain = false
			break
		}
	}
	if plain {
		return string(name)
	}
	if len(name) > limit {
		return strconv.QuoteToASCII(string(name[:limit])) + "…"
	}
	return strconv.QuoteToASCII(string(name))
}
