package gguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"pith/quant"
)

// Writer collects metadata and tensors and writes them as one file. The zero value is ready: version 3, alignment 32.
// Nothing is written before WriteTo or WriteFile, which may be called any number of times.
type Writer struct {
	// Version of the format, 2 or 3 (the same bytes but for the number); 0 means 3.
	Version uint32
	// Alignment of tensors, a power of two of at least 8; 0 means 32. Another value is recorded in the metadata.
	Alignment int

	keys    []byte // encoded pairs
	seen    map[string]bool
	count   int
	tensors []pending
	names   map[string]bool
}

type pending struct {
	name  string
	typ   quant.Type
	dims  []int
	size  int64
	write func(io.Writer) error
}

// Set adds a metadata pair. The kind follows from the Go type: bool, string, the integers of 8 to 64 bits, float32,
// float64, and slices of them; int and uint are refused, as the file has no such kinds.
func (w *Writer) Set(key string, v any) error {
	kind, b, err := encode(nil, v)
	if err != nil {
		return fmt.Errorf("gguf: key %s: %w", label([]byte(key)), err)
	}
	return w.add(key, kind, b)
}

// Copy adds a pair with the value that f has under the same key, byte for byte.
func (w *Writer) Copy(f *File, key string) error {
	v, ok := f.values[key]
	if !ok {
		return fmt.Errorf("gguf: key %s: missing in %s", label([]byte(key)), f.path)
	}
	var b []byte
	switch v.kind {
	case Array:
		b = binary.LittleEndian.AppendUint32(b, uint32(v.elem))
		b = binary.LittleEndian.AppendUint64(b, uint64(v.count))
	case String:
		b = binary.LittleEndian.AppendUint64(b, uint64(v.end-v.start))
	default:
		b = binary.LittleEndian.AppendUint64(b, v.bits)[:v.kind.size()]
		return w.add(key, v.kind, b)
	}
	data := f.parts[0].data
	if data == nil {
		return fmt.Errorf("gguf: key %s: %s is closed", label([]byte(key)), f.path)
	}
	err := Guard(func() error {
		b = append(b, data[v.start:v.end]...)
		return nil
	})
	if err != nil {
		return err
	}
	return w.add(key, v.kind, b)
}

func (w *Writer) add(key string, kind Kind, b []byte) error {
	switch {
	case key == "":
		return fmt.Errorf("gguf: key %q: empty name", key)
	case key == alignmentKey:
		return fmt.Errorf("gguf: key %s: set Writer.Alignment instead", key)
	case w.seen[key]:
		return fmt.Errorf("gguf: key %s: duplicate key", label([]byte(key)))
	}
	if w.seen == nil {
		w.seen = map[string]bool{}
	}
	w.seen[key] = true
	w.count++
	w.keys = appendString(w.keys, key)
	w.keys = binary.LittleEndian.AppendUint32(w.keys, uint32(kind))
	w.keys = append(w.keys, b...)
	return nil
}

// Add adds a tensor with its bytes, which are borrowed until the last write. dims are in ggml order, fastest first.
func (w *Writer) Add(name string, t quant.Type, dims []int, data []byte) error {
	return w.addTensor(name, t, dims, int64(len(data)), func(out io.Writer) error {
		// The data may lie in a mapped file, and a system call that reads it there fails without a fault.
		_, err := out.Write(data)
		return err
	})
}

// AddFunc adds a tensor whose bytes are produced when the file is written, so that a model need not fit into memory.
// write must write exactly the tensor's size.
func (w *Writer) AddFunc(name string, t quant.Type, dims []int, write func(io.Writer) error) error {
	return w.addTensor(name, t, dims, -1, write)
}

