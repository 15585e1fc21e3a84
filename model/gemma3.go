package model

import "math"

// gemma3Layer is a layer of Gemma 3's text models (arXiv 2503.19786): Gemma 2's four norms, no caps, queries and keys normed
// head by head, and five window layers for each global one. Window layers rotate with a base of their own, and only global
// layers are stretched. Norm weights are stored with the model's 1 added.
type gemma3Layer struct {
	attnNorm []float32 // attn_norm [dim]
	attention
	qNorm        []float32 // attn_q_norm [headDim]
	kNorm        []float32 // attn_k_norm [headDim]
	postAttnNorm []float32 // post_attention_norm [dim]
	ffnNorm      []float32 // ffn_norm [dim]
	ffn          feedForward
	postFFNNorm  []float32 // post_ffw_norm [dim]
}

func gemma3Config(c *Config, k *keys) {
	c.Rope.Halves = true
	c.Rope.LocalBase = k.positive("rope.freq_base_swa", 10000)
	c.EmbedScale = float32(math.Sqrt(float64(c.Dim)))
	// As in Gemma 2, the largest model alone takes dim/heads (5376/32) for the scale, and files do not say so.
	if c.Layers == 62 {
		c.AttnScale = float32(1 / math.Sqrt(float64(c.Dim)/float64(c.QHeads)))
	}
	if k.has("final_logit_softcapping") {
		c.LogitSoftCap = float32(k.floatOr("final_logit_softcapping", 0))
	}
	k.windows(c, k.count("attention.sliding_window"), 6)
}

func bindGemma3(b *binder, c *Config) layer {
	return &gemma3Layer{
		attnNorm:     b.vector("attn_norm.weight", c.Dim),
		attention:    b.attention(c),
		qNorm:        b.vector("attn_q_norm.weight", c.HeadDim),
		kNorm:        b.vector("attn_k_norm.weight", c.HeadDim),
		postAttnNorm: b.vector("post_attention_norm.weight", c.Dim),
		ffnNorm:      b.vector("ffn_norm.weight", c.Dim),
		ffn:          b.feedForward(c),
		postFFNNorm:  b.vector("post_ffw_norm.weight", c.Dim),
	}
}

func (t *gemma3Layer) forward(p *pass) error {
	x := p.norm(p.x, t.attnNorm)          // [n, dim]
	q, k, _ := p.project(x, &t.attention) // [n, heads*headDim] each
	p.normInPlace(q, t.qNorm)
	p.normInPlace(k, t.kNorm)
	p.rotate(q, k)
	y, err := p.attention(&t.attention) // [n, dim]
	if err != nil {
		return err
	}
	p.normInPlace(y, t.postAttnNorm)
	p.add(y)

	x = p.norm(p.x, t.ffnNorm)
	y = p.feedForward(x, &t.ffn, geluRow)
	p.normInPlace(y, t.postFFNNorm)
	p.add(y)
	return nil
}
