package tokenizer

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pith/gguf"
)

// write makes a GGUF file of metadata alone.
func write(t testing.TB, keys map[string]any) *gguf.File {
	t.Helper()
	var w gguf.Writer
	for k, v := range keys {
		if err := w.Set(k, v); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.OpenBytes("vocabulary.gguf", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// smallBPE is a vocabulary of all bytes, a few merges and three control tokens.
func smallBPE() map[string]any {
	var tokens []string
	var types []int32
	for c := range 256 {
		tokens, types = append(tokens, string(byteRunes[c])), append(types, typeNormal)
	}
	tokens, types = append(tokens, "he", "ll", "hell", "hello", "Ġhe"), append(types, 1, 1, 1, 1, 1)
	tokens, types = append(tokens, "<|start|", "<|im_start|>", "<|im_end|>", "<|endoftext|>"), append(types, 4, 3, 3, 3)
	return map[string]any{
		"tokenizer.ggml.model":        "gpt2",
		"tokenizer.ggml.pre":          "gpt-2",
		"tokenizer.ggml.tokens":       tokens,
		"tokenizer.ggml.token_type":   types,
		"tokenizer.ggml.merges":       []string{"h e", "l l", "he ll", "hell o", "Ġ he"},
		"tokenizer.ggml.bos_token_id": uint32(262),
		"tokenizer.ggml.eos_token_id": uint32(264),
	}
}

// smallSPM has all byte tokens and a few words.
func smallSPM() map[string]any {
	tokens, types := []string{"<unk>", "<s>", "</s>"}, []int32{2, 3, 3}
	bytes, byteTypes := byteTokens()
	tokens, types = append(tokens, bytes...), append(types, byteTypes...)
	for _, s := range []string{metaspace, "a", "b", "ab", "▁a", "▁ab", "▁▁", "<|user|>", "<|end|>", "  "} {
		kind := int32(typeNormal)
		if s[0] == '<' {
			kind = typeControl
		} else if s[0] == ' ' {
			kind = typeUserDefined
		}
		tokens, types = append(tokens, s), append(types, kind)
	}
	return map[string]any{
		"tokenizer.ggml.model":      "llama",
		"tokenizer.ggml.tokens":     tokens,
		"tokenizer.ggml.token_type": types,
		"tokenizer.ggml.scores":     make([]float32, len(tokens)),
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		base func() map[string]any
		key  string
		to   any // nil: taken away
		says string
	}{
		{"no model", smallBPE, "model", nil, "tokenizer.ggml.model"},
		{"unknown model", smallBPE, "model", "bert", `"bert" is not known`},
		{"model of another kind", smallBPE, "model", uint32(2), "tokenizer.ggml.model"},
		{"unknown pre", smallBPE, "pre", "kimi-k2", `tokenizer.ggml.pre: "kimi-k2" is not known`},
		{"no pre", smallBPE, "pre", nil, `tokenizer.ggml.pre: "" names no pre-tokenizer`},
		{"default pre", smallBPE, "pre", "default", `"default" names no pre-tokenizer`},
		{"no tokens", smallBPE, "tokens", nil, "no tokenizer.ggml.tokens"},
		{"tokens that are numbers", smallBPE, "tokens", []int32{1, 2}, "no tokenizer.ggml.tokens"},
		{"empty tokens", smallBPE, "tokens", []string{}, "tokenizer.ggml.tokens is empty"},
		{"double tokens", smallBPE, "tokens", []string{"a", "b", "a"}, `"a" stands at 0 and at 2`},
		{"no byte tokens", smallBPE, "tokens", slices.Repeat([]string{""}, 300), "no token stands for a single byte"},
		{"short types", smallBPE, "token_type", []int32{1}, "token_type: 1 entries for 265 tokens"},
		{"no merges", smallBPE, "merges", nil, "tokenizer.ggml.merges"},
		{"merge of one part", smallBPE, "merges", []string{"h e", "hello"}, `merges: entry 1, "hello", is no pair`},
		{"merge without a right part", smallBPE, "merges", []string{"hello "}, `entry 0, "hello ", is no pair`},
		{"merge too short", smallBPE, "merges", []string{" "}, `entry 0, " ", is no pair`},
		{"bos outside", smallBPE, "bos_token_id", uint32(265), "bos_token_id: 265 is outside the vocabulary of 265"},
		{"eos outside", smallBPE, "eos_token_id", uint64(1) << 40, "eos_token_id: 1099511627776 is outside"},
		{"eot outside", smallBPE, "eot_token_id", uint32(1 << 31), "eot_token_id: 2147483648 is outside"},
		{"end tokens outside", smallBPE, "eos_token_ids", []int32{1, -7}, "eos_token_ids: -7 is outside"},
		{"no scores", smallSPM, "scores", nil, "tokenizer.ggml.scores"},
		{"short scores", smallSPM, "scores", []float32{1, 2}, "scores: 2 entries for 269 tokens"},
		{"scores that are strings", smallSPM, "scores", []string{"1"}, "tokenizer.ggml.scores"},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys := c.base()
			if c.name == "no byte tokens" {
				delete(keys, "tokenizer.ggml.token_type")
			}
			if delete(keys, "tokenizer.ggml."+c.key); c.to != nil {
				keys["tokenizer.ggml."+c.key] = c.to
			}
			_, err := New(write(t, keys))
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "tokenizer: ") {
				t.Errorf("%v, want an error that says %q", err, c.says)
			}
		})
	}
}

