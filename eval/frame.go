package eval

import (
	"slices"
	"strings"

	"pith/chat"
	"pith/engine"
	"pith/policy"
	"pith/tokenizer"
)

// frame is what a model's chat template puts around a user's message, as tokens. Models without a template have an empty head (or the
// token that begins a sequence) and no tail.
type frame struct {
	head []int32 // system turn and user header
	tail []int32 // end of turn and reply header; nil without a template
}

// place stands for the user's message while the template is rendered: letters only, so that no template trims or escapes it.
const place = "pithMessagePlace5d1c"

func newFrame(e *engine.Engine) (*frame, error) {
	tok := e.Tokenizer()
	f := &frame{}
	if t, err := chat.ForModel(e.File(), tok); err == nil {
		text, err := t.Render(chat.Request{Messages: []chat.Message{chat.Text("user", place)}, AddGenerationPrompt: true})
		if err != nil {
			return nil, err
		}
		if head, tail, ok := strings.Cut(text, place); ok {
			if f.head, err = t.Tokens(tok, head); err != nil {
				return nil, err
			}
			f.tail, err = tok.Encode(tail, tokenizer.Options{Special: true})
			return f, err
		}
	}
	if bos, ok := tok.BOS(); ok && tok.AddBOS() {
		f.head = []int32{bos}
	}
	return f, nil
}

// around describes a context to recipes that repeat it: where it begins in the frame, and how the frame ends. A context that does not
// begin with the frame's head is plain text.
func (f *frame) around(context []int32) policy.Prompt {
	if f.tail == nil || len(context) <= len(f.head) || !slices.Equal(context[:len(f.head)], f.head) {
		return policy.Prompt{}
	}
	return policy.Prompt{Prefix: len(f.head), Suffix: f.tail}
}
