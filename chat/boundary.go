package chat

import (
	"encoding/json"
	"fmt"
	"strings"
)

// marker stands where a document ends while its place in the prompt is looked for. It is made of letters only, so that
// no template trims, escapes or splits it, and no text contains it.
const marker = "pithDocumentEnd7f3c9a1e5b"

// RenderWithBoundary renders r and returns the prompt together with the offset up to which it does not depend on what
// follows doc: doc is a text that the content of one message contains, and docEnd lies right after it. A cache of
// text[:docEnd] can be computed, and compressed, before the question after the document is known; each later prompt of
// the same conversation with another question starts with the same bytes.
//
// doc is looked for in the first message that contains it. A template that trims contents moves docEnd before the white
// space at the document's end when nothing follows it there.
func (t *Template) RenderWithBoundary(r Request, doc string) (text string, docEnd int, err error) {
	text, err = t.Render(r)
	if err != nil {
		return "", 0, err
	}
	if doc == "" {
		return "", 0, fmt.Errorf("chat: document: empty")
	}
	marked := r
	marked.Messages = append([]Message(nil), r.Messages...)
	found := false
	for i, m := range r.Messages {
		content, ok := m.Content()
		at := strings.Index(content, doc)
		if !ok || at < 0 {
			continue
		}
		at += len(doc)
		if marked.Messages[i], err = m.withContent(content[:at] + marker + content[at:]); err != nil {
			return "", 0, err
		}
		found = true
		break
	}
	if !found {
		return "", 0, fmt.Errorf("chat: document: not in the content of %d messages", len(r.Messages))
	}
	other, err := t.Render(marked)
	if err != nil {
		return "", 0, err
	}
	at := strings.Index(other, marker)
	if at < 0 {
		return "", 0, fmt.Errorf("chat: document: the template leaves it out")
	}
	docEnd = min(at, Common(text, other))
	if docEnd == 0 {
		return "", 0, fmt.Errorf("chat: document: the prompt depends on what follows it from its first byte")
	}
	return text, docEnd, nil
}

// withContent returns the message with another content, its other keys as they were.
func (m Message) withContent(content string) (Message, error) {
	// A key given twice means its last value; the one appended here is the last.
	var o map[string]json.RawMessage
	if err := json.Unmarshal(m.raw, &o); err != nil {
		return Message{}, fmt.Errorf("chat: message: %w", err)
	}
	body := strings.TrimRight(string(m.raw), " \t\r\n")
	body = strings.TrimSuffix(body, "}")
	return Message{raw: append(append([]byte(body+`,"content":`), quote(content)...), '}')}, nil
}

// Common returns the length of the longest common prefix of two texts that does not end inside a character.
func Common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(a) && a[n]&0xc0 == 0x80 {
		n--
	}
	return n
}

// Continuation tells whether next goes on where prev ended, and with what. prev is what a cache holds: the prompt of the
// turns before and the reply, as text.
func Continuation(prev, next string) (suffix string, ok bool) {
	return strings.CutPrefix(next, prev)
}

// NextTurn returns what has to be fed after prev, the text that a cache holds up to and without the token that ended the
// reply, so that it holds the conversation r, whose
// last assistant message is the reply that ended prev and whose later messages are new.
//
// exact reports that prev+suffix is the prompt that Render makes. Where a template rewrites replies (trims them, takes
// their reasoning out), it is not: the cache then keeps the reply as it was generated, and suffix is what the template
// puts after a reply.
func (t *Template) NextTurn(r Request, prev string) (suffix string, exact bool, err error) {
	text, err := t.Render(r)
	if err != nil {
		return "", false, err
	}
	if suffix, ok := Continuation(prev, text); ok {
		return suffix, true, nil
	}
	last := -1
	for i, m := range r.Messages {
		if m.Role() == "assistant" {
			last = i
		}
	}
	if last < 0 {
		return "", false, fmt.Errorf("chat: next turn: no reply among %d messages", len(r.Messages))
	}
	marked := r
	marked.Messages = append([]Message(nil), r.Messages...)
	if marked.Messages[last], err = r.Messages[last].withContent(marker); err != nil {
		return "", false, err
	}
	if text, err = t.Render(marked); err != nil {
		return "", false, err
	}
	at := strings.LastIndex(text, marker)
	if at < 0 {
		return "", false, fmt.Errorf("chat: next turn: the template leaves the reply out")
	}
	return text[at+len(marker):], false, nil
}
