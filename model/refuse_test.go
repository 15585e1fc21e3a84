package model

import (
	"bytes"
	"strings"
	"testing"

	"pith/gguf"
	"pith/quant"
)

// edit describes a changed copy of a file.
type edit struct {
	set    map[string]any // keys with another value, or without one (nil)
	tensor func(t *gguf.Tensor) (name string, kind quant.Type, dims []int, data []byte)
	add    func(w *gguf.Writer)
}

// rewrite returns a copy of f with changes. A tensor whose new name is empty is left out.
func rewrite(t testing.TB, f *gguf.File, e edit) *gguf.File {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var w gguf.Writer
	for _, key := range f.Keys() {
		if _, changed := e.set[key]; !changed {
			must(w.Copy(f, key))
		}
	}
	for key, v := range e.set {
		if v != nil {
			must(w.Set(key, v))
		}
	}
	for _, x := range f.Tensors() {
		name, kind, dims, data := x.Name, x.Type, x.Dims, x.Data()
		if e.tensor != nil {
			name, kind, dims, data = e.tensor(x)
		}
		if name != "" {
			must(w.Add(name, kind, dims, data))
		}
	}
	if e.add != nil {
		e.add(&w)
	}
	var out bytes.Buffer
	_, err := w.WriteTo(&out)
	must(err)
	g, err := gguf.OpenBytes("rewritten", out.Bytes())
	must(err)
	t.Cleanup(func() { g.Close() })
	return g
}

