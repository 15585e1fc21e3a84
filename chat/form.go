package chat

import "strings"

// ToolForm is the way a family writes tool calls.
type ToolForm string

const (
	NoTools ToolForm = ""        // the template knows no tools
	Hermes  ToolForm = "hermes"  // <tool_call>{"name": …, "arguments": {…}}</tool_call>, or tags inside: Hermes, Qwen, SmolLM3
	Llama3  ToolForm = "llama3"  // {"name": …, "parameters": {…}} as the whole reply, <|python_tag|> before it or before code
	Mistral ToolForm = "mistral" // [TOOL_CALLS][{"name": …, "arguments": {…}}] or [TOOL_CALLS]name[ARGS]{…}
	Gemma   ToolForm = "gemma"   // ```tool_code with a Python call, or ```json with name and parameters
	Granite ToolForm = "granite" // <|tool_call|>[{"name": …, "arguments": {…}}], <|/tool_call|> behind it or not: Granite, Phi-4
)

// Form is how a model's replies are written.
type Form struct {
	Tools ToolForm

	// Open and Close enclose reasoning; empty when the family has none.
	Open, Close string
}

// Form tells from the template's own text how replies to its prompts are written: a template that shows earlier calls and
// reasoning to the model spells their markers.
func (t *Template) Form() Form {
	var f Form
	source := t.source
	if t.tools != nil {
		source += t.tools.source
	}
	has := func(parts ...string) bool {
		for _, p := range parts {
			if !strings.Contains(source, p) {
				return false
			}
		}
		return true
	}
	switch {
	case has("<tool_call>", "</tool_call>"):
		f.Tools = Hermes
	case has("[TOOL_CALLS]"):
		f.Tools = Mistral
	case has("<|python_tag|>"), has("<|start_header_id|>", "parameters"):
		f.Tools = Llama3
	case has("<|tool_call|>"):
		f.Tools = Granite
	case has("<start_of_turn>"):
		f.Tools = Gemma
	}
	switch {
	case has("</think>"):
		f.Open, f.Close = "<think>", "</think>"
	case has("[THINK]"):
		f.Open, f.Close = "[THINK]", "[/THINK]"
	}
	return f
}

// Markers lists the texts that Parser looks for. Several are control tokens, whose text a streaming decoder leaves out
// unless told otherwise: pass it on for these.
func (f Form) Markers() []string {
	var out []string
	if f.Close != "" {
		out = append(out, f.Open, f.Close)
	}
	for _, b := range blocks[f.Tools] {
		out = append(out, b.open)
		if b.close != "" {
			out = append(out, b.close)
		}
	}
	if f.Tools == Mistral {
		out = append(out, markArgs, markCallID)
	}
	return out
}

// block is a stretch of a reply that holds calls.
type block struct {
	open, close string // an empty close: to the end of the reply
	read        func(body string) (calls []Call, rest string, st status)
}

// status is how far the body of a block can be understood.
type status uint8

const (
	broken status = iota // no calls, whatever follows
	partly               // the beginning of calls
	whole                // calls, rest follows them
)

var blocks = map[ToolForm][]block{
	Hermes:  {{"<tool_call>", "</tool_call>", readHermes}},
	Llama3:  {{"<|python_tag|>", "", readLlama}},
	Mistral: {{"[TOOL_CALLS]", "", readMistral}},
	Granite: {{"<|tool_call|>", "", readGranite}},
	Gemma:   {{"```tool_code\n", "```", readPythonCalls}, {"```json\n", "```", readJSONCalls}},
}