func (w *Writer) addTensor(name string, t quant.Type, dims []int, size int64, write func(io.Writer) error) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("gguf: tensor %s: %s", label([]byte(name)), fmt.Sprintf(format, args...))
	}
	switch {
	case name == "":
		return fail("empty name")
	case w.names[name]:
		return fail("duplicate tensor")
	case len(dims) < 1 || len(dims) > maxDims:
		return fail("%d dimensions, want 1 to %d", len(dims), maxDims)
	}
	format, ok := quant.Lookup(t)
	if !ok {
		return fail("%s not supported", t)
	}
	elems := uint64(1)
	for i, d := range dims {
		product, overflow := mul(elems, uint64(d))
		if d <= 0 || overflow || product > math.MaxInt64/8 {
			return fail("dimension %d of %d", i, d)
		}
		elems = product
	}
	if dims[0]%format.BlockElems != 0 {
		return fail("%d elements a row, not a multiple of %s's %d", dims[0], format.Name, format.BlockElems)
	}
	want := int64(elems) / int64(format.BlockElems) * int64(format.BlockBytes)
	if size >= 0 && size != want {
		return fail("%d bytes, want %d", size, want)
	}
	if w.names == nil {
		w.names = map[string]bool{}
	}
	w.names[name] = true
	w.tensors = append(w.tensors, pending{name, t, append([]int(nil), dims...), want, write})
	return nil
}

// WriteTo writes the file image.
func (w *Writer) WriteTo(out io.Writer) (int64, error) {
	alignment := int64(w.Alignment)
	if alignment == 0 {
		alignment = defaultAlignment
	}
	if alignment < 8 || alignment > maxAlignment || alignment&(alignment-1) != 0 {
		return 0, fmt.Errorf("gguf: writer: alignment %d, want a power of two from 8 to %d", alignment, maxAlignment)
	}
	version := w.Version
	if version == 0 {
		version = 3
	}
	if version != 2 && version != 3 {
		return 0, fmt.Errorf("gguf: writer: version %d, want 2 or 3", version)
	}
	buffered := bufio.NewWriterSize(out, 1<<16)
	n := &counter{out: buffered}
	if _, err := n.Write(w.header(version, alignment)); err != nil {
		return n.n, err
	}
	for _, t := range w.tensors {
		if err := n.pad(alignment); err != nil {
			return n.n, err
		}
		start := n.n
		if err := t.write(n); err != nil {
			return n.n, fmt.Errorf("gguf: tensor %s: %w", label([]byte(t.name)), err)
		}
		if wrote := n.n - start; wrote != t.size {
			return n.n, fmt.Errorf("gguf: tensor %s: %d bytes written, want %d", label([]byte(t.name)), wrote, t.size)
		}
	}
	// The last tensor is padded too, as other writers do.
	if err := n.pad(alignment); err != nil {
		return n.n, err
	}
	return n.n, buffered.Flush()
}

func (w *Writer) header(version uint32, alignment int64) []byte {
	le := binary.LittleEndian
	count := w.count
	if alignment != defaultAlignment {
		count++
	}
	b := le.AppendUint32([]byte(magic), version)
	b = le.AppendUint64(b, uint64(len(w.tensors)))
	b = le.AppendUint64(b, uint64(count))
	if alignment != defaultAlignment {
		b = appendString(b, alignmentKey)
		b = le.AppendUint32(b, uint32(Uint32))
		b = le.AppendUint32(b, uint32(alignment))
	}
	b = append(b, w.keys...)
	var offset int64
	for _, t := range w.tensors {
		b = appendString(b, t.name)
		b = le.AppendUint32(b, uint32(len(t.dims)))
		for _, d := range t.dims {
			b = le.AppendUint64(b, uint64(d))
		}
		b = le.AppendUint32(b, uint32(t.typ))
		b = le.AppendUint64(b, uint64(offset))
		offset += (t.size + alignment - 1) &^ (alignment - 1)
	}
	return b
}

// WriteFile writes the file atomically: into a temporary file in the same directory, which is synced and renamed over
// path. After an error path is as it was before and no temporary file is left.
func (w *Writer) WriteFile(path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("gguf: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	// Tensors may be copied from a mapped file.
	err = Guard(func() error {
		_, err := w.WriteTo(f)
		return err
	})
	if err != nil {
		return err
	}
	// CreateTemp makes files that only the owner can read; a model is not a secret.
	if err := f.Chmod(0o644); err != nil {
		return fmt.Errorf("gguf: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("gguf: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("gguf: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("gguf: %w", err)
	}
	return nil
}

// counter counts what passes to a buffered writer.
type counter struct {
	out *bufio.Writer
	n   int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.out.Write(b)
	c.n += int64(n)
	return n, err
}

func (c *counter) pad(alignment int64) error {
	for c.n&(alignment-1) != 0 {
		if err := c.out.WriteByte(0); err != nil {
			return err
		}
		c.n++
	}
	return nil
}
