package chat

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"pith/chat/jinja"
)

// Template renders messages to the text a model expects. It is safe for concurrent use.
type Template struct {
	// Origin says where the template came from, for people: "the model file", "documented for the gemma3 family", ….
	Origin string

	source   string
	program  *jinja.Template
	bos, eos string
	tools    *Template // the file's own variant for requests with tools, nil when it has none

	probe sync.Once
	knows knowledge
}

// NewTemplate reads a Jinja template. bos and eos are what its bos_token and eos_token stand for.
func NewTemplate(source, bos, eos string) (*Template, error) {
	program, err := jinja.Parse(source)
	if err != nil {
		return nil, translate(err)
	}
	return &Template{Origin: "given", source: source, program: program, bos: bos, eos: eos}, nil
}

// Source returns the template's text.
func (t *Template) Source() string { return t.source }

// TemplateError is a template that cannot be read, or messages that it cannot be rendered with.
type TemplateError struct {
	Line   int    // line of the template, 0 when unknown
	Fact   string // the template's own words when Raised
	Raised bool   // by the template itself, through raise_exception
}

func (e *TemplateError) Error() string {
	if e.Raised || e.Line == 0 {
		return "chat: template: " + e.Fact
	}
	return fmt.Sprintf("chat: template: line %d: %s", e.Line, e.Fact)
}

// Render returns the prompt, byte for byte what transformers' apply_chat_template makes of it. Errors are *MessageError
// for messages that no template could take and *TemplateError for the rest, the template's own refusal among them.
func (t *Template) Render(r Request) (string, error) {
	if tools := strings.TrimSpace(string(r.Tools)); t.tools != nil && tools != "" && tools != "null" && tools != "[]" {
		t = t.tools
	}
	in, err := t.prepare(r)
	if err != nil {
		return "", err
	}
	return t.run(in, jinja.LimitsFor(in.size))
}

// input is a request in the form that templates see.
type input struct {
	vars map[string]jinja.Value
	now  time.Time
	size int // bytes of the request
}

// prepare validates a request and turns it into variables, with contents in the form that the template knows.
func (t *Template) prepare(r Request) (*input, error) {
	in := &input{vars: make(map[string]jinja.Value, len(r.Vars)+6), now: r.Now}
	if in.now.IsZero() {
		in.now = time.Now()
	}
	for name, raw := range r.Vars {
		v, err := jinja.Decode(raw)
		if err != nil {
			return nil, fmt.Errorf("chat: variable %s: %w", name, bare(err))
		}
		in.vars[name] = v
		in.size += len(raw)
	}
	messages, size, err := t.messages(r.Messages)
	if err != nil {
		return nil, err
	}
	in.size += size
	var tools jinja.Value
	if len(r.Tools) > 0 {
		if tools, err = jinja.Decode(r.Tools); err != nil {
			return nil, fmt.Errorf("chat: tools: %w", bare(err))
		}
		if _, ok := tools.(*jinja.List); !ok && tools != nil {
			return nil, fmt.Errorf("chat: tools: %s, not an array", jsonType(tools))
		}
		in.size += len(r.Tools)
	}
	for name, v := range map[string]jinja.Value{
		"messages": messages, "tools": tools, "add_generation_prompt": r.AddGenerationPrompt,
		"bos_token": pick(r.BOS, t.bos), "eos_token": pick(r.EOS, t.eos),
	} {
		in.vars[name] = v
	}
	if _, ok := in.vars["documents"]; !ok {
		in.vars["documents"] = nil // defined, as in transformers: templates ask "is not none"
	}
	return in, nil
}

func pick(p *string, def string) string {
	if p != nil {
		return *p
	}
	return def
}

// bare takes the package prefix off an error that gets another.
func bare(err error) error {
	if t, ok := err.(*jinja.Error); ok {
		return errors.New(t.Fact)
	}
	return err
}

// run renders within limits, and puts the template's errors in this package's words.
func (t *Template) run(in *input, limits jinja.Limits) (string, error) {
	text, err := t.program.Render(in.vars, in.now, limits)
	return text, translate(err)
}

func translate(err error) error {
	var e *jinja.Error
	if errors.As(err, &e) {
		return &TemplateError{Line: e.Line, Fact: e.Fact, Raised: e.Raised}
	}
	return err
}

// messages validates what every template relies on and decodes the rest.
func (t *Template) messages(raw []Message) (*jinja.List, int, error) {
	out := make([]jinja.Value, 0, len(raw))
	size := 0
	for i, m := range raw {
		v, err := jinja.Decode(m.raw)
		if err != nil {
			return nil, 0, &MessageError{i, bare(err).Error()}
		}
		o, ok := v.(*jinja.Dict)
		if !ok {
			return nil, 0, &MessageError{i, jsonType(v) + ", not an object"}
		}
		role, ok := o.Get("role")
		if !ok {
			return nil, 0, &MessageError{i, "no role"}
		}
		if _, ok := role.(string); !ok {
			return nil, 0, &MessageError{i, "role is " + jsonType(role) + ", not a string"}
		}
		if err := t.adapt(o); err != nil {
			return nil, 0, &MessageError{i, err.Error()}
		}
		size += len(m.raw)
		out = append(out, o)
	}
	return jinja.NewList(out...), size, nil
}

// jsonType names v's JSON type.
func jsonType(v jinja.Value) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case *jinja.List:
		return "an array"
	case *jinja.Dict:
		return "an object"
	}
	return "a number"
}
