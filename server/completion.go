package server

import (
	"encoding/json"
	"net/http"
	"time"

	"pith/engine"
	"pith/tokenizer"
)

// completionRequest is a request for plain text to be continued.
type completionRequest struct {
	common
	Prompt   prompt `json:"prompt"`
	Echo     bool   `json:"echo"`
	Suffix   string `json:"suffix"`
	BestOf   *int   `json:"best_of"`
	Logprobs *int   `json:"logprobs"`
}

// prompt is one text or one list of token ids; lists of several prompts are refused.
type prompt struct {
	text string
	ids  []int32
}

func (p *prompt) UnmarshalJSON(b []byte) error {
	*p = prompt{}
	if json.Unmarshal(b, &p.text) == nil || json.Unmarshal(b, &p.ids) == nil {
		return nil
	}
	var texts []string
	if json.Unmarshal(b, &texts) == nil && len(texts) == 1 {
		p.text = texts[0]
		return nil
	}
	var lists [][]int32
	if json.Unmarshal(b, &lists) == nil && len(lists) == 1 {
		p.ids = lists[0]
		return nil
	}
	return badRequest("prompt", "Field prompt takes one string or one list of token ids.")
}

func (s *Server) completions(w http.ResponseWriter, r *http.Request) {
	var c completionRequest
	if p := s.read(w, r, &c); p != nil {
		s.refuse(w, p)
		return
	}
	m, p := s.find(c.Model)
	if p != nil {
		s.refuse(w, p)
		return
	}
	req, p := s.completionToEngine(m, &c)
	if p != nil {
		s.refuse(w, p)
		return
	}
	enc := &completionEncoder{model: m, request: &req, id: newID("cmpl-"), created: time.Now().Unix()}
	s.answer(w, r, m, req, &c.common, enc)
}

func (s *Server) completionToEngine(m *Model, c *completionRequest) (engine.Request, *problem) {
	req, p := s.engineRequest(m, &c.common)
	switch {
	case p != nil:
		return req, p
	case c.Echo:
		return req, badRequest("echo", "echo is not supported.")
	case c.Suffix != "":
		return req, badRequest("suffix", "suffix is not supported.")
	case c.BestOf != nil && *c.BestOf != 1:
		return req, badRequest("best_of", "Only best_of=1 is supported.")
	}
	if c.MaxTokens == nil {
		req.MaxTokens = 16 // OpenAI's default on this route
	}
	if c.Logprobs != nil {
		if *c.Logprobs < 0 || *c.Logprobs > maxTop {
			return req, badRequest("logprobs", "logprobs must be between 0 and %d.", maxTop)
		}
		req.LogProbs = logProbs(*c.Logprobs)
	}
	if c.Prompt.ids != nil {
		for _, id := range c.Prompt.ids {
			if id < 0 || int(id) >= m.Engine.Config().Vocab {
				return req, badRequest("prompt", "Token %d is outside the vocabulary of %d.", id, m.Engine.Config().Vocab)
			}
		}
		req.Tokens = c.Prompt.ids
	} else {
		ids, err := m.Engine.Tokenizer().Encode(c.Prompt.text, tokenizer.Options{Special: true, Ends: true})
		if err != nil {
			return req, badRequest("prompt", "%v", err)
		}
		req.Tokens = ids
	}
	if len(req.Tokens) == 0 {
		return req, badRequest("prompt", "The prompt is empty.")
	}
	return req, nil
}

// logProbs is the engine's count for n alternatives: the token's own is always wanted.
func logProbs(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

type completionEncoder struct {
	model   *Model
	request *engine.Request
	id      string
	created int64
}

type completionAnswer struct {
	ID          string             `json:"id"`
	Object      string             `json:"object"`
	Created     int64              `json:"created"`
	Model       string             `json:"model"`
	Fingerprint string             `json:"system_fingerprint"`
	Choices     []completionChoice `json:"choices"`
	Usage       *usage             `json:"usage,omitempty"`
	Pith        *figures           `json:"pith,omitempty"`
}

type completionChoice struct {
	Index    int              `json:"index"`
	Text     string           `json:"text"`
	Logprobs *completionProbs `json:"logprobs"`
	Reason   *string          `json:"finish_reason"`
}

// completionProbs is the older form of logprobs: parallel lists.
type completionProbs struct {
	Tokens  []string             `json:"tokens"`
	Probs   []float64            `json:"token_logprobs"`
	Top     []map[string]float64 `json:"top_logprobs"`
	Offsets []int                `json:"text_offset"`
}

func (p *completionProbs) add(m *Model, ev *engine.Event) {
	t := eventProb(m, ev)
	offset := 0
	if n := len(p.Tokens); n > 0 {
		offset = p.Offsets[n-1] + len(p.Tokens[n-1])
	}
	top := map[string]float64{}
	for _, c := range t.Top {
		top[c.Token] = c.LogProb
	}
	p.Tokens, p.Probs, p.Top, p.Offsets = append(p.Tokens, t.Token), append(p.Probs, t.LogProb), append(p.Top, top), append(p.Offsets, offset)
}

func (e *completionEncoder) answer(choices ...completionChoice) *completionAnswer {
	return &completionAnswer{ID: e.id, Object: "text_completion", Created: e.created, Model: e.model.ID, Fingerprint: fingerprint(e.model),
		Choices: append([]completionChoice{}, choices...)}
}

func (e *completionEncoder) whole(events []engine.Event, r *engine.Result) any {
	c := completionChoice{Text: r.Text, Reason: &r.Reason}
	if e.request.LogProbs != 0 {
		c.Logprobs = &completionProbs{}
		for i := range events {
			if !e.model.Engine.Tokenizer().IsEnd(events[i].Token) {
				c.Logprobs.add(e.model, &events[i])
			}
		}
	}
	a := e.answer(c)
	a.Usage, a.Pith = usageOf(&r.Stats), figuresOf(e.request, &r.Stats)
	return a
}

func (e *completionEncoder) open() any { return nil }

func (e *completionEncoder) piece(ev *engine.Event) []any {
	c := completionChoice{Text: ev.Text}
	if e.request.LogProbs != 0 && !e.model.Engine.Tokenizer().IsEnd(ev.Token) {
		c.Logprobs = &completionProbs{}
		c.Logprobs.add(e.model, ev)
	} else if ev.Text == "" {
		return nil
	}
	return []any{e.answer(c)}
}

func (e *completionEncoder) end(r *engine.Result) []any {
	a := e.answer(completionChoice{Reason: &r.Reason})
	a.Pith = figuresOf(e.request, &r.Stats)
	return []any{a}
}

func (e *completionEncoder) usage(r *engine.Result) any {
	a := e.answer()
	a.Usage = usageOf(&r.Stats)
	return a
}
