package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// decodeFirst reads the JSON value at the start of s and returns it with the text behind it.
func decodeFirst(s string) (raw json.RawMessage, rest string, st status) {
	d := json.NewDecoder(strings.NewReader(s))
	err := d.Decode(&raw)
	switch {
	case err == nil:
		return raw, s[d.InputOffset():], whole
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, s, partly
	}
	return nil, s, broken
}

// jsonCall is a call in the keys of all families.
type jsonCall struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Function   json.RawMessage `json:"function"`
	Arguments  json.RawMessage `json:"arguments"`
	Parameters json.RawMessage `json:"parameters"`
}

// call turns a JSON object into a call. Arguments may come as an object, as the text of one, or under the key that Llama uses.
func (j jsonCall) call() (Call, bool) {
	if j.Name == "" && len(j.Function) > 0 {
		if json.Unmarshal(j.Function, &j.Name) != nil { // {"function": "name", …} or {"function": {"name": …}}
			var inner jsonCall
			if json.Unmarshal(j.Function, &inner) != nil || len(inner.Function) > 0 {
				return Call{}, false
			}
			inner.ID = j.ID
			return inner.call()
		}
	}
	args := j.Arguments
	if len(args) == 0 {
		args = j.Parameters
	}
	var text string
	if json.Unmarshal(args, &text) == nil && text != "" {
		args = json.RawMessage(text)
	}
	args = bytes.TrimSpace(args)
	if j.Name == "" || len(args) == 0 || args[0] != '{' || !json.Valid(args) {
		return Call{}, false
	}
	return Call{ID: j.ID, Name: j.Name, Arguments: args}, true
}

// callsOf reads a value that is a call or an array of calls.
func callsOf(raw json.RawMessage) ([]Call, bool) {
	var many []jsonCall
	if json.Unmarshal(raw, &many) != nil {
		var one jsonCall
		if json.Unmarshal(raw, &one) != nil {
			return nil, false
		}
		many = []jsonCall{one}
	}
	out := make([]Call, 0, len(many))
	for _, j := range many {
		c, ok := j.call()
		if !ok {
			return nil, false
		}
		out = append(out, c)
	}
	return out, len(out) > 0
}

// readJSONCalls reads a call, or an array of them.
func readJSONCalls(s string) ([]Call, string, status) {
	raw, rest, st := decodeFirst(s)
	if st != whole {
		return nil, s, st
	}
	calls, ok := callsOf(raw)
	if !ok {
		return nil, s, broken
	}
	return calls, rest, whole
}

// readMany reads calls one after the other, separated by white space and semicolons, up to text that is none.
func readMany(s string) ([]Call, string, status) {
	calls, rest, st := readJSONCalls(s)
	for st == whole {
		next := strings.TrimLeft(rest, " \t\r\n;")
		if next == "" {
			return calls, "", whole
		}
		if next[0] != '{' && next[0] != '[' {
			return calls, rest, whole
		}
		more, after, st := readJSONCalls(next)
		switch st {
		case partly:
			return nil, s, partly
		case broken:
			return calls, rest, whole
		}
		calls, rest = append(calls, more...), after
	}
	return nil, s, st
}

// readGranite reads an array of calls and the closing marker that Phi-4 writes.
func readGranite(s string) ([]Call, string, status) {
	const end = "<|/tool_call|>"
	calls, rest, st := readMany(s)
	if st != whole {
		return calls, rest, st
	}
	tail := strings.TrimLeft(rest, " \t\r\n")
	if after, ok := strings.CutPrefix(tail, end); ok {
		return calls, after, whole
	}
	if tail != "" && strings.HasPrefix(end, tail) {
		return nil, s, partly
	}
	return calls, rest, whole
}

// readLlama reads what follows <|python_tag|>: calls as JSON, a call of a built-in tool (brave_search.call(query="…")), or code
// for the interpreter, which becomes a call of "python".
func readLlama(s string) ([]Call, string, status) {
	t := strings.TrimLeft(s, " \t\r\n")
	if t == "" {
		return nil, s, partly
	}
	if t[0] == '{' || t[0] == '[' {
		if calls, rest, st := readMany(t); st != broken {
			return calls, rest, st
		}
	}
	// Code has no end but the reply's, so it is whole whenever the reply ends.
	if calls, ok := pythonCalls(t); ok && len(calls) == 1 && strings.HasSuffix(calls[0].Name, ".call") {
		calls[0].Name = strings.TrimSuffix(calls[0].Name, ".call")
		return calls, "", whole
	}
	code := append(append([]byte(`{"code": `), quote(strings.TrimRight(t, " \t\r\n"))...), '}')
	return []Call{{Name: "python", Arguments: code}}, "", whole
}

// Markers inside Mistral's later form.
const (
	markArgs   = "[ARGS]"
	markCallID = "[CALL_ID]"
)

// readMistral reads an array of calls, or name[CALL_ID]id[ARGS]{…}, several with the opening marker between them.
func readMistral(s string) ([]Call, string, status) {
	t := strings.TrimLeft(s, " \t\r\n")
	if t == "" {
		return nil, s, partly
	}
	if t[0] == '[' || t[0] == '{' {
		return readMany(t)
	}
	at := strings.IndexByte(t, '{')
	head := strings.TrimRight(t[:max(at, 0)], " \t\r\n")
	if at < 0 {
		head = strings.TrimRight(t, " \t\r\n")
	}
	if strings.ContainsAny(head, " \t\r\n") || len(head) > 256 {
		return nil, s, broken // a name has no white space
	}
	if at < 0 {
		return nil, s, partly
	}
	name, id, _ := strings.Cut(strings.TrimSuffix(head, markArgs), markCallID)
	if name == "" || strings.ContainsAny(name, "[]\"") {
		return nil, s, broken
	}
	args, rest, st := decodeFirst(t[at:])
	if st != whole {
		return nil, s, st
	}
	calls := []Call{{ID: id, Name: name, Arguments: args}}
	const open = "[TOOL_CALLS]"
	tail := strings.TrimLeft(rest, " \t\r\n")
	if after, ok := strings.CutPrefix(tail, open); ok {
		more, rest, st := readMistral(after)
		if st != whole {
			return nil, s, st
		}
		return append(calls, more...), rest, whole
	}
	if tail != "" && strings.HasPrefix(open, tail) {
		return nil, s, partly
	}
	return calls, rest, whole
}
