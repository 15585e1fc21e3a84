package server

import (
	"pith/chat"
	"pith/engine"
)

func (e *chatEncoder) answer(object string, choices ...chatChoice) *chatAnswer {
	return &chatAnswer{ID: e.id, Object: object, Created: e.created, Model: e.model.ID, Fingerprint: fingerprint(e.model),
		Choices: append([]chatChoice{}, choices...)}
}

const (
	objectWhole = "chat.completion"
	objectPiece = "chat.completion.chunk"
)

func (e *chatEncoder) whole(events []engine.Event, r *engine.Result) any {
	reply, last := e.parser.Write(r.Text), e.parser.Close()
	content := reply.Content + last.Content
	m := &chatMessage{Role: "assistant", Content: &content, Reasoning: reply.Reasoning + last.Reasoning, Calls: e.toolCalls(append(reply.Calls, last.Calls...), false)}
	if content == "" && len(m.Calls) > 0 {
		m.Content = nil
	}
	c := chatChoice{Message: m, Reason: e.reason(r)}
	if e.request.LogProbs != 0 {
		c.Logprobs = e.probs(events...)
	}
	a := e.answer(objectWhole, c)
	a.Usage, a.Pith = usageOf(&r.Stats), figuresOf(e.request, &r.Stats)
	return a
}

// reason is the engine's, unless the reply ended with calls.
func (e *chatEncoder) reason(r *engine.Result) *string {
	reason := r.Reason
	if e.calls > 0 && reason == engine.ReasonStop {
		reason = "tool_calls"
	}
	return &reason
}

// toolCalls gives calls OpenAI's form; in pieces each carries its index among all of the reply.
func (e *chatEncoder) toolCalls(calls []chat.Call, pieces bool) []toolCall {
	var out []toolCall
	for _, c := range calls {
		t := toolCall{ID: c.ID, Type: "function", Function: functionCall{Name: c.Name, Arguments: string(c.Arguments)}}
		if pieces {
			index := e.calls
			t.Index = &index
		}
		e.calls++
		out = append(out, t)
	}
	return out
}

// delta is what the parser has decided, nil if that is nothing.
func (e *chatEncoder) delta(r chat.Reply) *chatDelta {
	if r.Empty() {
		return nil
	}
	d := &chatDelta{Calls: e.toolCalls(r.Calls, true)}
	if r.Content != "" {
		d.Content = &r.Content
	}
	if r.Reasoning != "" {
		d.Reasoning = &r.Reasoning
	}
	return d
}

// probs leaves out the token that ends the reply: it is no part of its text.
func (e *chatEncoder) probs(events ...engine.Event) *chatProbs {
	p := &chatProbs{Content: []tokenProb{}}
	for i := range events {
		if !e.model.Engine.Tokenizer().IsEnd(events[i].Token) {
			p.Content = append(p.Content, eventProb(e.model, &events[i]))
		}
	}
	return p
}

func (e *chatEncoder) open() any {
	empty := ""
	return e.answer(objectPiece, chatChoice{Delta: &chatDelta{Role: "assistant", Content: &empty}})
}

func (e *chatEncoder) piece(ev *engine.Event) []any {
	c := chatChoice{Delta: e.delta(e.parser.Write(ev.Text))}
	if e.request.LogProbs != 0 && !e.model.Engine.Tokenizer().IsEnd(ev.Token) {
		c.Logprobs = e.probs(*ev)
	}
	if c.Delta == nil {
		if c.Logprobs == nil {
			return nil
		}
		c.Delta = &chatDelta{}
	}
	return []any{e.answer(objectPiece, c)}
}

func (e *chatEncoder) end(r *engine.Result) []any {
	var pieces []any
	if d := e.delta(e.parser.Close()); d != nil {
		pieces = append(pieces, e.answer(objectPiece, chatChoice{Delta: d}))
	}
	a := e.answer(objectPiece, chatChoice{Delta: &chatDelta{}, Reason: e.reason(r)})
	a.Pith = figuresOf(e.request, &r.Stats)
	return append(pieces, a)
}

func (e *chatEncoder) usage(r *engine.Result) any {
	a := e.answer(objectPiece)
	a.Usage = usageOf(&r.Stats)
	return a
}
