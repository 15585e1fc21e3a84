"""Makes the reference cases that shared/reference/arch lacks: routed experts (mixtral, qwen3moe) and soft caps (gemma2).

    python3 generate_reference.py OUT [NAME...] && python3 pack.py OUT/*

The independent implementation is Hugging Face transformers in f32 with eager attention on one thread. Made with
torch 2.15.0, transformers 5.2.0, gguf 0.19.0, numpy 2.4.6. The form of the files is that of shared/reference/arch.

Weights are random and rounded to bf16 or f16, so that they compress; scales are chosen so that attention is peaked, scores reach the caps and
routing is decided (the smallest gap between the last chosen and the first refused expert is printed, and must be far above f32 noise).
Printed last: what the reference would be with one thing wrong, to show that the case sees it.
"""
import json, pathlib, sys
import gguf, numpy as np, torch, transformers

VOCAB, SEQS = 320, {"a": (200, 256), "b": (600, 1024)}
torch.set_num_threads(1)
torch.set_grad_enabled(False)

BASE = dict(vocab_size=VOCAB, hidden_size=64, max_position_embeddings=2048, attn_implementation="eager")
CASES = {
    # arch "llama" with experts: q and k rows are permuted, so that neighbours form the planes of the rotation.
    "mixtral": dict(
        arch="llama", seed=101, kind="f16", cls=transformers.MixtralForCausalLM,
        config=transformers.MixtralConfig(
            **BASE, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-5,
            num_local_experts=6, num_experts_per_tok=2, sliding_window=None, tie_word_embeddings=False,
            rope_parameters={"rope_theta": 1e6, "rope_type": "default"}, experts_implementation="eager")),
    "qwen3moe": dict(
        arch="qwen3moe", seed=202, kind="f32", cls=transformers.Qwen3MoeForCausalLM,
        config=transformers.Qwen3MoeConfig(
            **BASE, intermediate_size=160, moe_intermediate_size=32, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
            head_dim=32, rms_norm_eps=1e-6, num_experts=8, num_experts_per_tok=3, norm_topk_prob=True, decoder_sparse_step=1,
            mlp_only_layers=[], tie_word_embeddings=False, rope_parameters={"rope_theta": 1e6, "rope_type": "default"},
            experts_implementation="eager")),
    "gemma2": dict(
        arch="gemma2", seed=303, kind="f32", cls=transformers.Gemma2ForCausalLM,
        config=transformers.Gemma2Config(
            **BASE, intermediate_size=96, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
            query_pre_attn_scalar=32, sliding_window=48, attn_logit_softcapping=8.0, final_logit_softcapping=6.0, rms_norm_eps=1e-6,
            tie_word_embeddings=True, rope_parameters={"rope_theta": 10000.0, "rope_type": "default"})),
}


def draw(case):
    """GGUF name -> array in the order of HF (outputs first), and which of them are norms."""
    c, rng, gemma = case["config"], np.random.default_rng(case["seed"]), case["arch"] == "gemma2"
    d, heads, kv = c.hidden_size, c.num_attention_heads, c.num_key_value_heads
    hd = getattr(c, "head_dim", None) or d // heads
    w = {}

    def mat(name, *shape, gain=1.0):
        w[name] = rng.normal(0, gain / np.sqrt(shape[-1]), shape)

    def norm(name, n, mean=1.0):
        w[name] = rng.normal(mean, 0.25, n)

    mat("token_embd", VOCAB, d, gain=2.5 if gemma else 8.0)
    norm("output_norm", d)
    if not c.tie_word_embeddings:
        mat("output", VOCAB, d, gain=2.5)
    for l in range(c.num_hidden_layers):
        b = f"blk.{l}."
        norm(b + "attn_norm", d)
        mat(b + "attn_q", heads * hd, d, gain=2.4 if gemma else 1.6)
        mat(b + "attn_k", kv * hd, d, gain=2.4 if gemma else 1.6)
        mat(b + "attn_v", kv * hd, d)
        mat(b + "attn_output", d, heads * hd)
        if case["arch"] == "qwen3moe":
            norm(b + "attn_q_norm", hd, 1.6)
            norm(b + "attn_k_norm", hd, 1.6)
        if gemma:
            norm(b + "post_attention_norm", d, 3.0)
            norm(b + "post_ffw_norm", d, 3.0)
        norm(b + "ffn_norm", d)
        n = getattr(c, "num_local_experts", 0) or getattr(c, "num_experts", 0)
        if n:
            ffn = getattr(c, "moe_intermediate_size", c.intermediate_size)
            mat(b + "ffn_gate_inp", n, d, gain=2.0)
            mat(b + "ffn_gate_exps", n, ffn, d)
            mat(b + "ffn_up_exps", n, ffn, d)
            mat(b + "ffn_down_exps", n, d, ffn, gain=2.0)
        else:
            mat(b + "ffn_gate", c.intermediate_size, d)
            mat(b + "ffn_up", c.intermediate_size, d)
            mat(b + "ffn_down", d, c.intermediate_size)
    for name in w:
        x = torch.tensor(w[name])
        half = case["kind"] == "f16" and x.ndim > 1
        w[name] = x.to(torch.float16 if half else torch.bfloat16).to(torch.float32).numpy()
    return w


