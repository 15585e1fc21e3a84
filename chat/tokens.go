package chat

import (
	"slices"

	"pith/tokenizer"
)

// Tokens encodes a rendered prompt: the text of special tokens is parsed, since the template wrote it, and the
// beginning-of-sequence token that the model wants stands at the front once, whether the template wrote it or not. Nothing
// is added at the end.
func (t *Template) Tokens(v *tokenizer.Tokenizer, text string) ([]tokenizer.TokenID, error) {
	ids, err := v.Encode(text, tokenizer.Options{Special: true})
	if err != nil {
		return nil, err
	}
	bos, ok := v.BOS()
	if ok && v.AddBOS() && (len(ids) == 0 || ids[0] != bos) {
		ids = slices.Insert(ids, 0, bos)
	}
	return ids, nil
}
