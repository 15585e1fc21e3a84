package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"pith/gguf"
	"pith/quant"
)

// shape is the outline of a model of the llama architecture.
type shape struct {
	layers, dim, qHeads, kvHeads, headDim, ffn, vocab, context int
	ropeBase                                                   float32
}

// shapes are the models that can be made up. Their weights are random: they measure speed and memory, and answer nonsense.
var shapes = map[string]shape{
	"llama-1b": {16, 2048, 32, 8, 64, 8192, 128256, 131072, 500000}, // Llama 3.2 1B, tied output
	"smollm2":  {30, 576, 9, 3, 64, 1536, 49152, 8192, 100000},      // SmolLM2 135M, tied output
	"tiny":     {2, 256, 8, 2, 32, 512, 512, 4096, 10000},           // for tests
}

// mixes tell which format each matrix of a file gets; norms are always f32.
var mixes = map[string]func(s *shape, tensor string, layer int) quant.Type{
	"q4_k_m": func(s *shape, tensor string, layer int) quant.Type {
		// Half of the layers, the first and last eighth among them, keep values and the way down in 6 bits, as files of that name do.
		more := layer < s.layers/8 || layer >= 7*s.layers/8 || (layer-s.layers/8)%3 == 2
		if tensor == "token_embd" || more && (tensor == "attn_v" || tensor == "ffn_down") {
			return quant.Q6_K
		}
		return quant.Q4_K
	},
	"q4_0": func(_ *shape, tensor string, _ int) quant.Type {
		if tensor == "token_embd" {
			return quant.Q6_K // as files of that name have it
		}
		return quant.Q4_0
	},
}

// synthesize returns the path of a random-weight model such as "llama-1b:q4_0" in dir, writing it if it is not there yet. The same
// spec gives the same bytes on every machine.
func synthesize(spec, dir string) (path string, made bool, err error) {
	name, format, _ := strings.Cut(strings.ToLower(spec), ":")
	s, ok := shapes[name]
	if !ok {
		return "", false, usagef("--synthetic %s: there is no shape %q; want %s", spec, name, strings.Join(slices.Sorted(maps.Keys(shapes)), ", "))
	}
	if format == "" {
		format = "q4_0"
	}
	mix, ok := mixes[format]
	if !ok {
		t, known := quant.Parse(format)
		f, _ := quant.Lookup(t)
		if !known || f.Encode == nil {
			return "", false, usagef("--synthetic %s: cannot write %q", spec, format)
		}
		mix = func(*shape, string, int) quant.Type { return t }
	}
	path = filepath.Join(dir, fmt.Sprintf("%s-%s-random-2.gguf", name, format))
	if _, err := os.Stat(path); err == nil {
		return path, false, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", false, err
	}
	w, err := s.writer(name, format, mix)
	if err != nil {
		return "", false, err
	}
	return path, true, w.WriteFile(path)
}

// writer lays out metadata and tensors; weights are drawn while the file is written.
func (s *shape) writer(name, format string, mix func(*shape, string, int) quant.Type) (*gguf.Writer, error) {
	w := &gguf.Writer{}
	var failed error
	set := func(key string, v any) {
		if err := w.Set(key, v); err != nil && failed == nil {
			failed = err
		}
	}
	set("general.architecture", "llama")
	set("general.name", "random weights, "+name+" "+format)
	set("llama.block_count", uint32(s.layers))
	set("llama.context_length", uint32(s.context))
	set("llama.embedding_length", uint32(s.dim))
	set("llama.feed_forward_length", uint32(s.ffn))
	set("llama.attention.head_count", uint32(s.qHeads))
	set("llama.attention.head_count_kv", uint32(s.kvHeads))
	set("llama.attention.key_length", uint32(s.headDim))
	set("llama.attention.value_length", uint32(s.headDim))
	set("llama.attention.layer_norm_rms_epsilon", float32(1e-5))
	set("llama.rope.dimension_count", uint32(s.headDim))
	set("llama.rope.freq_base", s.ropeBase)
	s.vocabulary(set)

	seed, all := uint64(0), pools{}
	matrix := func(tensor string, layer, in, out int) {
		t := mix(s, tensor, layer)
		seed++
		full := tensor + ".weight"
		if layer >= 0 {
			full = fmt.Sprintf("blk.%d.%s", layer, full)
		}
		if err := w.AddFunc(full, t, []int{in, out}, all.matrix(t, in, out, seed)); err != nil && failed == nil {
			failed = err
		}
	}
	ones := make([]byte, 4*s.dim)
	for i := range s.dim {
		ones[4*i+2], ones[4*i+3] = 0x80, 0x3f // 1.0
	}
	norm := func(tensor string) {
		if err := w.Add(tensor+".weight", quant.F32, []int{s.dim}, ones); err != nil && failed == nil {
			failed = err
		}
	}
	matrix("token_embd", -1, s.dim, s.vocab)
	norm("output_norm")
	q, kv := s.qHeads*s.headDim, s.kvHeads*s.headDim
	for l := range s.layers {
		norm(fmt.Sprintf("blk.%d.attn_norm", l))
		matrix("attn_q", l, s.dim, q)
		matrix("attn_k", l, s.dim, kv)
		matrix("attn_v", l, s.dim, kv)
		matrix("attn_output", l, q, s.dim)
		norm(fmt.Sprintf("blk.%d.ffn_norm", l))
		matrix("ffn_gate", l, s.dim, s.ffn)
		matrix("ffn_up", l, s.dim, s.ffn)
		matrix("ffn_down", l, s.ffn, s.dim)
	}
	return w, failed
}

