package eval

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"pith/engine"
	"pith/gguf"
	"pith/internal/realmodel"
	_ "pith/method"
	"pith/quant"
)

// testContext is the context of the test model.
const testContext = 2048

// testEngine opens a llama of three layers with random weights and a vocabulary of bytes.
func testEngine(t *testing.T) *engine.Engine {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	writeModel(t, path)
	return open(t, path, engine.Options{Threads: 2, Exact: true})
}

func open(t *testing.T, path string, o engine.Options) *engine.Engine {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// realModel opens a real model, or skips the test.
func realModel(t *testing.T, name string, o engine.Options) *engine.Engine {
	t.Helper()
	return open(t, realmodel.Path(t, name), o)
}

// shared finds a file of the reference data, or skips the test.
func shared(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("PITH_SHARED")
	if dir == "" {
		dir = "../../shared"
	}
	path := filepath.Join(dir, "reference", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("left out: no reference data %s", name)
	}
	return path
}

func writeModel(t *testing.T, path string) {
	const layers, dim, heads, kvHeads, headDim, ffn, vocab = 3, 64, 4, 2, 16, 96, 258
	w := &gguf.Writer{}
	set := func(key string, v any) {
		if err := w.Set(key, v); err != nil {
			t.Fatal(err)
		}
	}
	for key, v := range map[string]any{
		"general.architecture": "llama", "general.name": "test", "llama.block_count": uint32(layers),
		"llama.context_length": uint32(testContext), "llama.embedding_length": uint32(dim), "llama.feed_forward_length": uint32(ffn),
		"llama.attention.head_count": uint32(heads), "llama.attention.head_count_kv": uint32(kvHeads),
		"llama.attention.layer_norm_rms_epsilon": float32(1e-5), "llama.rope.dimension_count": uint32(headDim),
		"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.merges": []string{},
		"tokenizer.ggml.eos_token_id": uint32(256),
		"tokenizer.chat_template":     "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n",
	} {
		set(key, v)
	}
	var tokens []string
	var kinds []int32
	next := rune(0x100)
	for b := range rune(256) { // the printable stand-ins for bytes of byte-level BPE
		if b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae {
			tokens = append(tokens, string(b))
		} else {
			tokens = append(tokens, string(next))
			next++
		}
		kinds = append(kinds, 1)
	}
	set("tokenizer.ggml.tokens", append(tokens, "<|im_end|>", "<|im_start|>"))
	set("tokenizer.ggml.token_type", append(kinds, 3, 3))

	random := rand.New(rand.NewPCG(5, 6))
	tensor := func(name string, scale float64, dims ...int) {
		n := 1
		for _, d := range dims {
			n *= d
		}
		data := make([]byte, 0, 4*n)
		for range n {
			v := 1.0
			if scale > 0 {
				v = scale * random.NormFloat64()
			}
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(v)))
		}
		if err := w.Add(name, quant.F32, dims, data); err != nil {
			t.Fatal(err)
		}
	}
	by := func(n int) float64 { return 1 / math.Sqrt(float64(n)) }
	tensor("token_embd.weight", 1, dim, vocab)
	tensor("output.weight", by(dim/8), dim, vocab)
	tensor("output_norm.weight", 0, dim)
	for l := range layers {
		name := func(s string) string { return fmt.Sprintf("blk.%d.%s.weight", l, s) }
		tensor(name("attn_norm"), 0, dim)
		tensor(name("attn_q"), 2*by(dim), dim, heads*headDim)
		tensor(name("attn_k"), by(dim), dim, kvHeads*headDim)
		tensor(name("attn_v"), by(dim), dim, kvHeads*headDim)
		tensor(name("attn_output"), by(heads*headDim), heads*headDim, dim)
		tensor(name("ffn_norm"), 0, dim)
		tensor(name("ffn_gate"), by(dim), dim, ffn)
		tensor(name("ffn_up"), by(dim), dim, ffn)
		tensor(name("ffn_down"), by(ffn), ffn, dim)
	}
	if err := w.WriteFile(path); err != nil {
		t.Fatal(err)
	}
}

// testRunner measures cases on an engine and collects the rows.
func testRunner(t *testing.T, e *engine.Engine, specs, keeps []string) (*Runner, *[]Row) {
	t.Helper()
	cases, err := Cases(specs, keeps, "")
	if err != nil {
		t.Fatal(err)
	}
	rows := &[]Row{}
	return &Runner{Engine: e, Cases: cases, Origin: Origin{Model: "test", Digest: "d", Arithmetic: "exact", Machine: "m", Threads: 2},
		Emit: func(r Row) error { *rows = append(*rows, r); return nil }}, rows
}

// randomWindows are windows of random tokens.
func randomWindows(n, context, positions int) []Window {
	random := rand.New(rand.NewPCG(1, 2))
	ids := func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = random.Int32N(256)
		}
		return out
	}
	ws := make([]Window, n)
	for i := range ws {
		ws[i] = Window{Window: i, Context: ids(context), Continuation: ids(positions + 1)}
	}
	return ws
}
