package tokenizer

import "fmt"

// Files tell the end of a turn badly: many name one end token and mean three, and some call control tokens text. The
// lists below are those by which llama.cpp decides, so that a file generates here as far as it does there.

// endTexts end a generation wherever a vocabulary holds them, and are control tokens whatever the file calls them.
var endTexts = []string{
	"<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
	"<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>",
	"<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
}

// turnTexts are candidates for the end of a turn, best first, where the file does not name one.
var turnTexts = []string{
	"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<EOT>", "_<EOT>", "[EOT]",
	"<｜end▁of▁sentence｜>", "<end_of_utterance>",
}

// Fill-in-the-middle tokens: the first found of each list becomes a control token. A model that writes one of the last
// three has left its answer, so they end a generation too.
var (
	fimTexts = [][]string{
		{"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>", "<|prefix|>"},
		{"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>", "<|suffix|>"},
		{"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>", "<|middle|>"},
	}
	fimPadTexts = []string{"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}
	fimRepTexts = []string{"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}
	fimSepTexts = []string{"<|file_sep|>"}
)

// shownTexts are parts of the channel form (gpt-oss) that a reply parser must see: they count as user-defined.
var shownTexts = []string{"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"}

// specials settles which tokens begin, end and control, and retypes what the file calls wrongly.
func (v *vocabulary) specials(m *metadata) error {
	n := int64(len(v.texts))
	if v.spm { // SentencePiece's own defaults
		if m.bos < 0 && n > 1 {
			m.bos = 1
		}
		if m.eos < 0 && n > 2 {
			m.eos = 2
		}
	}
	for _, s := range []struct {
		key string
		id  int64
	}{{"bos", m.bos}, {"eos", m.eos}, {"eot", m.eot}, {"eom", m.eom}} {
		if s.id >= n {
			return fmt.Errorf("tokenizer: tokenizer.ggml.%s_token_id: %d is outside the vocabulary of %d", s.key, s.id, n)
		}
	}
	v.bos, v.eos, v.eot = TokenID(m.bos), TokenID(m.eos), TokenID(m.eot)
	eom := TokenID(m.eom)

	if v.eot < 0 {
		v.eot = v.control(turnTexts)
	}
	if eom < 0 {
		eom = v.control([]string{"<|eom_id|>"})
	}
	for _, texts := range fimTexts {
		v.control(texts)
	}
	for _, f := range []struct {
		id    int64
		texts []string
	}{{m.fimPad, fimPadTexts}, {m.fimRep, fimRepTexts}, {m.fimSep, fimSepTexts}} {
		id := TokenID(-1)
		if f.id >= 0 && f.id < n {
			id = TokenID(f.id)
		} else {
			id = v.control(f.texts)
		}
		v.end(id)
	}
	for _, text := range endTexts {
		v.end(v.control([]string{text}))
	}
	for _, text := range shownTexts {
		if id, ok := v.Lookup(text); ok {
			v.attrs[id] = attrUserDefined | v.attrs[id]&attrEnd
		}
	}
	v.end(v.eos)
	v.end(v.eot)
	v.end(eom)
	for _, id := range m.ends {
		if id < 0 || int64(id) >= n {
			return fmt.Errorf("tokenizer: tokenizer.ggml.eos_token_ids: %d is outside the vocabulary of %d", id, n)
		}
		v.end(id)
	}

	// "<|end|>" ends a message, not the reply, in vocabularies that have tokens for the end of the reply.
	ends := func(text string) bool { id, ok := v.Lookup(text); return ok && v.IsEnd(id) }
	if call := ends("<|call|>") || ends("<|calls|>"); call && (ends("<|return|>") || ends("<|flush|>")) {
		if id, ok := v.Lookup("<|end|>"); ok {
			v.attrs[id] = attrUserDefined
		}
	}
	// Gemma 4 has "</s>" as the HTML tag it looks like.
	if ends("<|tool_response>") && ends("</s>") {
		if id, ok := v.Lookup("</s>"); ok {
			v.attrs[id] = attrNormal
		}
	}
	return nil
}

// control makes the first of texts that the vocabulary holds a control token; -1 where it holds none.
func (v *vocabulary) control(texts []string) TokenID {
	for _, text := range texts {
		if id, ok := v.Lookup(text); ok {
			v.attrs[id] |= attrControl
			return id
		}
	}
	return -1
}

func (v *vocabulary) end(id TokenID) {
	if id >= 0 {
		v.attrs[id] |= attrEnd
	}
}
