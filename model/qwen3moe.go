package model

// qwen3moeLayer is a layer of Qwen3's mixtures of experts (arXiv 2505.09388): Qwen3's attention, routed experts without a
// shared one, and the chosen experts' weights scaled to sum to one.
type qwen3moeLayer struct {
	attnNorm []float32 // attn_norm [dim]
	attention
	qNorm   []float32 // attn_q_norm [headDim]
	kNorm   []float32 // attn_k_norm [headDim]
	ffnNorm []float32 // ffn_norm [dim]
	experts experts
}

func qwen3moeConfig(c *Config, k *keys) {
	c.Rope.Halves = true
	c.readExperts(k, k.count("expert_feed_forward_length"))
}

func bindQwen3moe(b *binder, c *Config) layer {
	return &qwen3moeLayer{
		attnNorm:  b.vector("attn_norm.weight", c.Dim),
		attention: b.attention(c),
		qNorm:     b.vector("attn_q_norm.weight", c.HeadDim),
		kNorm:     b.vector("attn_k_norm.weight", c.HeadDim),
		ffnNorm:   b.vector("ffn_norm.weight", c.Dim),
		experts:   b.experts(c),
	}
}

func (t *qwen3moeLayer) forward(p *pass) error {
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
	p.add(p.experts(x, &t.experts, siluRow))
	return nil
}
