package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"pith/chat/jinja"
)

// Message is one message of a conversation: a JSON object kept as it came, because templates read keys this package
// does not know (tool_calls, name, tool_call_id, reasoning_content, …) and see their order.
type Message struct {
	raw json.RawMessage
}

// Text returns the message {"role": role, "content": content}.
func Text(role, content string) Message {
	b := []byte(`{"role":`)
	b = append(b, quote(role)...)
	b = append(b, `,"content":`...)
	b = append(b, quote(content)...)
	return Message{raw: append(b, '}')}
}

// quote encodes s as JSON without changing its bytes: invalid UTF-8 stays what it is only as U+FFFD, the replacement
// that encoding/json makes, since JSON itself has no other way to say it.
func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return []byte(`""`) // a string always encodes
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// UnmarshalJSON keeps a copy of data. What the object must contain is checked by Render, which can say at which index.
func (m *Message) UnmarshalJSON(data []byte) error {
	m.raw = append(m.raw[:0:0], data...)
	return nil
}

// MarshalJSON returns the object as it came.
func (m Message) MarshalJSON() ([]byte, error) {
	if m.raw == nil {
		return []byte("null"), nil
	}
	return m.raw, nil
}

// Role returns the message's role, empty when it has none.
func (m Message) Role() string {
	var o struct {
		Role string `json:"role"`
	}
	_ = json.Unmarshal(m.raw, &o) // a message that is not an object has no role; Render refuses it with its index
	return o.Role
}

// Content returns the message's content as text, parts joined, and whether it has any.
func (m Message) Content() (string, bool) {
	v, err := jinja.Decode(m.raw)
	if err != nil {
		return "", false
	}
	o, ok := v.(*jinja.Dict)
	if !ok {
		return "", false
	}
	c, ok := o.Get("content")
	if !ok {
		return "", false
	}
	return partsText(c)
}

// Request is what a prompt is rendered from.
type Request struct {
	Messages []Message
	Tools    json.RawMessage // a JSON array, keys in order; empty or null when there are none

	// AddGenerationPrompt asks for the opening of the assistant's turn at the end.
	AddGenerationPrompt bool

	// Now is the time that strftime_now sees; the zero value is the clock.
	Now time.Time

	// BOS and EOS replace the template's bos_token and eos_token when not nil.
	BOS, EOS *string

	// Vars are further variables of the template (enable_thinking, documents, …), each a JSON value.
	Vars map[string]json.RawMessage
}

// MessageError says which message of a request cannot be rendered and why.
type MessageError struct {
	Index int
	Fact  string
}

func (e *MessageError) Error() string {
	return fmt.Sprintf("chat: message %d: %s", e.Index, e.Fact)
}
