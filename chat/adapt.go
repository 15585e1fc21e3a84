package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pith/chat/jinja"
)

// partsText joins the text of a message's content.
func partsText(v jinja.Value) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case *jinja.List:
		var b strings.Builder
		for _, p := range v.Items() {
			s, err := partText(p)
			if err != nil {
				return "", false
			}
			b.WriteString(s)
		}
		return b.String(), true
	}
	return "", false
}

// partText returns the text of one part of a content.
func partText(p jinja.Value) (string, error) {
	o, ok := p.(*jinja.Dict)
	if !ok {
		if s, ok := p.(string); ok {
			return s, nil
		}
		return "", fmt.Errorf("content part is %s, not an object", jsonType(p))
	}
	kind, _ := o.Get("type")
	if text, ok := o.Get("text"); ok && (kind == nil || slices.Contains([]jinja.Value{"text", "input_text", "output_text"}, kind)) {
		if s, ok := text.(string); ok {
			return s, nil
		}
		return "", fmt.Errorf("text of a content part is %s, not a string", jsonType(text))
	}
	if s, ok := kind.(string); ok {
		return "", fmt.Errorf("content part of type %q: only text is understood", s)
	}
	return "", errors.New("content part without a type")
}

// adapt checks a message's content and calls and gives them the form that the template knows.
func (t *Template) adapt(o *jinja.Dict) error {
	content, has := o.Get("content")
	switch c := content.(type) {
	case string:
		if t.known().partsOnly {
			part := jinja.NewDict(2)
			part.Set("type", "text")
			part.Set("text", c)
			o.Set("content", jinja.NewList(part))
		}
	case nil:
		if has && !t.known().null {
			o.Set("content", "")
		}
	case *jinja.List:
		for _, p := range c.Items() {
			if _, err := partText(p); err != nil {
				return err
			}
		}
		if !t.known().parts {
			s, _ := partsText(c)
			o.Set("content", s)
		}
	default:
		return fmt.Errorf("content is %s, not a string, null or an array of parts", jsonType(content))
	}
	calls, ok := o.Get("tool_calls")
	if !ok || calls == nil {
		return nil
	}
	l, ok := calls.(*jinja.List)
	if !ok {
		return fmt.Errorf("tool_calls is %s, not an array", jsonType(calls))
	}
	for _, c := range l.Items() {
		call, ok := c.(*jinja.Dict)
		if !ok {
			return fmt.Errorf("tool call is %s, not an object", jsonType(c))
		}
		if f, ok := call.Get("function"); ok {
			if call, ok = f.(*jinja.Dict); !ok {
				return fmt.Errorf("function of a tool call is %s, not an object", jsonType(f))
			}
		}
		t.adaptArguments(call)
	}
	return nil
}

// adaptArguments decodes a call's arguments when they came as JSON text, which is how OpenAI clients send them, and the
// template wants the object.
func (t *Template) adaptArguments(call *jinja.Dict) {
	args, _ := call.Get("arguments")
	s, ok := args.(string)
	if !ok || t.known().textArguments {
		return
	}
	v, err := jinja.Decode([]byte(s))
	if err != nil {
		return
	}
	if _, ok := v.(*jinja.Dict); ok {
		call.Set("arguments", v)
	}
}

// knowledge is what a template can do with a message, found out by rendering small ones.
type knowledge struct {
	parts         bool // content as an array of parts
	partsOnly     bool // and no other
	null          bool // content null beside tool calls
	textArguments bool // arguments of a call as JSON text
	tools         bool // the tools that are offered
}

// needle is a text that no template contains.
const needle = "n33dle"

// known probes the template, once.
func (t *Template) known() knowledge {
	t.probe.Do(func() { t.knows = t.learn() })
	return t.knows
}

// learn renders small conversations and looks at what becomes of them; from a template's source the same facts can only be
// guessed at.
func (t *Template) learn() knowledge {
	ask := func(messages, tools string) (string, bool) {
		in := &input{now: time.Unix(0, 0).UTC(), vars: map[string]jinja.Value{
			"documents": nil, "add_generation_prompt": false, "bos_token": t.bos, "eos_token": t.eos,
		}}
		var err error
		if in.vars["messages"], err = jinja.Decode([]byte(messages)); err != nil {
			return "", false
		}
		if in.vars["tools"], err = jinja.Decode([]byte(tools)); err != nil {
			return "", false
		}
		text, err := t.run(in, jinja.Limits{Steps: 1 << 18, Bytes: 1 << 21})
		return text, err == nil && strings.Contains(text, needle)
	}
	whole := func(text string, ok bool) bool {
		return ok && !strings.Contains(text, "'type'") && !strings.Contains(text, `"type"`)
	}
	var k knowledge
	k.parts = whole(ask(`[{"role":"user","content":[{"type":"text","text":"`+needle+`"}]}]`, "null"))
	k.partsOnly = k.parts && !whole(ask(`[{"role":"user","content":"`+needle+`"}]`, "null"))

	call := func(content, args string) string {
		return `[{"role":"user","content":"a"},{"role":"assistant","content":` + content + `,"tool_calls":[{"id":"abcdefghi",` +
			`"type":"function","function":{"name":"` + needle + `","arguments":` + args + `}}]}]`
	}
	text, ok := ask(call("null", `{"k":1}`), "null")
	k.null = ok && !strings.Contains(text, "None")
	text, ok = ask(call(`""`, `"{\"k\":7}"`), "null")
	k.textArguments = ok && strings.Contains(text, `{"k":7}`)
	_, k.tools = ask(`[{"role":"user","content":"a"}]`,
		`[{"type":"function","function":{"name":"`+needle+`","description":"","parameters":{"type":"object","properties":{}}}}]`)
	return k
}

// KnowsTools reports whether the template shows offered tools to the model.
func (t *Template) KnowsTools() bool { return t.tools != nil || t.known().tools }
