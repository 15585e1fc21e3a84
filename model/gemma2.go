package model

import "math"

// gemma2Layer is a layer of Gemma 2 (arXiv 2408.00118): every block is normed before and after, attention scores and logits
// are capped by tanh, and window layers alternate with global ones, a window layer first. Norm weights are stored with the
// model's 1 added.
type gemma2Layer struct {
	attnNorm []float32 // attn_norm [dim]
	attention
	postAttnNorm []float32 // post_attention_norm [dim]
	ffnNorm      []float32 // ffn_norm [dim]
	ffn          feedForward
	postFFNNorm  []float32 // post_ffw_norm [dim]
}

func gemma2Config(c *Config, k *keys) {
	c.Rope.Halves = true
	c.EmbedScale = float32(math.Sqrt(float64(c.Dim)))
	// The largest model divides its scores by the square root of dim/heads (4608/32), the others by that of the head
	// dimension; files do not say which.
	if c.Layers == 46 {
		c.AttnScale = float32(1 / math.Sqrt(float64(c.Dim)/float64(c.QHeads)))
	}
	// Early files lack these keys; all published models share the values.
	c.AttnSoftCap = float32(k.positive("attn_logit_softcapping", 50))
	c.LogitSoftCap = float32(k.positive("final_logit_softcapping", 30))
	k.windows(c, k.countOr("attention.sliding_window", 4096), 2)
}

func bindGemma2(b *binder, c *Config) layer {
	return &gemma2Layer{
		attnNorm:     b.vector("attn_norm.weight", c.Dim),
		attention:    b.attention(c),
		postAttnNorm: b.vector("post_attention_norm.weight", c.Dim),
		ffnNorm:      b.vector("ffn_norm.weight", c.Dim),
		ffn:          b.feedForward(c),
		postFFNNorm:  b.vector("post_ffw_norm.weight", c.Dim),
	}
}

func (t *gemma2Layer) forward(p *pass) error {
	x := p.norm(p.x, t.attnNorm)          // [n, dim]
	q, k, _ := p.project(x, &t.attention) // [n, heads*headDim] each
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
