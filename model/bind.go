package model

import (
	"fmt"
	"strings"

	"pith/gguf"
	"pith/kernel"
	"pith/quant"
)

// binder hands out tensors by name, checks their shape, and remembers the first thing that is wrong. It runs twice over a
// model: checking touches no weight and returns nils; only when everything is right does the second run prepare matrices.
type binder struct {
	f        *gguf.File
	checking bool
	prefix   string // "blk.3." while layer 3 is bound
	used     map[string]bool
	matrices []boundMatrix // prepared so far
	err      error
}

// boundMatrix is a matrix and the tensor that it is a part of.
type boundMatrix struct {
	*kernel.Matrix
	tensor *gguf.Tensor
}

func (b *binder) fail(name, format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("model: tensor %s: %s", name, fmt.Sprintf(format, args...))
	}
}

// has reports whether the layer has a tensor.
func (b *binder) has(name string) bool {
	_, ok := b.f.Tensor(b.prefix + name)
	return ok
}

// tensor finds a tensor of the given dimensions, in GGUF's order: the first runs fastest.
func (b *binder) tensor(name string, dims ...int) *gguf.Tensor {
	name = b.prefix + name
	t, ok := b.f.Tensor(name)
	if !ok {
		b.fail(name, "missing")
		return nil
	}
	b.used[name] = true
	same := len(t.Dims) >= len(dims)
	for i := range t.Dims {
		want := 1
		if i < len(dims) {
			want = dims[i]
		}
		same = same && t.Dims[i] == want
	}
	if !same {
		b.fail(name, "shape %v, want %v", t.Dims, dims)
		return nil
	}
	if _, ok := quant.Lookup(t.Type); !ok {
		b.fail(name, "%v is not supported", t.Type)
		return nil
	}
	return t
}

// matrix binds a weight that maps cols inputs to rows outputs.
func (b *binder) matrix(name string, rows, cols int) *kernel.Matrix {
	return b.slice(b.tensor(name, cols, rows), 0, rows, cols)
}

// split binds one tensor as several matrices with the same inputs, rows[0] outputs first.
func (b *binder) split(name string, cols int, rows ...int) []*kernel.Matrix {
	total := 0
	for _, r := range rows {
		total += r
	}
	t := b.tensor(name, cols, total)
	parts, from := make([]*kernel.Matrix, len(rows)), 0
	for i, r := range rows {
		parts[i] = b.slice(t, from, r, cols)
		from += r
	}
	return parts
}

// stack binds a tensor that holds n matrices one after another.
func (b *binder) stack(name string, n, rows, cols int) []*kernel.Matrix {
	t := b.tensor(name, cols, rows, n)
	if b.err != nil {
		return nil // n is only believed when the tensor has that many
	}
	parts := make([]*kernel.Matrix, n)
	for i := range parts {
		parts[i] = b.slice(t, i*rows, rows, cols)
	}
	return parts
}

// slice prepares the rows from..from+rows of a tensor whose rows have cols elements.
func (b *binder) slice(t *gguf.Tensor, from, rows, cols int) *kernel.Matrix {
	if b.checking || b.err != nil {
		return nil
	}
	format, _ := quant.Lookup(t.Type)
	if cols%format.BlockElems != 0 {
		b.fail(t.Name, "rows of %d elements are no whole blocks of %d", cols, format.BlockElems)
		return nil
	}
	stride := format.Bytes(cols)
	m, err := kernel.NewMatrix(t.Type, rows, cols, t.Data()[from*stride:(from+rows)*stride])
	if err != nil {
		b.fail(t.Name, "%v", err)
		return nil
	}
	b.matrices = append(b.matrices, boundMatrix{m, t})
	return m
}

// vector binds a norm's weight or a bias, as f32.
func (b *binder) vector(name string, n int) []float32 {
	t := b.tensor(name, n)
	if b.checking || b.err != nil {
		return nil
	}
	format, _ := quant.Lookup(t.Type)
	if n%format.BlockElems != 0 {
		b.fail(t.Name, "%d elements are no whole blocks of %d", n, format.BlockElems)
		return nil
	}
	v := make([]float32, n)
	format.Decode(v, t.Data())
	return v
}

// vectorIf is a vector that may be absent.
func (b *binder) vectorIf(name string, n int) []float32 {
	if !b.has(name) {
		return nil
	}
	return b.vector(name, n)
}

// harmless are tensors that files carry and no forward pass needs: the rotation's frequencies as old converters wrote them.
var harmless = []string{".attn_rot_embd", ".rope_freqs", ".rotary_emb.inv_freq"}

// unused reports a tensor that nobody asked for: a part of the model that the forward pass would silently leave out.
func (b *binder) unused() {
next:
	for _, t := range b.f.Tensors() {
		if b.used[t.Name] {
			continue
		}
		for _, h := range harmless {
			if strings.Contains(t.Name, h) {
				continue next
			}
		}
		b.fail(t.Name, "not a part of this architecture as it is known here")
		return
	}
}