// TestOpenRefuses: whatever the forward pass cannot honour is refused by the name of the key or tensor.
func TestOpenRefuses(t *testing.T) {
	without := func(gone string) func(*gguf.Tensor) (string, quant.Type, []int, []byte) {
		return func(x *gguf.Tensor) (string, quant.Type, []int, []byte) {
			if x.Name == gone {
				return "", 0, nil, nil
			}
			return x.Name, x.Type, x.Dims, x.Data()
		}
	}
	set := func(key string, v any) edit { return edit{set: map[string]any{key: v}} }
	extra := func(name string) edit {
		return edit{add: func(w *gguf.Writer) { _ = w.Add(name, quant.F32, []int{4}, make([]byte, 16)) }}
	}
	reshaped := func(name string, dims ...int) edit {
		return edit{tensor: func(x *gguf.Tensor) (string, quant.Type, []int, []byte) {
			if x.Name != name {
				return x.Name, x.Type, x.Dims, x.Data()
			}
			n := 4
			for _, d := range dims {
				n *= d
			}
			return x.Name, quant.F32, dims, make([]byte, n)
		}}
	}
	for _, c := range []struct {
		model string
		edit  edit
		want  string
	}{
		{"llama-tied/f32", set("general.architecture", nil), "key general.architecture: missing"},
		{"llama-tied/f32", set("general.architecture", "mamba"), `architecture "mamba": not supported`},
		{"llama-tied/f32", set("llama.block_count", nil), "key llama.block_count: missing"},
		{"llama-tied/f32", set("llama.block_count", uint32(5)), "tensor blk.4.attn_norm.weight: missing"},
		{"llama-tied/f32", set("llama.block_count", uint32(3)), "tensor blk.3.attn_"},
		{"llama-tied/f32", set("llama.block_count", uint32(0)), "key llama.block_count: 0 is not positive"},
		{"llama-tied/f32", set("llama.block_count", uint32(4e9)), "key llama.block_count"},
		{"llama-tied/f32", set("llama.block_count", "four"), "key llama.block_count: not a whole number"},
		{"llama-tied/f32", set("llama.context_length", nil), "key llama.context_length: missing"},
		{"llama-tied/f32", set("llama.embedding_length", nil), "key llama.embedding_length: missing"},
		{"llama-tied/f32", set("llama.embedding_length", uint32(72)), "tensor token_embd.weight: shape [64 320], want [72 320]"},
		{"llama-tied/f32", set("llama.feed_forward_length", nil), "key llama.feed_forward_length: missing"},
		{"llama-tied/f32", set("llama.feed_forward_length", uint32(95)), "tensor blk.0.ffn_gate.weight: shape [64 96], want [64 95]"},
		{"llama-tied/f32", set("llama.attention.head_count", nil), "key llama.attention.head_count: missing"},
		{"llama-tied/f32", set("llama.attention.head_count", uint32(7)), "not a multiple of 7 heads"},
		{"llama-tied/f32", set("llama.attention.head_count_kv", uint32(3)), "3 does not divide the 8 query heads"},
		{"llama-tied/f32", set("llama.attention.head_count_kv", uint32(0)), "key llama.attention.head_count_kv"},
		{"llama-tied/f32", set("llama.attention.head_count_kv", []int32{2, 2, 4, 2}), "differs between layers"},
		{"llama-tied/f32", set("llama.attention.key_length", uint32(0)), "key llama.attention.key_length"},
		{"llama-tied/f32", set("llama.attention.value_length", uint32(16)), "differs from the key length"},
		{"llama-tied/f32", set("llama.attention.layer_norm_rms_epsilon", nil), "layer_norm_rms_epsilon: missing"},
		{"llama-tied/f32", set("llama.attention.layer_norm_rms_epsilon", "small"), "layer_norm_rms_epsilon: not a number"},
		{"llama-tied/f32", set("llama.attention.causal", false), "attention.causal"},
		{"llama-tied/f32", set("llama.rope.dimension_count", uint32(7)), "key llama.rope.dimension_count: 7 of a head of 8"},
		{"llama-tied/f32", set("llama.rope.freq_base", float32(-1)), "key llama.rope.freq_base: -1 is not positive"},
		{"llama-tied/f32", set("llama.rope.scaling.type", "spiral"), `"spiral" is not supported`},
		{"llama-tied/f32", set("llama.rope.scaling.type", "linear"), "key llama.rope.scaling.factor"},
		{"llama-yarn/f32", set("llama.rope.scaling.original_context_length", nil), "original_context_length: missing"},
		{"llama-tied/f32", edit{tensor: without("token_embd.weight")}, "tensor token_embd.weight: missing"},
		{"llama-tied/f32", edit{tensor: without("output_norm.weight")}, "tensor output_norm.weight: missing"},
		{"llama-tied/f32", edit{tensor: without("blk.2.attn_k.weight")}, "tensor blk.2.attn_k.weight: missing"},
		{"llama-tied/f32", reshaped("blk.1.ffn_norm.weight", 63), "tensor blk.1.ffn_norm.weight: shape [63], want [64]"},
		{"llama-tied/f32", reshaped("token_embd.weight", 64), "tensor token_embd.weight"},
		{"llama-tied/f32", extra("blk.0.attn_sinks.weight"), "tensor blk.0.attn_sinks.weight: not a part"},
		{"llama-rope3-untied/f32", reshaped("rope_freqs.weight", 16), "tensor rope_freqs.weight: factor 0 of plane 0"},
		{"qwen2-bias/f32", edit{tensor: without("blk.3.attn_v.bias")}, "tensor blk.3.attn_v.bias: missing"},
		{"qwen3/f32", edit{tensor: without("blk.0.attn_q_norm.weight")}, "tensor blk.0.attn_q_norm.weight: missing"},
		{"qwen3moe/f32", set("qwen3moe.expert_used_count", uint32(9)), "9 of 8 experts"},
		{"qwen3moe/f32", set("qwen3moe.expert_used_count", nil), "expert_used_count: missing"},
		{"qwen3moe/f32", set("qwen3moe.expert_count", uint32(1<<30)), "tensor blk.0.ffn_gate_inp.weight"},
		{"qwen3moe/f32", set("qwen3moe.expert_feed_forward_length", nil), "expert_feed_forward_length: missing"},
		{"qwen3moe/f32", set("qwen3moe.expert_gating_func", uint32(2)), "expert_gating_func: 2 is not supported"},
		{"mixtral/f16", edit{tensor: without("blk.1.ffn_down_exps.weight")}, "tensor blk.1.ffn_down_exps.weight: missing"},
		{"gemma3-linear/f32", set("gemma3.attention.sliding_window", nil), "attention.sliding_window: missing"},
		{"gemma3-linear/f32", set("gemma3.attention.sliding_window_pattern", []bool{true}), "1 values for 7 layers"},
		{"gemma3-linear/f32", edit{tensor: without("blk.6.post_ffw_norm.weight")}, "tensor blk.6.post_ffw_norm.weight: missing"},
		{"phi3-longrope/f32", edit{tensor: without("rope_factors_short.weight")}, "tensor rope_factors_short.weight: missing"},
		{"phi3-longrope/f32", set("phi3.rope.scaling.type", "none"), "tensor rope_factors_"},
		{"granite/f32", set("granite.logit_scale", nil), "key granite.logit_scale: missing"},
		{"granite/f32", set("granite.logit_scale", float32(0)), "key granite.logit_scale: 0 is not positive"},
	} {
		_, err := Open(rewrite(t, openPacked(t, c.model), c.edit), Options{})
		if err == nil {
			t.Errorf("%s: opened, want %q", c.model, c.want)
		} else if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "model: ") {
			t.Errorf("%s: %v, want %q", c.model, err, c.want)
		}
	}
}

