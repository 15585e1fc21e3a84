package server

import "pith/engine"

func (e *chatEncoder) answer(object string, choices ...chatChoice) *chatAnswer {
	return &chatAnswer{ID: e.id, Object: object, Created: e.created, Model: e.model.ID, Fingerprint: fingerprint(e.model),
		Choices: append([]chatChoice{}, choices...)}
}

const (
	objectWhole = "chat.completion"
	objectPiece = "chat.completion.chunk"
)

func (e *chatEncoder) whole(events []engine.Event, r *engine.Result) any {
	c := chatChoice{Message: &chatMessage{Role: "assistant", Content: &r.Text}, Reason: &r.Reason}
	if e.request.LogProbs != 0 {
		c.Logprobs = e.probs(events...)
	}
	a := e.answer(objectWhole, c)
	a.Usage, a.Pith = usageOf(&r.Stats), figuresOf(e.request, &r.Stats)
	return a
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
	return e.answer(objectPiece, chatChoice{Delta: &chatMessage{Role: "assistant", Content: &empty}})
}

func (e *chatEncoder) piece(ev *engine.Event) []any {
	c := chatChoice{Delta: &chatMessage{Content: &ev.Text}}
	if e.request.LogProbs != 0 && !e.model.Engine.Tokenizer().IsEnd(ev.Token) {
		c.Logprobs = e.probs(*ev)
	} else if ev.Text == "" {
		return nil
	}
	return []any{e.answer(objectPiece, c)}
}

func (e *chatEncoder) end(r *engine.Result) []any {
	a := e.answer(objectPiece, chatChoice{Delta: &chatMessage{}, Reason: &r.Reason})
	a.Pith = figuresOf(e.request, &r.Stats)
	return []any{a}
}

func (e *chatEncoder) usage(r *engine.Result) any {
	a := e.answer(objectPiece)
	a.Usage = usageOf(&r.Stats)
	return a
}
