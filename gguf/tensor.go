package gguf

import "pith/quant"

// Tensor is one named array of weights in a file.
type Tensor struct {
	Name string
	Type quant.Type
	Dims []int // ggml order, fastest first: a matrix is [inputs, outputs]; 1 to 4 of them, all positive

	part   *part
	offset int // from the start of the file
	size   int
}

// Data returns the tensor's bytes, aligned as the file says (at least to 8) and with no room behind them. They belong
// to the file: they must not be written and are gone after Close, when Data returns nil. If the file is mapped, reads
// may fault; see Guard.
func (t *Tensor) Data() []byte {
	if t.part.data == nil {
		return nil
	}
	return t.part.data[t.offset:][:t.size:t.size]
}

// Forget says that the tensor will not be read for a while: memory that holds it goes back to the system where the file is mapped. Reading it
// again brings it back.
func (t *Tensor) Forget() {
	if t.part.unmap != nil {
		forget(t.Data())
	}
}

// Elems returns the number of weights.
func (t *Tensor) Elems() int {
	n := 1
	for _, d := range t.Dims {
		n *= d
	}
	return n
}

// Bytes returns the size of Data.
func (t *Tensor) Bytes() int { return t.size }

// Offset returns where Data starts in its file.
func (t *Tensor) Offset() int64 { return int64(t.offset) }

// Tensor finds a tensor by its name.
func (f *File) Tensor(name string) (*Tensor, bool) {
	t, ok := f.byName[name]
	return t, ok
}

// Tensors returns all tensors in the order of the file, parts in their order. The slice belongs to the file.
func (f *File) Tensors() []*Tensor { return f.tensors }
