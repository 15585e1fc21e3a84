package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"pith/chat/jinja"
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

// readHermes reads the body of <tool_call>: JSON, or the tags of Qwen3-Coder and later,
// <function=name><parameter=key>value</parameter>…</function>.
func readHermes(s string) ([]Call, string, status) {
	const open, param, endParam, end = "<function=", "<parameter=", "</parameter>", "</function>"
	t, tags := strings.CutPrefix(strings.TrimSpace(s), open)
	if !tags {
		return readJSONCalls(s)
	}
	name, t, ok := strings.Cut(t, ">")
	if !ok || name == "" || strings.ContainsAny(name, " \n<\"") {
		return nil, s, broken
	}
	args := []byte{'{'}
	for {
		t = strings.TrimLeft(t, " \t\r\n")
		if rest, ok := strings.CutPrefix(t, end); ok {
			return []Call{{Name: name, Arguments: append(args, '}'), texts: true}}, rest, whole
		}
		t, ok = strings.CutPrefix(t, param)
		if !ok {
			return nil, s, broken
		}
		key, rest, ok := strings.Cut(t, ">")
		if !ok {
			return nil, s, partly
		}
		value, rest, ok := strings.Cut(rest, endParam)
		if !ok {
			return nil, s, partly
		}
		if len(args) > 1 {
			args = append(args, ", "...)
		}
		value = strings.TrimSuffix(strings.TrimPrefix(value, "\n"), "\n")
		args = append(append(append(args, quote(key)...), ": "...), quote(value)...)
		t = rest
	}
}

// typed gives arguments that came as text their types: by the tool's schema, else whatever is JSON but no string stays JSON.
func typed(args json.RawMessage, types map[string]string) json.RawMessage {
	v, err := jinja.Decode(args)
	if err != nil {
		return args
	}
	d, ok := v.(*jinja.Dict)
	if !ok {
		return args
	}
	out := []byte{'{'}
	for i, k := range d.Keys() {
		if i > 0 {
			out = append(out, ", "...)
		}
		key, _ := k.(string)
		value, _ := d.Get(k)
		text, _ := value.(string)
		out = append(append(out, quote(key)...), ": "...)
		raw := strings.TrimSpace(text)
		if raw == "" || raw[0] == '"' || types[key] == "string" || !json.Valid([]byte(raw)) {
			switch lower := strings.ToLower(raw); {
			case types[key] == "boolean" && (lower == "true" || lower == "false"): // as Python writes them
				out = append(out, lower...)
			case types[key] != "string" && raw == "None":
				out = append(out, "null"...)
			default:
				out = append(out, quote(text)...)
			}
			continue
		}
		out = append(out, raw...)
	}
	return append(out, '}')
}

// parameterTypes reads the types that tools declare: function, parameter -> JSON type.
func parameterTypes(tools json.RawMessage) map[string]map[string]string {
	var list []struct {
		Function struct {
			Name       string
			Parameters struct {
				Properties map[string]struct{ Type json.RawMessage }
			}
		}
	}
	if json.Unmarshal(tools, &list) != nil {
		return nil
	}
	out := make(map[string]map[string]string, len(list))
	for _, t := range list {
		types := make(map[string]string, len(t.Function.Parameters.Properties))
		for name, p := range t.Function.Parameters.Properties {
			var one string
			if json.Unmarshal(p.Type, &one) == nil {
				types[name] = one
			}
		}
		out[t.Function.Name] = types
	}
	return out
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
