package server

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"pith/chat"
	"pith/engine"
	"pith/gguf"
	_ "pith/method"
	"pith/quant"
)

// Ids of the test model's special tokens; the 256 before them are bytes.
const (
	testEnd   = 256 + iota // <|im_end|>
	testStart              // <|im_start|>
	testVocab
)

const testContext = 4096

// testModel writes a llama of two layers with random weights and a vocabulary of bytes, and opens it.
func testModel(t *testing.T, id string, o engine.Options) Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	writeModel(t, path)
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	o.Threads = 1
	e, err := engine.New(f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	template, err := chat.ForModel(e.File(), e.Tokenizer())
	if err != nil {
		t.Fatal(err)
	}
	return Model{ID: id, Engine: e, Template: template, Created: time.Unix(1700000000, 0)}
}

func writeModel(t *testing.T, path string) {
	const layers, dim, heads, kvHeads, headDim, ffn = 2, 64, 4, 2, 16, 96
	w := &gguf.Writer{}
	set := func(key string, v any) {
		if err := w.Set(key, v); err != nil {
			t.Fatal(err)
		}
	}
	set("general.architecture", "llama")
	set("general.name", "test")
	set("llama.block_count", uint32(layers))
	set("llama.context_length", uint32(testContext))
	set("llama.embedding_length", uint32(dim))
	set("llama.feed_forward_length", uint32(ffn))
	set("llama.attention.head_count", uint32(heads))
	set("llama.attention.head_count_kv", uint32(kvHeads))
	set("llama.attention.layer_norm_rms_epsilon", float32(1e-5))
	set("llama.rope.dimension_count", uint32(headDim))
	var tokens []string
	var kinds []int32
	next := rune(0x100)
	for b := range rune(256) { // GPT-2's table of printable stand-ins for bytes
		switch {
		case b >= '!' && b <= '~', b >= 0xa1 && b <= 0xac, b >= 0xae:
			tokens = append(tokens, string(b))
		default:
			tokens = append(tokens, string(next))
			next++
		}
		kinds = append(kinds, 1)
	}
	tokens, kinds = append(tokens, "<|im_end|>", "<|im_start|>"), append(kinds, 3, 3)
	set("tokenizer.ggml.model", "gpt2")
	set("tokenizer.ggml.pre", "gpt-2")
	set("tokenizer.ggml.tokens", tokens)
	set("tokenizer.ggml.token_type", kinds)
	set("tokenizer.ggml.merges", []string{})
	set("tokenizer.ggml.eos_token_id", uint32(testEnd))
	set("tokenizer.chat_template", "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n")

	random := rand.New(rand.NewPCG(3, 4))
	tensor := func(name string, draw func() float64, dims ...int) {
		n := 1
		for _, d := range dims {
			n *= d
		}
		data := make([]byte, 0, 4*n)
		for range n {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(draw())))
		}
		if err := w.Add(name, quant.F32, dims, data); err != nil {
			t.Fatal(err)
		}
	}
	one := func() float64 { return 1 }
	normal := func(in int) func() float64 {
		return func() float64 { return random.NormFloat64() / math.Sqrt(float64(in)) }
	}
	tensor("token_embd.weight", random.NormFloat64, dim, testVocab)
	tensor("output.weight", normal(dim/8), dim, testVocab) // sharp enough that greedy choices have clear margins
	tensor("output_norm.weight", one, dim)
	for l := range layers {
		name := func(s string) string { return fmt.Sprintf("blk.%d.%s.weight", l, s) }
		tensor(name("attn_norm"), one, dim)
		tensor(name("attn_q"), normal(dim), dim, heads*headDim)
		tensor(name("attn_k"), normal(dim), dim, kvHeads*headDim)
		tensor(name("attn_v"), normal(dim), dim, kvHeads*headDim)
		tensor(name("attn_output"), normal(heads*headDim), heads*headDim, dim)
		tensor(name("ffn_norm"), one, dim)
		tensor(name("ffn_gate"), normal(dim), dim, ffn)
		tensor(name("ffn_up"), normal(dim), dim, ffn)
		tensor(name("ffn_down"), normal(ffn), ffn, dim)
	}
	if err := w.WriteFile(path); err != nil {
		t.Fatal(err)
	}
}
