package model

import (
	"unsafe"

	"pith/kernel"
	"pith/quant"
)

// outputNorms keeps one layer's W_O, dequantised and cut by query head, for the values of all its KV heads.
type outputNorms struct {
	layer   int       // + 1; 0 = nothing yet
	weights []float32 // [qHeads][dim, headDim]
	heads   []*kernel.Matrix
	row     []float32 // [qHeads*headDim]
	out     []float32 // [normRows, dim]
	scratch *kernel.Scratch
}

// normRows is the number of values that go through a head's columns of W_O at a time.
const normRows = 64

// OutputNorms writes to dst[g][i] the norm ‖W_O v_i‖₁ of value row i of a KV head, v [n, HeadDim], as query head g of its
// group would send it into the residual stream: W_O restricted to that head's columns, before any later norm. It may be
// called from several goroutines, which then wait for each other.
func (m *Model) OutputNorms(dst [][]float32, l, kvHead int, v []float32) {
	m.normLock.Lock()
	defer m.normLock.Unlock()
	c, o := m.config, &m.norms
	if o.layer != l+1 {
		o.load(c, m.layers[l].outputProjection())
		o.layer = l + 1
	}
	d, n := c.HeadDim, len(v)/c.HeadDim
	for g := range c.Group() {
		head := o.heads[kvHead*c.Group()+g]
		for from := 0; from < n; from += normRows {
			k := min(normRows, n-from)
			out := o.out[:k*c.Dim]
			kernel.MatMul(m.workers, o.scratch, out, v[from*d:(from+k)*d], k, head, kernel.Prefill, true)
			for i := range k {
				dst[g][from+i] = norm1(out[i*c.Dim : (i+1)*c.Dim])
			}
		}
	}
}

// load dequantises W_O, [dim, qHeads*headDim], into one matrix a query head. It reads the file, also where W_O has been packed and the file's
// pages given back: they come back from the system's cache. For all layers of SmolLM2 that is 1 to 4 ms once; dequantising takes 12 ms a prompt,
// the norms of 512 tokens 250.
func (o *outputNorms) load(c *Config, w *kernel.Matrix) {
	d := c.HeadDim
	if o.weights == nil {
		o.weights = make([]float32, c.QHeads*c.Dim*d)
		o.row = make([]float32, c.QHeads*d)
		o.out = make([]float32, normRows*c.Dim)
		o.heads = make([]*kernel.Matrix, c.QHeads)
		o.scratch = kernel.NewScratch()
	}
	o.layer = 0
	for r := range c.Dim {
		w.Row(o.row, r)
		for h := range c.QHeads {
			copy(o.weights[(h*c.Dim+r)*d:][:d], o.row[h*d:])
		}
	}
	for h := range o.heads {
		part := o.weights[h*c.Dim*d : (h+1)*c.Dim*d]
		bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(part))), 4*len(part))
		var err error
		if o.heads[h], err = kernel.NewMatrix(quant.F32, c.Dim, d, bytes); err != nil {
			panic(err) // sizes are ours
		}
	}
}

// norm1 is the sum of magnitudes, in f64: the order of n terms does not show in the f32 result.
func norm1(x []float32) float32 {
	var sum float64
	for _, v := range x {
		sum += float64(max(v, -v))
	}
	return float32(sum)
}
