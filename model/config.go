package model

import (
	"math"

	"pith/gguf"
)

// Config describes a model: its sizes and the constants of its forward pass, as read from the file's metadata.
type Config struct {
	Arch string // the file's general.architecture; a Mixtral's is "llama"
	Name string // general.name, may be empty

	Layers  int
	Dim     int // width of the residual stream
	QHeads  int // query heads, a multiple of KVHeads
	KVHeads int
	HeadDim int // of queries, keys and values; Dim/QHeads in many models, not in all
	FFN     int // inner width of the dense feed-forward part
	Vocab   int // rows of the embedding: ids that Embed takes, logits of a row. May exceed the tokenizer's size.
	Context int // positions that the model was trained for

	// Window has one element a layer. 0: a row sees everything before it. w > 0: a row at position p sees the positions
	// p-w+1..p, itself included.
	Window []int

	Experts     int // experts of a layer; 0 in a dense model
	ExpertsUsed int // experts that a row is sent through
	ExpertFFN   int // inner width of one expert

	NormEps       float32
	AttnScale     float32 // of the scores q·k
	AttnSoftCap   float32 // scores become c*tanh(score/c); 0 = none
	LogitSoftCap  float32 // logits likewise
	EmbedScale    float32 // of the embedding's rows
	ResidualScale float32 // of what a block adds to the residual stream
	LogitScale    float32 // of the logits, before their cap
	Tied          bool    // the output matrix is the embedding

	Rope Rope
}

// Group is the number of query heads that share a KV head. Query heads h*Group..h*Group+Group-1 read KV head h.
func (c *Config) Group() int { return c.QHeads / c.KVHeads }

// GlobalLayers lists the layers in which a row sees everything before it: those that budgets and methods act on.
func (c *Config) GlobalLayers() []int { return c.layers(func(w int) bool { return w == 0 }) }

// WindowLayers lists the layers in which a row sees only its window.
func (c *Config) WindowLayers() []int { return c.layers(func(w int) bool { return w > 0 }) }

func (c *Config) layers(want func(window int) bool) (out []int) {
	for l, w := range c.Window {
		if want(w) {
			out = append(out, l)
		}
	}
	return out
}

// readConfig fills what all architectures share; arch.config then reads or sets the rest.
func readConfig(f *gguf.File, a *architecture) (*Config, error) {
	k := &keys{f: f, arch: a.name}
	c := &Config{Arch: a.name, EmbedScale: 1, ResidualScale: 1, LogitScale: 1}
	c.Name, _ = f.String("general.name")

	c.Layers = k.count("block_count")
	c.Context = k.count("context_length")
	c.Dim = k.count("embedding_length")
	c.QHeads = k.count("attention.head_count")
	c.KVHeads = k.positiveOr("attention.head_count_kv", c.QHeads)
	c.HeadDim = c.Dim / max(c.QHeads, 1)
	if !k.has("attention.key_length") && c.QHeads > 0 && c.Dim%c.QHeads != 0 {
		k.fail("embedding_length", "%d, not a multiple of %d heads, and there is no attention.key_length", c.Dim, c.QHeads)
	}
	c.HeadDim = k.positiveOr("attention.key_length", c.HeadDim)
	if v := k.positiveOr("attention.value_length", c.HeadDim); v != c.HeadDim {
		k.fail("attention.value_length", "%d differs from the key length %d: not supported", v, c.HeadDim)
	}
	if c.KVHeads > 0 && c.QHeads%c.KVHeads != 0 {
		k.fail("attention.head_count_kv", "%d does not divide the %d query heads", c.KVHeads, c.QHeads)
	}
	if !k.has("attention.layer_norm_rms_epsilon") {
		k.fail("attention.layer_norm_rms_epsilon", "missing")
	}
	c.NormEps = float32(k.positive("attention.layer_norm_rms_epsilon", 1))
	c.AttnScale = float32(1 / math.Sqrt(float64(max(c.HeadDim, 1))))
	if causal, ok := k.bool("attention.causal"); ok && !causal {
		k.fail("attention.causal", "false: models that look ahead are not supported")
	}

	// Every layer has tensors of its own, so a larger count is a lie, and nothing is sized by it.
	if c.Layers > len(f.Tensors()) {
		k.fail("block_count", "%d, but the file has %d tensors", c.Layers, len(f.Tensors()))
		return nil, k.err
	}
	c.Window = make([]int, c.Layers)

	if e, ok := f.Tensor("token_embd.weight"); !ok {
		k.failTensor("token_embd.weight", "missing")
	} else if len(e.Dims) == 2 {
		c.Vocab = e.Dims[1]
	}
	_, untied := f.Tensor("output.weight")
	c.Tied = !untied

	c.Rope.read(k, c)
	if k.err == nil {
		a.config(c, k)
	}
	if c.Experts == 0 && k.err == nil {
		c.FFN = k.count("feed_forward_length")
	}
	return c, k.err
}

// readExperts reads the sizes of routed experts.
func (c *Config) readExperts(k *keys, ffn int) {
	c.Experts = k.count("expert_count")
	c.ExpertsUsed = k.count("expert_used_count")
	c.ExpertFFN = ffn
	if c.ExpertsUsed > c.Experts {
		k.fail("expert_used_count", "%d of %d experts", c.ExpertsUsed, c.Experts)
	}
	if n := k.countOr("expert_shared_count", 0); n > 0 {
		k.fail("expert_shared_count", "%d: shared experts are not supported in this architecture", n)
	}
	// 1 is a softmax over the router's logits; others (sigmoid) belong to architectures that are not here.
	if g := k.countOr("expert_gating_func", 1); g != 1 {
		k.fail("expert_gating_func", "%d is not supported", g)
	}
}
