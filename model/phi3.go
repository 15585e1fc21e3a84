package model

// phi3Layer is a layer of Phi-3, Phi-3.5 and Phi-4 (arXiv 2404.14219): Llama's, with queries, keys and values in one tensor,
// and gate and up in another. Long-context models rotate by factors for short or long sequences (longrope); some rotate only
// part of a head. The files' sliding_window is ignored: what runs these models widely attends to everything.
type phi3Layer struct {
	attnNorm []float32 // attn_norm [dim]
	attention
	ffnNorm []float32 // ffn_norm [dim]
	ffn     feedForward
}

func phi3Config(c *Config, _ *keys) { c.Rope.Halves = true }

func bindPhi3(b *binder, c *Config) layer {
	t := &phi3Layer{attnNorm: b.vector("attn_norm.weight", c.Dim), ffnNorm: b.vector("ffn_norm.weight", c.Dim)}
	if b.has("attn_q.weight") { // some conversions split it
		t.attention = b.attention(c)
	} else {
		t.attention = b.fusedAttention(c)
	}
	t.ffn = b.fusedFeedForward(c)
	return t
}

func (t *phi3Layer) forward(p *pass) error {
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
