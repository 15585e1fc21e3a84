package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"pith/chat"
	"pith/engine"
)

// chatRequest is a request for the next message of a conversation.
type chatRequest struct {
	common
	Messages            []chat.Message             `json:"messages"`
	Tools               json.RawMessage            `json:"tools"`
	ToolChoice          json.RawMessage            `json:"tool_choice"`
	MaxCompletionTokens *int                       `json:"max_completion_tokens"`
	Logprobs            bool                       `json:"logprobs"`
	TopLogprobs         *int                       `json:"top_logprobs"`
	ResponseFormat      *struct{ Type string }     `json:"response_format"`
	TemplateVars        map[string]json.RawMessage `json:"chat_template_kwargs"`
}

func (s *Server) chatCompletions(w http.ResponseWriter, r *http.Request) {
	var c chatRequest
	if p := s.read(w, r, &c); p != nil {
		s.refuse(w, p)
		return
	}
	m, p := s.find(c.Model)
	if p != nil {
		s.refuse(w, p)
		return
	}
	req, text, p := s.chatToEngine(m, &c)
	if p != nil {
		s.refuse(w, p)
		return
	}
	enc := &chatEncoder{model: m, request: &req, id: newID("chatcmpl-"), created: time.Now().Unix(),
		parser: chat.NewParser(m.Template.Form(), text, offersTools(c.Tools))}
	s.answer(w, r, m, req, &c.common, enc)
}

// offersTools reports whether a request's tools are a list with something in it.
func offersTools(tools json.RawMessage) bool {
	var list []json.RawMessage
	return json.Unmarshal(tools, &list) == nil && len(list) > 0
}

// chatToEngine checks a request and renders its prompt, whose text it returns too.
func (s *Server) chatToEngine(m *Model, c *chatRequest) (req engine.Request, text string, p *problem) {
	if c.MaxCompletionTokens != nil {
		c.MaxTokens = c.MaxCompletionTokens // the newer name of the same thing
	}
	if req, p = s.engineRequest(m, &c.common); p != nil {
		return req, "", p
	}
	var err error
	if len(c.Messages) == 0 {
		return req, "", badRequest("messages", "messages is empty.")
	}
	if c.ResponseFormat != nil && c.ResponseFormat.Type != "" && c.ResponseFormat.Type != "text" {
		return req, "", badRequest("response_format", "response_format %q is not supported.", c.ResponseFormat.Type)
	}
	if c.TopLogprobs != nil && (*c.TopLogprobs < 0 || *c.TopLogprobs > maxTop) {
		return req, "", badRequest("top_logprobs", "top_logprobs must be between 0 and %d.", maxTop)
	}
	if c.TopLogprobs != nil && !c.Logprobs {
		return req, "", badRequest("top_logprobs", "top_logprobs needs logprobs to be true.")
	}
	if c.Logprobs {
		req.LogProbs = -1
		if c.TopLogprobs != nil {
			req.LogProbs = logProbs(*c.TopLogprobs)
		}
	}
	switch choice := string(bytes.Trim(c.ToolChoice, `" `)); choice {
	case "", "null", "auto":
	case "none":
		c.Tools = nil
	default:
		return req, "", badRequest("tool_choice", `tool_choice takes "auto" or "none"; calls cannot be forced.`)
	}
	text, err = m.Template.Render(chat.Request{Messages: c.Messages, Tools: c.Tools, AddGenerationPrompt: true, Vars: c.TemplateVars})
	if err != nil {
		return req, "", badRequest("messages", "%v", err)
	}
	if req.Tokens, err = m.Template.Tokens(m.Engine.Tokenizer(), text); err != nil {
		return req, "", badRequest("messages", "%v", err)
	}
	return req, text, nil
}

// chatEncoder makes chat.completion objects and chunks.
type chatEncoder struct {
	model   *Model
	request *engine.Request
	parser  *chat.Parser
	id      string
	created int64
	calls   int // sent so far
}

type chatAnswer struct {
	ID          string       `json:"id"`
	Object      string       `json:"object"`
	Created     int64        `json:"created"`
	Model       string       `json:"model"`
	Fingerprint string       `json:"system_fingerprint"`
	Choices     []chatChoice `json:"choices"`
	Usage       *usage       `json:"usage,omitempty"`
	Pith        *figures     `json:"pith,omitempty"`
}

type chatChoice struct {
	Index    int          `json:"index"`
	Message  *chatMessage `json:"message,omitempty"`
	Delta    *chatDelta   `json:"delta,omitempty"`
	Logprobs *chatProbs   `json:"logprobs"` // null is written: some clients look for the key
	Reason   *string      `json:"finish_reason"`
}

// chatMessage is a whole message. Its content is null where it only makes calls.
type chatMessage struct {
	Role      string     `json:"role"`
	Content   *string    `json:"content"`
	Reasoning string     `json:"reasoning_content,omitempty"`
	Calls     []toolCall `json:"tool_calls,omitempty"`
}

// chatDelta is a piece of a message; absent fields have not changed.
type chatDelta struct {
	Role      string     `json:"role,omitempty"`
	Content   *string    `json:"content,omitempty"`
	Reasoning *string    `json:"reasoning_content,omitempty"`
	Calls     []toolCall `json:"tool_calls,omitempty"`
}

type toolCall struct {
	Index    *int         `json:"index,omitempty"` // in pieces only
	ID       string       `json:"id,omitempty"`
	Type     string       `json:"type,omitempty"`
	Function functionCall `json:"function"`
}

type functionCall struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

type chatProbs struct {
	Content []tokenProb `json:"content"`
	Refusal []tokenProb `json:"refusal"`
}
