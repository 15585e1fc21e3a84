package model

// smollm3Layer is a layer of SmolLM3: Llama's, but every fourth layer has no rotation and so sees no positions (NoPE, arXiv
// 2305.19466; RNoPE, arXiv 2501.18795). Which layers is a constant of the architecture, not a key.
type smollm3Layer struct {
	attnNorm []float32 // attn_norm [dim]
	attention
	ffnNorm []float32 // ffn_norm [dim]
	ffn     feedForward
}

func smollm3Config(c *Config, _ *keys) {
	c.Rope.Skip = make([]bool, c.Layers)
	for l := range c.Rope.Skip {
		c.Rope.Skip[l] = (l+1)%4 == 0
	}
}

func bindSmollm3(b *binder, c *Config) layer {
	return &smollm3Layer{
		attnNorm:  b.vector("attn_norm.weight", c.Dim),
		attention: b.attention(c),
		ffnNorm:   b.vector("ffn_norm.weight", c.Dim),
		ffn:       b.feedForward(c),
	}
}

func (t *smollm3Layer) forward(p *pass) error {
	x := p.norm(p.x, t.attnNorm)          // [n, dim]
	q, k, _ := p.project(x, &t.attention) // [n, heads*headDim] each
	p.rotate(q, k)                        // nothing in layers 3, 7, 11, ...
	y, err := p.attention(&t.attention)   // [n, dim]
	if err != nil {
		return err
	}
	p.add(y)

	x = p.norm(p.x, t.ffnNorm)
	p.add(p.feedForward(x, &t.ffn, siluRow))
	return nil
}