func TestEndsNeedTheirTokens(t *testing.T) {
	for _, end := range []string{"bos", "eos"} {
		keys := smallBPE()
		delete(keys, "tokenizer.ggml."+end+"_token_id")
		keys["tokenizer.ggml.add_"+end+"_token"] = true
		if _, err := New(write(t, keys)); err == nil || !strings.Contains(err.Error(), end+"_token_id is not set") {
			t.Errorf("%s: %v", end, err)
		}
	}
}

func small(t testing.TB, base func() map[string]any, change map[string]any) *Tokenizer {
	t.Helper()
	keys := base()
	for k, v := range change {
		keys[k] = v
	}
	tok, err := New(write(t, keys))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// show writes tokens as their stored texts.
func show(tok *Tokenizer, ids []TokenID) string {
	var out []string
	for _, id := range ids {
		out = append(out, tok.Text(id))
	}
	return strings.Join(out, " ")
}

func encode(t testing.TB, tok *Tokenizer, text string, o Options) string {
	t.Helper()
	ids, err := tok.Encode(text, o)
	if err != nil {
		t.Fatal(err)
	}
	return show(tok, ids)
}

func TestEnds(t *testing.T) {
	both := map[string]any{"tokenizer.ggml.add_bos_token": true, "tokenizer.ggml.add_eos_token": true}
	tok := small(t, smallBPE, both)
	once := Options{Special: true, Ends: true, Once: true}
	for _, c := range []struct {
		text string
		o    Options
		want string
	}{
		{"hello", Options{}, "hello"},
		{"", Options{Ends: true}, "<|im_start|> <|endoftext|>"},
		{"hello", Options{Ends: true}, "<|im_start|> hello <|endoftext|>"},
		{"<|im_start|>hello", Options{Ends: true, Special: true}, "<|im_start|> <|im_start|> hello <|endoftext|>"},
		{"<|im_start|>hello", once, "<|im_start|> hello <|endoftext|>"},
		{"hello<|endoftext|>", once, "<|im_start|> hello <|endoftext|>"},
		{"hello", once, "<|im_start|> hello <|endoftext|>"},
		{"", once, "<|im_start|> <|endoftext|>"},
		{"<|im_start|><|im_start|>", once, "<|im_start|> <|im_start|> <|endoftext|>"},
	} {
		if got := encode(t, tok, c.text, c.o); got != c.want {
			t.Errorf("%q %+v: %s, want %s", c.text, c.o, got, c.want)
		}
	}
	plain := small(t, smallBPE, nil) // gpt-2 adds nothing by itself
	if got := encode(t, plain, "hello", Options{Ends: true}); got != "hello" {
		t.Errorf("gpt-2 without flags: %s", got)
	}
	spm := small(t, smallSPM, nil) // a SentencePiece model adds its beginning by itself
	if got := encode(t, spm, "ab", Options{Ends: true}); got != "<s> ▁ab" {
		t.Errorf("llama without flags: %s", got)
	}
	llama := small(t, smallBPE, map[string]any{"tokenizer.ggml.pre": "llama-bpe"})
	if got := encode(t, llama, "hello", Options{Ends: true}); got != "<|im_start|> hello" {
		t.Errorf("llama-bpe without flags: %s", got)
	}
}

func TestSpecialTokens(t *testing.T) {
	tok := small(t, smallBPE, nil)
	for _, c := range []struct {
		text string
		o    Options
		want string
	}{
		{"hello<|im_end|>", Options{Special: true}, "hello <|im_end|>"},
		{"hello<|im_end|>", Options{}, "hello < | i m _ e n d | >"},
		{"<|start|>", Options{}, "<|start| >"}, // user-defined tokens are read in plain text too
		{"<|im_<|im_end|>", Options{Special: true}, "< | i m _ <|im_end|>"},
	} {
		if got := encode(t, tok, c.text, c.o); got != c.want {
			t.Errorf("%q %+v: %s, want %s", c.text, c.o, got, c.want)
		}
	}
	end, _ := tok.Lookup("<|im_end|>")
	start, _ := tok.Lookup("<|im_start|>")
	if !tok.IsEnd(end) || tok.IsEnd(start) || !tok.IsControl(start) || tok.IsControl(0) {
		t.Error("attributes of the control tokens")
	}
	if eot, ok := tok.EOT(); !ok || eot != end {
		t.Errorf("end of turn %d, want %d", eot, end)
	}
	for _, id := range []TokenID{-1, 265, 1 << 30, -1 << 31} {
		if tok.IsEnd(id) || tok.IsControl(id) || tok.Text(id) != "" || len(tok.Piece(id)) != 0 {
			t.Errorf("id %d outside the vocabulary has attributes", id)
		}
	}
	if got := tok.Decode([]TokenID{-5, start, 1 << 29}); string(got) != "<|im_start|>" {
		t.Errorf("decoded %q", got)
	}
}

func TestEveryEndTokenEnds(t *testing.T) {
	keys := smallBPE()
	tokens := keys["tokenizer.ggml.tokens"].([]string)
	types := keys["tokenizer.ggml.token_type"].([]int32)
	further := []string{"<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "</s>", "<|fim_pad|>"}
	tokens = append(tokens, further...)
	types = append(types, 1, 1, 1, 1, 4, 3) // as badly typed as files come
	tok := small(t, smallBPE, map[string]any{
		"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types, "tokenizer.ggml.eos_token_ids": []int32{7},
	})
	for _, text := range further {
		if id, ok := tok.Lookup(text); !ok || !tok.IsEnd(id) || text != "<|fim_pad|>" && !tok.IsControl(id) {
			t.Errorf("%s does not end", text)
		}
	}
	if !tok.IsEnd(7) || tok.IsEnd(8) {
		t.Error("eos_token_ids")
	}
}

func TestPhi3StripsAfterSpecialTokens(t *testing.T) {
	text := "<|user|>\n ab<|end|> \t\nab<s> ab"
	tok := small(t, smallSPM, map[string]any{"general.name": "Phi-3-mini-4k"})
	if got, want := encode(t, tok, text, Options{Special: true}), "<|user|> ▁ab <|end|> ▁ab <s> ▁▁ ab"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	other := small(t, smallSPM, map[string]any{"general.name": "Llama-2"})
	if got, want := encode(t, other, "<|end|>\nab", Options{Special: true}), "<|end|> ▁ <0x0A> ab"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSpaceRunsAreUserDefined(t *testing.T) {
	tok := small(t, smallSPM, map[string]any{"tokenizer.ggml.add_space_prefix": false})
	// Stored with real spaces: found before merging; U+2581 in the text is a space to the model, but not to these.
	for text, want := range map[string]string{"a  b": "a    b", "a▁▁b": "a ▁▁ b", "a b": "a ▁ b"} {
		if got := encode(t, tok, text, Options{}); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestMergesOfAbsentTokens(t *testing.T) {
	// "xy" is no token, but "xyz" is, and can only be reached through it.
	keys := smallBPE()
	tokens := append(keys["tokenizer.ggml.tokens"].([]string), "xyz")
	types := append(keys["tokenizer.ggml.token_type"].([]int32), 1)
	tok := small(t, smallBPE, map[string]any{"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types,
		"tokenizer.ggml.merges": []string{"x y", "xy z", "no thing", "日 本"}})
	if got := encode(t, tok, "xyz xy 日本", Options{}); got != "xyz Ġ x y Ġ æ Ĺ ¥ æ ľ ¬" {
		t.Error(got)
	}
}

func TestMissingBytes(t *testing.T) {
	bpe := small(t, smallBPE, map[string]any{
		"tokenizer.ggml.tokens": []string{"a", "b", "Ġ"}, "tokenizer.ggml.token_type": []int32{1, 1, 1},
		"tokenizer.ggml.merges": []string{}, "tokenizer.ggml.bos_token_id": uint32(0), "tokenizer.ggml.eos_token_id": uint32(1)})
	if got := encode(t, bpe, "a\x06b c", Options{}); got != "a b Ġ" {
		t.Errorf("byte level: %s", got)
	}
	spm := map[string]any{"tokenizer.ggml.tokens": []string{"<unk>", "<s>", "</s>", "a", metaspace},
		"tokenizer.ggml.token_type": []int32{2, 3, 3, 1, 1}, "tokenizer.ggml.scores": make([]float32, 5)}
	if got := encode(t, small(t, smallSPM, spm), "a日本a", Options{}); got != "▁ a <unk> a" {
		t.Errorf("SentencePiece without byte fallback: %s", got)
	}
	spm["tokenizer.ggml.token_type"] = []int32{3, 3, 3, 1, 1}
	if _, err := small(t, smallSPM, spm).Encode("a日", Options{}); err == nil || !strings.Contains(err.Error(), "byte 0xE6") {
		t.Errorf("neither bytes nor unknown token: %v", err)
	}
}

func TestInvalidTextLikeReference(t *testing.T) {
	tok := small(t, smallBPE, nil)
	for text, want := range map[string]string{
		"\xff":             "\ufffd",
		"a\xc3":            "a\ufffd",
		"\xe2\x82":         "\ufffd\ufffd",
		"\xc0\xaf":         "/", // overlong forms are read
		"\xed\xa0\x80":     "\xed\xa0\x80",
		"\xf4\x90\x80\x80": "\ufffd\ufffd\ufffd\ufffd",
		"\xe2\x28\xa1":     "\ufffd(\ufffd",
	} {
		ids, err := tok.Encode(text, Options{})
		if got := string(tok.Decode(ids)); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestHugeTokens(t *testing.T) {
	long := strings.Repeat("ab", 1<<20)
	for _, base := range []func() map[string]any{smallBPE, smallSPM} {
		keys := base()
		tokens := append(keys["tokenizer.ggml.tokens"].([]string), long)
		types := append(keys["tokenizer.ggml.token_type"].([]int32), typeNormal)
		change := map[string]any{"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types,
			"tokenizer.ggml.scores": make([]float32, len(tokens))}
		tok := small(t, base, change)
		if _, err := tok.Encode(long+"<"+long, Options{Special: true}); err != nil {
			t.Error(err)
		}
		if got := tok.Piece(TokenID(len(tokens) - 1)); string(got) != long {
			t.Errorf("a piece of %d bytes, want %d", len(got), len(long))
		}
		types[len(types)-1] = typeControl
		for k, v := range change {
			keys[k] = v
		}
		if _, err := New(write(t, keys)); err == nil || !strings.Contains(err.Error(), "special with 2097152 bytes") {
			t.Errorf("a special token of 2 MB: %v", err)
		}
	}
}

// TestNoQuadraticTexts encodes texts that cost time squared where merges or special tokens are looked for naively: that
// would take hours, so the bound is generous.
func TestNoQuadraticTexts(t *testing.T) {
	n := 1 << 20
	if testing.Short() {
		n = 1 << 17
	}
	for name, base := range map[string]func() map[string]any{"bpe": smallBPE, "spm": smallSPM} {
		tok := small(t, base, nil)
		for _, c := range []string{"a", "l", " ", "\n", "hell", "<|im_", "<|start", "ab", "\xe2", "\xff", "日", "'", "1"} {
			text := strings.Repeat(c, n/len(c))
			start := time.Now()
			if _, err := tok.Encode(text, Options{Special: true, Ends: true}); err != nil {
				t.Error(err)
			}
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("%s: a megabyte of %q takes %v", name, c, d)
			}
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	for _, s := range []string{"", "hello world", " hello\n\n", "日本語 x", "\xff\xfe", "a\x00b", "<|im_end|>hell", "  a   ", "▁", "\xe2\x96"} {
		f.Add(s)
	}
	bpe := small(f, smallBPE, nil)
	spm := small(f, smallSPM, map[string]any{"tokenizer.ggml.add_space_prefix": false})
	f.Fuzz(func(t *testing.T, text string) {
		for _, o := range []Options{{}, {Special: true}} {
			ids, err := bpe.Encode(text, o)
			got := string(bpe.Decode(ids))
			if err != nil || utf8.ValidString(text) && got != text {
				t.Errorf("byte level %+v: %q gives %q, %v", o, text, got, err)
			}
			if got := streamed(bpe, ids); !utf8.ValidString(got) || utf8.ValidString(text) && got != text {
				t.Errorf("stream of %q: %q", text, got)
			}
			ids, err = spm.Encode(text, o)
			got = string(spm.Decode(ids))
			// A broken lead byte may take part of an escaped space, which then comes back as U+2581 (so in llama.cpp).
			if got = strings.ReplaceAll(got, metaspace, " "); err != nil || got != strings.ReplaceAll(text, metaspace, " ") {
				t.Errorf("SentencePiece %+v: %q gives %q, %v", o, text, got, err)
			}
			if got := streamed(spm, ids); !utf8.ValidString(got) {
				t.Errorf("stream of %q: %q", text, got)
			}
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add("a|b|ab|<0x41>", "a b|ab a", "ab ab", uint8(1), int64(0))
	f.Add("Ġ|<|im_end|>||a", "Ġ a", "<|im_end|> a", uint8(3), int64(2))
	f.Fuzz(func(t *testing.T, tokens, merges, text string, kind uint8, bos int64) {
		for _, model := range []string{"gpt2", "llama"} {
			m := &metadata{model: model, pre: "llama-bpe", tokens: strings.Split(tokens, "|"), merges: strings.Split(merges, "|"),
				hasMerge: true, hasScores: true, bos: bos, eos: -1, eot: -1, eom: -1, fimPad: bos, fimRep: -1, fimSep: -1}
			m.scores = make([]float32, len(m.tokens))
			for i := range m.tokens {
				m.types = append(m.types, int32(kind>>(i%4)&7))
				m.scores[i] = float32(i*int(kind)%5) - 2
			}
			tok, err := build(m)
			if err != nil {
				if !strings.HasPrefix(err.Error(), "tokenizer: ") {
					t.Error(err)
				}
				continue
			}
			ids, _ := tok.Encode(text, Options{Special: true, Ends: true})
			for _, id := range ids {
				if id < 0 || int(id) >= tok.Size() {
					t.Errorf("id %d of %d", id, tok.Size())
				}
			}
			tok.Decode(ids)
		}
	})
}

func TestConcurrentEncode(t *testing.T) {
	tok := small(t, smallBPE, nil)
	want, _ := tok.Encode("hello hello hell", Options{})
	done := make(chan error)
	for range 8 {
		go func() {
			for range 200 {
				if got, err := tok.Encode("hello hello hell", Options{}); err != nil || !slices.Equal(got, want) {
					done <- fmt.Errorf("%v, %v", got, err)
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
