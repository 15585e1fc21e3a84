package model

// qwen2Layer is a layer of Qwen2 and Qwen2.5 (arXiv 2407.10671): Llama's, with biases on queries, keys and values.
type qwen2Layer struct {
	attnNorm []float32 // attn_norm [dim]
	attention
	ffnNorm []float32 // ffn_norm [dim]
	ffn     feedForward
}

func qwen2Config(c *Config, _ *keys) { c.Rope.Halves = true }

func bindQwen2(b *binder, c *Config) layer {
	t := &qwen2Layer{
		attnNorm:  b.vector("attn_norm.weight", c.Dim),
		attention: b.attention(c),
		ffnNorm:   b.vector("ffn_norm.weight", c.Dim),
		ffn:       b.feedForward(c),
	}
	// The biases are part of the architecture: a file without them is broken, not another kind of model.
	b.tensor("attn_q.bias", c.QHeads*c.HeadDim)
	b.tensor("attn_k.bias", c.KVHeads*c.HeadDim)
	b.tensor("attn_v.bias", c.KVHeads*c.HeadDim)
	return t
}

func (t *qwen2Layer) forward(p *pass) error {
	x := p.norm(p.x, t.attnNorm)          // [n, dim]
	q, k, _ := p.project(x, &t.attention) // [n, heads*headDim] each, biases added
	p.rotate(q, k)
	y, err := p.attention(&t.attention) // [n, dim]
	if err != nil {
		return err
	}
	p.add(y)

	x = p.norm(p.x, t.ffnNorm)
	p.add(p.feedForward(x, &t.ffn, siluRow))
	return nil
}
