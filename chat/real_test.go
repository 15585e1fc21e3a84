package chat

import (
	"strings"
	"testing"

	"pith/gguf"
	"pith/internal/realmodel"
	"pith/tokenizer"
)

// Both must fit what a template is made from.
var (
	_ Metadata   = (*gguf.File)(nil)
	_ Vocabulary = (*tokenizer.Tokenizer)(nil)
)

// realModel is the template and the vocabulary of a real model.
func realModel(t *testing.T, name string) (*Template, *tokenizer.Tokenizer) {
	t.Helper()
	f, err := gguf.Open(realmodel.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	v, err := tokenizer.New(f)
	if err != nil {
		t.Fatal(err)
	}
	tpl, err := ForModel(f, v)
	if err != nil {
		t.Fatal(err)
	}
	return tpl, v
}

func TestRealModels(t *testing.T) {
	for name, want := range map[string]struct{ origin, text string }{
		"smol":  {"the model file", "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
		"gemma": {"documented for the Gemma family; the model file has none", "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n"},
	} {
		t.Run(name, func(t *testing.T) {
			tpl, v := realModel(t, name)
			text, err := tpl.Render(Request{Messages: []Message{Text("user", "Hi")}, AddGenerationPrompt: true})
			if err != nil || text != want.text || tpl.Origin != want.origin {
				t.Fatalf("%q, %v, %s", text, err, tpl.Origin)
			}
			ids, err := tpl.Tokens(v, text)
			if err != nil {
				t.Fatal(err)
			}
			// The first token stands there once, whether the template wrote it or the model's rule adds it.
			without := strings.TrimPrefix(text, "<bos>")
			again, err := tpl.Tokens(v, without)
			if err != nil || len(again) != len(ids) {
				t.Errorf("%d tokens, %d without the template's own first: %v", len(ids), len(again), err)
			}
			if bos, ok := v.BOS(); ok && v.AddBOS() && (ids[0] != bos || ids[1] == bos) {
				t.Errorf("tokens %v", ids)
			}
			for _, marker := range []string{"<start_of_turn>", "<|im_start|>"} {
				if id, ok := v.Lookup(marker); ok && !contains(ids, id) {
					t.Errorf("%s is not one token", marker)
				}
			}
		})
	}
}

func contains(ids []int32, id int32) bool {
	for _, x := range ids {
		if x == id {
			return true
		}
	}
	return false
}