// vocabulary is byte-level: 256 bytes, a few control tokens, and words that no merge reaches.
func (s *shape) vocabulary(set func(string, any)) {
	tokens := make([]string, 0, s.vocab)
	kinds := make([]int32, 0, s.vocab)
	add := func(text string, kind int32) { tokens, kinds = append(tokens, text), append(kinds, kind) }
	const normal, control = 1, 3
	// GPT-2's table: printable bytes stand for themselves, the others for the characters from U+0100 on.
	next := rune(0x100)
	for b := range rune(256) {
		if b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae {
			add(string(b), normal)
		} else {
			add(string(next), normal)
			next++
		}
	}
	bos, eos := len(tokens), len(tokens)+1
	for _, t := range []string{"<|begin|>", "<|end|>", "<|im_start|>", "<|im_end|>"} {
		add(t, control)
	}
	for len(tokens) < s.vocab {
		add(fmt.Sprintf("word%d", len(tokens)), normal)
	}
	set("tokenizer.ggml.model", "gpt2")
	set("tokenizer.ggml.pre", "gpt-2")
	set("tokenizer.ggml.tokens", tokens)
	set("tokenizer.ggml.token_type", kinds)
	set("tokenizer.ggml.merges", []string{"e r"})
	set("tokenizer.ggml.bos_token_id", uint32(bos))
	set("tokenizer.ggml.eos_token_id", uint32(eos))
	set("tokenizer.ggml.add_bos_token", false)
	set("tokenizer.chat_template", "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"+
		"{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
}

// poolUnits is the number of encoded pieces that matrices of one format and width are put together from. Encoding the K formats is a
// search and would take minutes for a billion weights; products neither know nor profit from a piece that they have seen before.
const poolUnits = 1 << 13

// pool is a set of encoded weights of variance 1/in, so that activations keep their size through any number of layers.
type pool struct {
	unit int // bytes of a piece
	data []byte
}

// pools makes each pool once.
type pools map[[2]int]*pool

func (ps pools) of(t quant.Type, in int) *pool {
	key := [2]int{int(t), in}
	if p := ps[key]; p != nil {
		return p
	}
	f, _ := quant.Lookup(t)
	elems := max(f.BlockElems, 32) // of a piece
	p := &pool{unit: f.Bytes(elems)}
	p.data = make([]byte, poolUnits*p.unit)
	deviation := float32(1 / math.Sqrt(float64(in)))
	var wait sync.WaitGroup
	const parts = 16
	for part := range parts {
		wait.Go(func() {
			random := rand.NewPCG(uint64(t), uint64(in)<<8|uint64(part))
			weights := make([]float32, elems)
			for u := part * poolUnits / parts; u < (part+1)*poolUnits/parts; u++ {
				for j := range weights {
					weights[j] = deviation * roughlyNormal(random.Uint64())
				}
				f.Encode(p.data[u*p.unit:(u+1)*p.unit], weights)
			}
		})
	}
	wait.Wait()
	ps[key] = p
	return p
}

// matrix writes so many bytes of pieces in random order.
func (ps pools) matrix(t quant.Type, in, out int, seed uint64) func(io.Writer) error {
	return func(dst io.Writer) error {
		p := ps.of(t, in)
		f, _ := quant.Lookup(t)
		random := rand.NewPCG(seed, 0)
		for n := f.Bytes(in*out) / p.unit; n > 0; n-- {
			u := int(random.Uint64() % poolUnits)
			if _, err := dst.Write(p.data[u*p.unit : (u+1)*p.unit]); err != nil {
				return err
			}
		}
		return nil
	}
}

// roughlyNormal adds four uniform numbers of 16 bits: variance 1, a bell within ±3.5, and the same on every machine.
func roughlyNormal(bits uint64) float32 {
	sum := int32(bits&0xffff) + int32(bits>>16&0xffff) + int32(bits>>32&0xffff) + int32(bits>>48)
	const scale = 1.7320508 / 65536 // √3: four uniforms of width 1 have variance 4/12
	return float32(sum-2*65535) * scale
}
