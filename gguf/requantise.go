package gguf

import (
	"fmt"
	"io"
	"runtime"
	"sync"

	"pith/quant"
)

// Matrices chooses t for tensors of two and more dimensions, the type in the file for the others (norms, biases,
// rotary factors). Matrices whose rows do not fill whole blocks of t become Q8_0, or F16 if they do not fill those
// either, as a K format cannot hold rows of 576 weights.
func Matrices(t quant.Type) func(*Tensor) quant.Type {
	return func(x *Tensor) quant.Type {
		if len(x.Dims) < 2 {
			return x.Type
		}
		for _, t := range []quant.Type{t, quant.Q8_0} {
			if f, ok := quant.Lookup(t); ok && x.Dims[0]%f.BlockElems == 0 {
				return t
			}
		}
		return quant.F16
	}
}

// Requantise writes a copy of f to path in which each tensor has the type that choose returns; Matrices(t) is the usual
// choice. Tensors that keep their type keep their bytes. Metadata is copied, except that a split model becomes one
// file and that general.file_type goes, since it names the old mixture of types. Writing is atomic, memory is a few
// megabytes whatever the model's size.
func Requantise(path string, f *File, choose func(t *Tensor) quant.Type) error {
	w := &Writer{Version: f.version}
	if n, ok := f.Uint(alignmentKey); ok {
		w.Alignment = int(n)
	}
	for _, key := range f.keys {
		switch key {
		case alignmentKey, splitNo, splitCount, splitTensors, "general.file_type":
			continue
		}
		if err := w.Copy(f, key); err != nil {
			return err
		}
	}
	for _, t := range f.tensors {
		to := choose(t)
		if format, ok := quant.Lookup(to); ok && to != t.Type && format.Encode == nil {
			return fmt.Errorf("gguf: tensor %s: pith does not write %s", label([]byte(t.Name)), to)
		}
		if to == t.Type {
			if err := w.Add(t.Name, t.Type, t.Dims, t.Data()); err != nil {
				return err
			}
			continue
		}
		err := w.AddFunc(t.Name, to, t.Dims, func(out io.Writer) error { return t.recode(out, to) })
		if err != nil {
			return err
		}
	}
	return w.WriteFile(path)
}

// recode writes t's weights in another type.
func (t *Tensor) recode(out io.Writer, to quant.Type) error {
	from, _ := quant.Lookup(t.Type)
	into, _ := quant.Lookup(to)
	// A piece is a multiple of every block and is one goroutine's work; a round is one piece for each of them.
	const piece = 1 << 16
	workers := runtime.GOMAXPROCS(0)
	buffers := make([]struct {
		values []float32
		bytes  []byte
		err    error
	}, workers)
	src, left := t.Data(), t.Elems()
	for left > 0 {
		var wait sync.WaitGroup
		used := 0
		for i := range buffers {
			if left == 0 {
				break
			}
			n := min(piece, left)
			in := src[:from.Bytes(n)]
			src, left = src[len(in):], left-n
			b := &buffers[i]
			used++
			wait.Go(func() {
				b.err = Guard(func() error {
					if b.values == nil {
						b.values, b.bytes = make([]float32, n), make([]byte, into.Bytes(n))
					}
					// Only the last round has shorter pieces.
					b.values, b.bytes = b.values[:n], b.bytes[:into.Bytes(n)]
					from.Decode(b.values, in)
					into.Encode(b.bytes, b.values)
					return nil
				})
			})
		}
		wait.Wait()
		for i := range buffers[:used] {
			if buffers[i].err != nil {
				return buffers[i].err
			}
			if _, err := out.Write(buffers[i].bytes); err != nil {
				return err
			}
		}
	}
	return nil
}
