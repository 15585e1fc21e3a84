package model

// qwen3Layer is a layer of Qwen3 (arXiv 2505.09388): no biases, and queries and keys are normed head by head before they are
// rotated.
type qwen3Layer struct {
	attnNorm []float32 // attn_norm [dim]
	attention
	qNorm   []float32 // attn_q_norm [headDim], the same for every head
	kNorm   []float32 // attn_k_norm [headDim]
	ffnNorm []float32 // ffn_norm [dim]
	ffn     feedForward
}

func qwen3Config(c *Config, _ *keys) { c.Rope.Halves = true }

func bindQwen3(b *binder, c *Config) layer {
	return &qwen3Layer{
		attnNorm:  b.vector("attn_norm.weight", c.Dim),
		attention: b.attention(c),
		qNorm:     b.vector("attn_q_norm.weight", c.HeadDim),
		kNorm:     b.vector("attn_k_norm.weight", c.HeadDim),
		ffnNorm:   b.vector("ffn_norm.weight", c.Dim),
		ffn:       b.feedForward(c),
	}
}

func (t *qwen3Layer) forward(p *pass) error {
	x := p.norm(p.x, t.attnNorm)          // [n, dim]
	q, k, _ := p.project(x, &t.attention) // [n, heads*headDim] each
	p.normInPlace(q, t.qNorm)
	p.normInPlace(k, t.kNorm)
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
