package model

// graniteLayer is a layer of IBM's Granite 3: Llama's, with constants that multiply embeddings, attention scores and what
// each block adds to the residual stream, and that divide the logits.
type graniteLayer struct {
	attnNorm []float32 // attn_norm [dim]
	attention
	ffnNorm []float32 // ffn_norm [dim]
	ffn     feedForward
}

func graniteConfig(c *Config, k *keys) {
	if !k.has("logit_scale") {
		k.fail("logit_scale", "missing")
	}
	c.LogitScale = float32(1 / k.positive("logit_scale", 1))
	for _, m := range []struct {
		key  string
		into *float32
	}{
		{"embedding_scale", &c.EmbedScale}, {"residual_scale", &c.ResidualScale}, {"attention.scale", &c.AttnScale},
	} {
		if v := k.floatOr(m.key, 0); v != 0 { // 0 stands for "not stated"
			*m.into = float32(v)
		}
	}
	// In this architecture the key says whether there is a rotation at all.
	if rotates, ok := k.bool("rope.scaling.finetuned"); ok && !rotates {
		c.Rope.Skip = make([]bool, c.Layers)
		for l := range c.Rope.Skip {
			c.Rope.Skip[l] = true
		}
	}
}

func bindGranite(b *binder, c *Config) layer {
	return &graniteLayer{
		attnNorm:  b.vector("attn_norm.weight", c.Dim),
		attention: b.attention(c),
		ffnNorm:   b.vector("ffn_norm.weight", c.Dim),
		ffn:       b.feedForward(c),
	}
}

func (t *graniteLayer) forward(p *pass) error {
	x := p.norm(p.x, t.attnNorm)          // [n, dim]
	q, k, _ := p.project(x, &t.attention) // [n, heads*headDim] each
	p.rotate(q, k)
	y, err := p.attention(&t.attention) // [n, dim]
	if err != nil {
		return err
	}
	p.add(y) // times residual_scale

	x = p.norm(p.x, t.ffnNorm)
	p.add(p.feedForward(x, &t.ffn, siluRow))
	return nil
}
