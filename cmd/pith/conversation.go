package main

import (
	"fmt"
	"slices"

	"pith/chat"
	"pith/engine"
	"pith/tokenizer"
)

// A conversation turns what is said into tokens: once the whole prompt, then only what a further turn adds, because the sequence
// still holds everything before it.
type conversation struct {
	template *chat.Template
	engine   *engine.Engine
	system   string
	document string // put before the first question

	messages []chat.Message
	text     string // of everything that the sequence has seen
}

// reset forgets what was said; system message and document stay.
func (c *conversation) reset() { c.messages, c.text = nil, "" }

// opening returns the first prompt and how many of its tokens do not depend on the question: what a recipe may compress before it has
// seen it. 0 where there is no document.
func (c *conversation) opening(question string) (ids []int32, boundary int, err error) {
	c.reset()
	if c.system != "" {
		c.messages = append(c.messages, chat.Text("system", c.system))
	}
	if c.document == "" {
		c.messages = append(c.messages, chat.Text("user", question))
		if c.text, err = c.template.Render(c.request()); err != nil {
			return nil, 0, err
		}
		ids, err = c.template.Tokens(c.engine.Tokenizer(), c.text)
		return ids, 0, err
	}
	c.messages = append(c.messages, chat.Text("user", c.document+"\n\n"+question))
	var end int
	if c.text, end, err = c.template.RenderWithBoundary(c.request(), c.document); err != nil {
		return nil, 0, err
	}
	// The document is read on its own, so that its last token does not reach into the question.
	if ids, err = c.template.Tokens(c.engine.Tokenizer(), c.text[:end]); err != nil {
		return nil, 0, err
	}
	rest, err := continued(c.engine.Tokenizer(), c.text[end:])
	return append(ids[:len(ids):len(ids)], rest...), len(ids), err
}

// replied takes note of the model's answer.
func (c *conversation) replied(text string) {
	c.messages = append(c.messages, chat.Text("assistant", text))
	c.text += text
}

// next returns the tokens that a further question adds.
func (c *conversation) next(question string) ([]int32, error) {
	c.messages = append(c.messages, chat.Text("user", question))
	suffix, _, err := c.template.NextTurn(c.request(), c.text)
	if err != nil {
		c.messages = c.messages[:len(c.messages)-1]
		return nil, fmt.Errorf("run: the conversation cannot go on: %w", err)
	}
	c.text += suffix
	return continued(c.engine.Tokenizer(), suffix)
}

func (c *conversation) request() chat.Request {
	return chat.Request{Messages: c.messages, AddGenerationPrompt: true}
}

// continued gives the tokens of text that goes on from text already read: no beginning of sequence, and none of the space that a
// SentencePiece model puts before a text.
func continued(tok *tokenizer.Tokenizer, text string) ([]int32, error) {
	const before = "a"
	o := tokenizer.Options{Special: true}
	head, err := tok.Encode(before, o)
	if err != nil {
		return nil, err
	}
	all, err := tok.Encode(before+text, o)
	if err != nil {
		return nil, err
	}
	if len(all) >= len(head) && slices.Equal(all[:len(head)], head) {
		return all[len(head):], nil
	}
	return tok.Encode(text, o) // the two ran together into one token
}
