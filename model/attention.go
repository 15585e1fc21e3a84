package model

import "pith/kernel"

// attention holds the projections around attention.
type attention struct {
	q projection // attn_q      [qHeads*headDim, dim]
	k projection // attn_k      [kvHeads*headDim, dim]
	v projection // attn_v      [kvHeads*headDim, dim]
	o projection // attn_output [dim, qHeads*headDim]

	outliers outliers // of the input of q, k and v
}

// attention binds separate projections; biases are bound where the file has them.
func (b *binder) attention(c *Config) attention {
	q, kv := c.QHeads*c.HeadDim, c.KVHeads*c.HeadDim
	return attention{
		q: b.projection("attn_q", q, c.Dim),
		k: b.projection("attn_k", kv, c.Dim),
		v: b.projection("attn_v", kv, c.Dim),
		o: b.projection("attn_output", c.Dim, q),
	}
}

// fusedAttention binds attn_qkv, whose rows are all queries, then all keys, then all values.
func (b *binder) fusedAttention(c *Config) attention {
	q, kv := c.QHeads*c.HeadDim, c.KVHeads*c.HeadDim
	w := b.split("attn_qkv.weight", c.Dim, q, kv, kv)
	a := attention{
		q: projection{weight: w[0]}, k: projection{weight: w[1]}, v: projection{weight: w[2]},
		o: b.projection("attn_output", c.Dim, q),
	}
	if bias := b.vectorIf("attn_qkv.bias", q+2*kv); bias != nil {
		a.q.bias, a.k.bias, a.v.bias = bias[:q], bias[q:q+kv], bias[q+kv:]
	}
	return a
}

func (a *attention) outputProjection() *kernel.Matrix { return a.o.weight }

// project returns queries [n, qHeads*headDim], keys and values [n, kvHeads*headDim] of the normed rows x.
func (p *pass) project(x []float32, a *attention) (q, k, v []float32) {
	q = p.ws.q[:p.n*p.c.QHeads*p.c.HeadDim]
	k = p.ws.k[:p.n*p.c.KVHeads*p.c.HeadDim]
	v = p.ws.v[:p.n*p.c.KVHeads*p.c.HeadDim]
	p.products(x, p.n, &a.outliers, kernel.Product{Dst: q, M: a.q.weight}, kernel.Product{Dst: k, M: a.k.weight}, kernel.Product{Dst: v, M: a.v.weight})
	p.bias(q, &a.q)
	p.bias(k, &a.k)
	p.bias(v, &a.v)
	h := &p.ws.heads
	*h = Heads{Q: q, K: k, V: v, Hidden: x, Out: p.ws.out[:len(q)], Scale: p.c.AttnScale, SoftCap: p.c.AttnSoftCap}
	return q, k, v
}

// rotate turns queries and keys in place by their rows' positions; where the caller asked for them, copies from before are
// kept.
func (p *pass) rotate(q, k []float32) {
	if h := &p.ws.heads; p.rows.Raw {
		h.QRaw, h.KRaw = p.ws.qRaw[:len(q)], p.ws.kRaw[:len(k)]
		copy(h.QRaw, q)
		copy(h.KRaw, k)
	}
	if p.c.Rope.Skip != nil && p.c.Rope.Skip[p.layer] {
		return
	}
	p.fillAngles()
	p.eachOf(rowTask{do: rotateRow, dst: q, src: k, width: (p.c.QHeads + p.c.KVHeads) * p.c.HeadDim}, p.n)
}

// attention lets the caller attend and returns the output projection of what was read, [n, dim].
func (p *pass) attention(a *attention) ([]float32, error) {
	h := &p.ws.heads
	if err := p.attend(p.layer, h); err != nil {
		return nil, err
	}
	y := p.ws.y[:p.n*p.c.Dim]
	p.linear(y, h.Out, &a.o)
	*h = Heads{}
	return y, nil
}
