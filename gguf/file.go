// Package gguf reads and writes GGUF files: key-value metadata followed by named tensors (versions 2 and 3, as
// described in docs/gguf.md of ggml).
//
// A file is mapped, not read: opening costs time proportional to its metadata, and weights are paged in as they are
// used. Open checks every count, length, alignment, offset and extent against the size of the file before it is used;
// after Open succeeded no accessor can reach outside the file, whatever its bytes are. Memory used by Open is
// proportional to the header that is really there, never to a number written in it. Every refusal is a *FormatError
// that names the object, the fact and the number.
//
// The one thing that a check cannot exclude is a file that shrinks, or a disk that fails, while it is mapped: see
// Guard. Accessors of File and Tensor may be called concurrently, but not concurrently with Close.
package gguf

import (
	"errors"
	"fmt"
	"os"
)

// File is an open model: one file, or all parts of a split one.
type File struct {
	path    string
	version uint32
	parts   []*part // the first holds the metadata
	keys    []string
	values  map[string]value // of the first part
	tensors []*Tensor
	byName  map[string]*Tensor
	size    int64
}

// part is one file of a model.
type part struct {
	path  string
	data  []byte       // the mapping; nil after Close
	unmap func() error // nil where data is not mapped
}

// FormatError says why a file is not a GGUF file that pith can read.
type FormatError struct {
	Path   string
	Object string // "header", "key general.alignment", "tensor blk.3.attn_q.weight", "part 2 of 3"
	Fact   string // "offset 912 past end of file (900)"
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("gguf: %s: %s: %s", e.Path, e.Object, e.Fact)
}

// Open maps the file at path and checks all of it except the weights' values. If it is the first part of a split
// model (name-00001-of-00003.gguf) the other parts are opened from the same directory. A file without tensors, as
// vocabularies are distributed, is fine.
func Open(path string) (*File, error) {
	f, err := openPart(path)
	if err != nil {
		return nil, err
	}
	if err := f.openRest(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// OpenBytes reads a file image held in memory; name stands for the path in errors. data is borrowed until Close. A
// split model cannot be opened this way.
func OpenBytes(name string, data []byte) (*File, error) {
	f, err := parse(&part{path: name, data: data})
	if err != nil {
		return nil, err
	}
	if n, ok := f.Uint(splitCount); ok && n > 1 {
		return nil, &FormatError{name, "key " + splitCount, fmt.Sprintf("%d parts, want 1 in memory", n)}
	}
	return f, nil
}

// openPart maps and parses one file on its own.
func openPart(path string) (*File, error) {
	// Before opening: to open a named pipe waits for its writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, &FormatError{path, "file", "mode " + info.Mode().String() + ", want a regular file"}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	defer file.Close() // the mapping outlives the descriptor
	if info, err = file.Stat(); err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	size := info.Size()
	if size < headerBytes {
		return nil, tooShort(path, size)
	}
	if int64(int(size)) != size {
		return nil, &FormatError{path, "file", fmt.Sprintf("%d bytes exceed the address space", size)}
	}
	data, unmap, err := mapFile(file, int(size))
	if err != nil {
		return nil, fmt.Errorf("gguf: %s: map %d bytes: %w", path, size, err)
	}
	p := &part{path, data, unmap}
	mapped.add(p)
	var f *File
	err = Guard(func() error {
		var err error
		f, err = parse(p)
		return err
	})
	if err != nil {
		p.close()
		return nil, err
	}
	return f, nil
}

func (p *part) close() error {
	if p.data == nil {
		return nil
	}
	mapped.remove(p)
	p.data = nil
	if p.unmap == nil {
		return nil
	}
	return p.unmap()
}

// Close unmaps the file. Slices obtained from Tensor.Data must not be used any more. A second Close does nothing.
func (f *File) Close() error {
	var all []error
	for _, p := range f.parts {
		all = append(all, p.close())
	}
	return errors.Join(all...)
}

// Path returns the path given to Open.
func (f *File) Path() string { return f.path }

// Size returns the bytes of all parts.
func (f *File) Size() int64 { return f.size }

// Version returns the version of the format, 2 or 3.
func (f *File) Version() uint32 { return f.version }

// Parts returns the number of files the model is split into, 1 for most.
func (f *File) Parts() int { return len(f.parts) }
