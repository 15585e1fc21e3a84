package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"pith/engine"
	"pith/kvcache"
	"pith/policy"
)

// A problem is an error in OpenAI's shape.
type problem struct {
	status  int
	retry   int // seconds of Retry-After; 0: none
	Message string
	Type    string
	Param   string // "" is null
	Code    string // "" is null
}

func (p *problem) Error() string { return p.Message }

// MarshalJSON writes {"error":{…}} with null where there is nothing to say, as clients expect.
func (p *problem) MarshalJSON() ([]byte, error) {
	null := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	return json.Marshal(map[string]any{"error": map[string]any{
		"message": p.Message, "type": p.Type, "param": null(p.Param), "code": null(p.Code),
	}})
}

// badRequest is status 400 about one parameter.
func badRequest(param, format string, a ...any) *problem {
	return &problem{status: http.StatusBadRequest, Type: "invalid_request_error", Param: param, Message: fmt.Sprintf(format, a...)}
}

// problemOf translates what the engine or the template says.
func problemOf(err error) *problem {
	var asked *problem
	var long *engine.ContextError
	var memory *engine.MemoryError
	var budget *policy.BudgetError
	switch {
	case errors.As(err, &asked):
		return asked
	case errors.As(err, &long):
		p := badRequest("messages", "This model's maximum context length is %d tokens. However, the prompt has %d tokens.", long.Context, long.Prompt)
		if long.Prompt <= long.Context && long.Generate > 1 {
			p.Message = fmt.Sprintf("This model's maximum context length is %d tokens. However, you requested %d tokens (%d in the prompt, %d in the completion).",
				long.Context, long.Prompt+long.Generate, long.Prompt, long.Generate)
		}
		p.Code = "context_length_exceeded"
		return p
	case errors.As(err, &memory):
		p := badRequest("kv_memory", "%v", memory)
		p.Code = "kv_budget_exceeded"
		return p
	case errors.As(err, &budget):
		p := badRequest("keep", "%v", budget)
		p.Code = "kv_budget_exceeded"
		return p
	case errors.Is(err, engine.ErrQueueFull):
		return &problem{status: http.StatusTooManyRequests, retry: 2, Type: "rate_limit_error", Code: "queue_full", Message: "Too many requests are waiting; try again."}
	case errors.Is(err, kvcache.ErrBudget):
		return &problem{status: http.StatusServiceUnavailable, retry: 2, Type: "server_error", Code: "kv_memory_full", Message: err.Error()}
	case errors.Is(err, engine.ErrClosed), errors.Is(err, context.Canceled):
		return &problem{status: http.StatusServiceUnavailable, retry: 2, Type: "server_error", Code: "stopping", Message: "The server is stopping."}
	}
	return &problem{status: http.StatusInternalServerError, Type: "server_error", Message: err.Error()}
}

// refuse answers with a problem.
func (s *Server) refuse(w http.ResponseWriter, p *problem) {
	if p.retry > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(p.retry))
	}
	if p.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if p.status >= 500 {
		s.log.Warn("refused", "status", p.status, "reason", p.Message)
	}
	respond(w, p.status, p)
}

// respond writes one JSON value.
func respond(w http.ResponseWriter, status int, v any) {
	b, err := encode(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":{"message":"the answer cannot be encoded","type":"server_error","param":null,"code":null}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b)
}

// encode marshals without escaping <, > and &, which replies are full of.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