// TestOpenAcceptsVariants: other ways of storing the same model give the same logits.
func TestOpenAcceptsVariants(t *testing.T) {
	ids := []int32{5, 17, 300, 2, 2, 41}
	for _, c := range []struct {
		name, model string
		edit        edit
	}{
		{"head count for each layer", "llama-tied/f32", edit{set: map[string]any{"llama.attention.head_count_kv": []int32{2, 2, 2, 2}}}},
		{"linear scaling under its old key", "llama-tied/f32", edit{set: map[string]any{"llama.rope.scale_linear": float32(1)}}},
		{"window pattern as a period", "gemma3-linear/f32", edit{set: map[string]any{"gemma3.attention.sliding_window_pattern": uint32(6)}}},
		{"window pattern as a list", "gemma3-linear/f32", edit{set: map[string]any{
			"gemma3.attention.sliding_window_pattern": []bool{true, true, true, true, true, false, true}}}},
		{"frequencies that nobody needs", "llama-tied/f32", edit{add: func(w *gguf.Writer) {
			_ = w.Add("blk.0.attn_rot_embd.weight", quant.F32, []int{4}, make([]byte, 16))
		}}},
		{"one tensor an expert", "mixtral/f16", edit{tensor: nil}},
	} {
		f := openPacked(t, c.model)
		if c.model == "mixtral/f16" {
			c.edit = splitExperts(f)
		}
		want, got := logitsOf(t, f, ids), logitsOf(t, rewrite(t, f, c.edit), ids)
		if !equalBits(want, got) {
			t.Errorf("%s: other logits", c.name)
		}
	}
}

// splitExperts stores every expert as tensors of its own, as early Mixtral conversions do.
func splitExperts(f *gguf.File) edit {
	return edit{
		tensor: func(x *gguf.Tensor) (string, quant.Type, []int, []byte) {
			if strings.Contains(x.Name, "_exps") {
				return "", 0, nil, nil
			}
			return x.Name, x.Type, x.Dims, x.Data()
		},
		add: func(w *gguf.Writer) {
			for _, x := range f.Tensors() {
				stem, found := strings.CutSuffix(x.Name, "_exps.weight")
				if !found {
					continue
				}
				n, size := x.Dims[2], len(x.Data())/x.Dims[2]
				for i := range n {
					_ = w.Add(stem+"."+string(rune('0'+i))+".weight", x.Type, x.Dims[:2], x.Data()[i*size:(i+1)*size])
				}
			}
		},
	}
}