def permute(x, heads):
    """Rows of a head: first half and second half of the rotation's planes -> neighbours."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, x.shape[1]).swapaxes(1, 2).reshape(x.shape)


def write_gguf(path, name, case, w):
    c, out = case["config"], gguf.GGUFWriter(path, case["arch"])
    out.add_name("pith-ref-" + name)
    out.add_context_length(c.max_position_embeddings)
    out.add_embedding_length(c.hidden_size)
    out.add_block_count(c.num_hidden_layers)
    out.add_feed_forward_length(c.intermediate_size)
    out.add_head_count(c.num_attention_heads)
    out.add_head_count_kv(c.num_key_value_heads)
    out.add_layer_norm_rms_eps(c.rms_norm_eps)
    out.add_vocab_size(VOCAB)
    out.add_rope_freq_base(c.rope_parameters["rope_theta"])
    if case["arch"] != "llama":
        out.add_key_length(c.head_dim)
        out.add_value_length(c.head_dim)
    else:
        out.add_rope_dimension_count(c.hidden_size // c.num_attention_heads)
        out.add_expert_count(c.num_local_experts)
        out.add_expert_used_count(c.num_experts_per_tok)
    if case["arch"] == "qwen3moe":
        out.add_expert_count(c.num_experts)
        out.add_expert_used_count(c.num_experts_per_tok)
        out.add_expert_feed_forward_length(c.moe_intermediate_size)
    if case["arch"] == "gemma2":
        out.add_attn_logit_softcapping(c.attn_logit_softcapping)
        out.add_final_logit_softcapping(c.final_logit_softcapping)
        out.add_sliding_window(c.sliding_window)
    for tensor, x in w.items():
        if case["arch"] == "llama" and tensor.endswith("attn_q"):
            x = permute(x, c.num_attention_heads)
        if case["arch"] == "llama" and tensor.endswith("attn_k"):
            x = permute(x, c.num_key_value_heads)
        half = case["kind"] == "f16" and x.ndim > 1 and not tensor.endswith("ffn_gate_inp")
        out.add_tensor(tensor + ".weight", np.ascontiguousarray(x, dtype=np.float16 if half else np.float32))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def read_back(path, case):
    """The weights of the GGUF, q and k in HF's order again."""
    c, w = case["config"], {}
    for t in gguf.GGUFReader(path).tensors:
        x = gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32)
        for part, heads in (("attn_q", c.num_attention_heads), ("attn_k", c.num_key_value_heads)):
            if case["arch"] == "llama" and t.name.endswith(part + ".weight"):
                x = x.reshape(heads, x.shape[0] // heads // 2, 2, x.shape[1]).swapaxes(1, 2).reshape(x.shape)
        w[t.name.removesuffix(".weight")] = torch.tensor(np.array(x))
    return w


NAMES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm", "attn_norm": "input_layernorm",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "ffn_gate_inp": "mlp.gate"}


def load(case, w):
    model = case["cls"](case["config"]).eval().float()
    gemma, state = case["arch"] == "gemma2", {}
    names = dict(NAMES, ffn_norm="pre_feedforward_layernorm" if gemma else "post_attention_layernorm",
                 post_attention_norm="post_attention_layernorm", post_ffw_norm="post_feedforward_layernorm")
    for tensor, x in w.items():
        if gemma and tensor.endswith("norm"):
            x = x - 1          # the file's norms have the model's 1 added
        if not tensor.startswith("blk."):
            state[{"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}[tensor] + ".weight"] = x
            continue
        _, l, part = tensor.split(".")
        at = f"model.layers.{l}."
        if part == "ffn_gate_exps":
            state[at + "mlp.experts.gate_up_proj"] = torch.cat([x, w[f"blk.{l}.ffn_up_exps"]], 1)
        elif part == "ffn_down_exps":
            state[at + "mlp.experts.down_proj"] = x
        elif part != "ffn_up_exps":
            state[at + names[part] + ".weight"] = x
    if case["config"].tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state, strict=True)
    return model


def run(model, ids):
    return model(torch.tensor([ids])).logits[0].float()


def routing_gap(model, ids, k):
    gaps = []
    hooks = [m.register_forward_hook(lambda m, i, o: gaps.append(torch.topk(o[0], k + 1).values.log().diff(dim=-1)[:, -1].abs().min().item()))
             for m in model.modules() if type(m).__name__.endswith("TopKRouter")]
    run(model, ids)
    for h in hooks:
        h.remove()
    return min(gaps, default=None)


def compare(a, b):
    p, q = torch.log_softmax(a.double(), -1), torch.log_softmax(b.double(), -1)
    return dict(max_abs=float((a - b).abs().max()), kl=float((p.exp() * (p - q)).sum(-1).mean()), top1=float((a.argmax(-1) == b.argmax(-1)).double().mean()))


def wrongs(name, case, w):
    """Models with one thing wrong."""
    c = case["config"]
    old = {k: getattr(c, k) for k in ("attn_logit_softcapping", "final_logit_softcapping", "sliding_window", "num_experts_per_tok", "norm_topk_prob") if hasattr(c, k)}
    changes = {
        "gemma2": [("no attention cap", dict(attn_logit_softcapping=None)), ("no logit cap", dict(final_logit_softcapping=None)),
                   ("window 47", dict(sliding_window=47)), ("window 49", dict(sliding_window=49))],
        "mixtral": [("one expert fewer", dict(num_experts_per_tok=1)), ("one expert more", dict(num_experts_per_tok=3))],
        "qwen3moe": [("one expert fewer", dict(num_experts_per_tok=2)), ("weights not scaled to one", dict(norm_topk_prob=False))],
    }
    for what, change in changes[name]:
        for k, v in change.items():
            setattr(c, k, v)
        yield what, load(case, w)
        for k, v in old.items():
            setattr(c, k, v)


def main(out, names):
    for name in names or CASES:
        case = CASES[name]
        folder = pathlib.Path(out) / name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"model-{case['kind']}.gguf"
        write_gguf(path, name, case, draw(case))
        w = read_back(path, case)
        model = load(case, w)
        rng = np.random.default_rng(case["seed"] + 1)
        cols = sorted(map(int, rng.choice(VOCAB, 64, replace=False)))
        config = {k: v for k, v in case["config"].to_diff_dict().items() if isinstance(v, (int, float, str, bool, list, dict, type(None)))}
        ref = dict(name=name, arch=case["arch"], file=path.name, seed=case["seed"], hf_config=config, vocab_size=VOCAB, cols=cols, seqs={},
                   made_with={m.__name__: m.__version__ for m in (torch, transformers, np)} | {"gguf": "0.19.0"})
        for s, (n, n_ctx) in SEQS.items():
            ids = list(map(int, rng.integers(0, VOCAB, n)))
            logits = run(model, ids)
            double = load(case, w).double()
            noise = float((double(torch.tensor([ids])).logits[0] - logits).abs().max())
            print(name, s, "logit std %.3g" % logits.std(), "f32 vs f64 %.2g" % noise,
                  "routing gap", routing_gap(model, ids, getattr(case["config"], "num_experts_per_tok", 1)))
            data, kind = logits.numpy(), "full"
            if s == "b":
                data = np.concatenate([torch.logsumexp(logits.double(), -1, keepdim=True).float().numpy(), data[:, cols]], 1)
                kind = 'col 0 = logsumexp over the whole vocabulary, cols 1.. = logits at ids "cols"'
                for what, wrong in wrongs(name, case, w):
                    print("   ", what, compare(logits, run(wrong, ids)))
            file = f"logits-{case['kind']}-{s}.f32"
            data.astype("<f4").tofile(folder / file)
            ref["seqs"][s] = dict(ids=ids, n=n, n_ctx=n_ctx, hf_f32_vs_hf_f64=noise, logits=dict(file=file, shape=list(data.shape), kind=kind))
        json.dump(ref, open(folder / f"ref-{case['kind']}.json", "w"))


main(sys.argv[1], sys.argv[2:])
