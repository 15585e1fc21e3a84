package model

// mixtralLayer is a layer of Mixtral (arXiv 2401.04088): arch "llama" with routed experts in place of the dense part.
type mixtralLayer struct {
	attnNorm []float32 // attn_norm [dim]
	attention
	ffnNorm []float32 // ffn_norm [dim]
	experts experts
}

// mixtralConfig: an expert has the width that a dense part would have.
func mixtralConfig(c *Config, k *keys) {
	c.readExperts(k, k.count("feed_forward_length"))
}

func bindMixtral(b *binder, c *Config) layer {
	return &mixtralLayer{
		attnNorm:  b.vector("attn_norm.weight", c.Dim),
		attention: b.attention(c),
		ffnNorm:   b.vector("ffn_norm.weight", c.Dim),
		experts:   b.experts(c),
	}
}

func (t *mixtralLayer) forward(p *pass) error {
	x := p.norm(p.x, t.attnNorm)          // [n, dim]
	q, k, _ := p.project(x, &t.attention) // [n, heads*headDim] each
	p.rotate(q, k)
	y, err := p.attention(&t.attention) // [n, dim]
	if err != nil {
		return err
	}
	p.add(y)

	x = p.norm(p.x, t.ffnNorm)
	p.add(p.experts(x, &t.experts, siluRow))
	return nil
}
