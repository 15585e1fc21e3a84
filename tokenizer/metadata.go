package tokenizer

import (
	"fmt"

	"pith/gguf"
)

// Token types of tokenizer.ggml.token_type, from the GGUF specification. The vocabulary keeps them as bits, because a
// token may be retyped to control and keep its first type.
const (
	typeNormal      = 1
	typeUnknown     = 2
	typeControl     = 3
	typeUserDefined = 4
	typeUnused      = 5
	typeByte        = 6
)

// metadata is what a tokenizer needs of a GGUF file, as it stands there.
type metadata struct {
	model  string
	pre    string
	name   string // general.name
	tokens []string
	types  []int32   // empty, or at least one per token
	scores []float32 // empty, or at least one per token
	merges []string

	bos, eos, eot, eom  int64 // -1 where the file names none
	fimPad, fimRep      int64
	fimSep              int64
	ends                []int32 // tokenizer.ggml.eos_token_ids: further end tokens
	addBOS, addEOS      *bool   // nil where the file does not say
	addSpacePrefix      *bool
	hasScores, hasMerge bool
}

func readMetadata(f *gguf.File) (*metadata, error) {
	const ns = "tokenizer.ggml."
	m := &metadata{}
	var ok bool
	if m.model, ok = f.String(ns + "model"); !ok {
		return nil, fmt.Errorf("tokenizer: %s: no tokenizer.ggml.model of type string", f.Path())
	}
	m.pre, _ = f.String(ns + "pre")
	m.name, _ = f.String("general.name")
	if m.tokens, ok = f.Strings(ns + "tokens"); !ok {
		return nil, fmt.Errorf("tokenizer: %s: no tokenizer.ggml.tokens of type string array", f.Path())
	}
	m.types, _ = f.Ints(ns + "token_type")
	if m.scores, m.hasScores = f.Floats(ns + "scores"); !m.hasScores {
		var whole []int32
		if whole, m.hasScores = f.Ints(ns + "scores"); m.hasScores {
			m.scores = make([]float32, len(whole))
			for i, s := range whole {
				m.scores[i] = float32(s)
			}
		}
	}
	m.merges, m.hasMerge = f.Strings(ns + "merges")
	id := func(keys ...string) int64 {
		for _, k := range keys {
			if v, ok := f.Int(ns + k); ok && v >= 0 {
				return v
			}
		}
		return -1
	}
	m.bos, m.eos = id("bos_token_id"), id("eos_token_id")
	m.eot, m.eom = id("eot_token_id"), id("eom_token_id")
	m.fimPad, m.fimRep, m.fimSep = id("fim_pad_token_id"), id("fim_rep_token_id"), id("fim_sep_token_id")
	m.ends, _ = f.Ints(ns + "eos_token_ids")
	flag := func(key string) *bool {
		if v, ok := f.Bool(ns + key); ok {
			return &v
		}
		return nil
	}
	m.addBOS, m.addEOS = flag("add_bos_token"), flag("add_eos_token")
	m.addSpacePrefix = flag("add_space_prefix")
	return m, nil
}
