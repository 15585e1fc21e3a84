package model

// llamaLayer is a layer of Llama 2 and 3 (arXiv 2307.09288, 2407.21783), Mistral and SmolLM2. A Mistral file's sliding_window
// is ignored, as everywhere else that runs such files: the key is a leftover of version 0.1.
type llamaLayer struct {
	attnNorm []float32 // attn_norm [dim]
	attention
	ffnNorm []float32 // ffn_norm [dim]
	ffn     feedForward
}

// llamaConfig: files store q and k permuted, so that neighbouring channels form the planes of the rotation.
func llamaConfig(c *Config, k *keys) {
	if k.countOr("expert_count", 0) > 0 {
		mixtralConfig(c, k)
	}
}

func bindLlama(b *binder, c *Config) layer {
	if c.Experts > 0 {
		return bindMixtral(b, c)
	}
	return &llamaLayer{
		attnNorm:  b.vector("attn_norm.weight", c.Dim),
		attention: b.attention(c),
		ffnNorm:   b.vector("ffn_norm.weight", c.Dim),
		ffn:       b.feedForward(c),
	}
}

func (t *llamaLayer) forward(p *pass) error {
	x := p.norm(p.x, t.attnNorm)          // [n, dim]
	q, k, _ := p.project(x, &t.attention) // [n, heads*headDim] each
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
