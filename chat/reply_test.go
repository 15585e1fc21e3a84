package chat

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

var think = func(f ToolForm) Form { return Form{Tools: f, Open: "<think>", Close: "</think>"} }

// replies are what models write, and what is in it.
var replies = []struct {
	name          string
	form          Form
	prompt, reply string
	noTools       bool
	content       string
	reasoning     string
	calls         string // name arguments, one a line
}{
	{name: "plain", form: think(Hermes), reply: "Hello <b>you</b>. ", content: "Hello <b>you</b>. "},
	{name: "reasoning", form: think(NoTools), reply: "<think>\nsum: 1 < 2\n</think>\n\nTwo.\n", content: "Two.\n", reasoning: "sum: 1 < 2"},
	{name: "reasoning opened by the prompt", form: think(NoTools), prompt: "…assistant\n<think>\n", reply: "so\n\n</think>\nTwo", content: "Two", reasoning: "so"},
	{name: "reasoning cut off", form: think(Hermes), reply: "<think>hm, maybe </thi", reasoning: "hm, maybe </thi"},
	{name: "marker spoken of", form: think(Hermes), reply: "The <think> marker.", content: "The <think> marker."},
	{name: "marker in one piece with text", form: think(Hermes), reply: "a<think>b", content: "a<think>b"},
	{name: "empty reasoning", form: think(Hermes), reply: "<think>\n\n</think>\n\nYes", content: "Yes"},

	{name: "hermes", form: think(Hermes), reply: "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"b\": 1, \"a\": \"x\"}}\n</tool_call>", calls: `get {"b": 1, "a": "x"}`},
	{name: "hermes, reasoning, text and two calls", form: think(Hermes),
		reply:     "<think>\nneed it\n</think>\n\nLet me look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": {\"x\": [1, {\"y\": null}]}}\n</tool_call>\n",
		content:   "Let me look.",
		reasoning: "need it", calls: "f {}\ng {\"x\": [1, {\"y\": null}]}"},
	{name: "hermes, closing marker inside a string", form: think(Hermes), reply: `<tool_call>{"name": "f", "arguments": {"s": "</tool_call>"}}</tool_call>`, calls: `f {"s": "</tool_call>"}`},
	{name: "hermes, arguments as text", form: think(Hermes), reply: `<tool_call>{"name": "f", "arguments": "{\"a\": 1}"}</tool_call>`, calls: `f {"a": 1}`},
	{name: "hermes, cut off after the call", form: think(Hermes), reply: `<tool_call>{"name": "f", "arguments": {}}`, calls: `f {}`},
	{name: "hermes, cut off inside the call", form: think(Hermes), reply: `Well <tool_call>{"name": "f", "argu`, content: `Well <tool_call>{"name": "f", "argu`},
	{name: "hermes, not a call", form: think(Hermes), reply: "see <tool_call>\nnothing\n</tool_call> there", content: "see <tool_call>\nnothing\n</tool_call> there"},
	{name: "hermes, no tools offered", form: think(Hermes), noTools: true, reply: `<tool_call>{"name": "f", "arguments": {}}</tool_call>`,
		content: `<tool_call>{"name": "f", "arguments": {}}</tool_call>`},
	{name: "hermes, half a marker is text", form: think(Hermes), reply: "<tool", content: "<tool"},

	{name: "qwen3-coder", form: think(Hermes), reply: "<tool_call>\n<function=get>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n3\n</parameter>\n<parameter=code>\nif a < b:\n    </tool_call>\n</parameter>\n</function>\n</tool_call>",
		calls: `get {"city": "Paris", "days": 3, "code": "if a < b:\n    </tool_call>"}`},
	{name: "qwen3-coder, no arguments", form: think(Hermes), reply: "<tool_call>\n<function=f>\n</function>\n</tool_call>", calls: `f {}`},
	{name: "qwen3-coder, broken", form: think(Hermes), reply: "<tool_call>\n<function=f>x</tool_call>", content: "<tool_call>\n<function=f>x</tool_call>"},

	{name: "llama", form: Form{Tools: Llama3}, reply: `{"name": "get", "parameters": {"city": "Paris"}}`, calls: `get {"city": "Paris"}`},
	{name: "llama, two", form: Form{Tools: Llama3}, reply: `{"name": "f", "parameters": {}}; {"name": "g", "parameters": {"a": 1}}`, calls: "f {}\ng {\"a\": 1}"},
	{name: "llama, python tag", form: Form{Tools: Llama3}, reply: `<|python_tag|>{"type": "function", "name": "f", "parameters": {"a": "b"}}`, calls: `f {"a": "b"}`},
	{name: "llama, built-in tool", form: Form{Tools: Llama3}, reply: `<|python_tag|>brave_search.call(query="weather in \"Paris\"")`, calls: `brave_search {"query": "weather in \"Paris\""}`},
	{name: "llama, code", form: Form{Tools: Llama3}, reply: "<|python_tag|>import math\nprint(math.pi)\n", calls: `python {"code": "import math\nprint(math.pi)"}`},
	{name: "llama, JSON that is no call", form: Form{Tools: Llama3}, reply: `{"answer": 42}` + "\n", content: `{"answer": 42}` + "\n"},
	{name: "llama, text", form: Form{Tools: Llama3}, reply: `The set {1, 2}.`, content: `The set {1, 2}.`},
	{name: "llama, braces that are no JSON", form: Form{Tools: Llama3}, reply: `{oops} then`, content: `{oops} then`},
	{name: "llama, no tools offered", form: Form{Tools: Llama3}, noTools: true, reply: `{"name": "f", "parameters": {}}`, content: `{"name": "f", "parameters": {}}`},

	{name: "mistral", form: Form{Tools: Mistral}, reply: `[TOOL_CALLS][{"name": "f", "arguments": {"a": 1}, "id": "abcDEF123"}, {"name": "g", "arguments": {}}]`, calls: "f {\"a\": 1}\ng {}"},
	{name: "mistral, space", form: Form{Tools: Mistral}, reply: `[TOOL_CALLS] [{"name": "f", "arguments": {}}]`, calls: "f {}"},
	{name: "mistral, later form", form: Form{Tools: Mistral}, reply: `Ok.[TOOL_CALLS]f[ARGS]{"a": "[ARGS]"}[TOOL_CALLS]g[CALL_ID]123456789[ARGS]{}`, content: "Ok.", calls: "f {\"a\": \"[ARGS]\"}\ng {}"},
	{name: "mistral, name and object", form: Form{Tools: Mistral}, reply: `[TOOL_CALLS]f{"a": 1}`, calls: `f {"a": 1}`},
	{name: "mistral, nonsense", form: Form{Tools: Mistral}, reply: `[TOOL_CALLS] not at all`, content: `[TOOL_CALLS] not at all`},
	{name: "mistral, thinking", form: Form{Tools: Mistral, Open: "[THINK]", Close: "[/THINK]"}, reply: `[THINK]a[/THINK]b`, content: "b", reasoning: "a"},

	{name: "granite", form: Form{Tools: Granite}, reply: `<|tool_call|>[{"name": "f", "arguments": {"a": 1}}]`, calls: `f {"a": 1}`},
	{name: "phi 4", form: Form{Tools: Granite}, reply: `<|tool_call|>[{"name": "f", "arguments": {"a": 1}}]<|/tool_call|>`, calls: `f {"a": 1}`},

	{name: "gemma, code", form: Form{Tools: Gemma}, reply: "Sure:\n```tool_code\nprint(get(city='Paris', days=3, units=[\"C\", None], deep={'a': True}, x=-1.5))\n```", content: "Sure:",
		calls: `get {"city": "Paris", "days": 3, "units": ["C", null], "deep": {"a": true}, "x": -1.5}`},
	{name: "gemma, list", form: Form{Tools: Gemma}, reply: "```tool_code\n[f(a=1), default_api.g(b=\"it's\")]\n```\n", calls: "f {\"a\": 1}\ng {\"b\": \"it's\"}"},
	{name: "gemma, JSON", form: Form{Tools: Gemma}, reply: "```json\n{\"name\": \"f\", \"parameters\": {\"a\": 1}}\n```", calls: `f {"a": 1}`},
	{name: "gemma, bare JSON", form: Form{Tools: Gemma}, reply: "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", calls: `f {"a": 1}`},
	{name: "gemma, code that is no call", form: Form{Tools: Gemma}, reply: "```tool_code\nx = 1\n```\nDone", content: "```tool_code\nx = 1\n```\nDone"},
	{name: "gemma, JSON that is no call", form: Form{Tools: Gemma}, reply: "```json\n{\"a\": 1}\n```", content: "```json\n{\"a\": 1}\n```"},
	{name: "gemma, other code", form: Form{Tools: Gemma}, reply: "```python\nprint(1)\n```", content: "```python\nprint(1)\n```"},
}

func callLines(calls []Call) string {
	lines := make([]string, len(calls))
	for i, c := range calls {
		lines[i] = c.Name + " " + string(c.Arguments)
	}
	return strings.Join(lines, "\n")
}

func TestParseReply(t *testing.T) {
	for _, c := range replies {
		got := ParseReply(c.form, c.prompt, c.reply, !c.noTools)
		if got.Content != c.content || got.Reasoning != c.reasoning || callLines(got.Calls) != c.calls {
			t.Errorf("%s: content %q, reasoning %q, calls %q\nwant %q, %q, %q", c.name, got.Content, got.Reasoning, callLines(got.Calls), c.content, c.reasoning, c.calls)
		}
		for _, call := range got.Calls {
			if len(call.ID) != 9 || !json.Valid(call.Arguments) {
				t.Errorf("%s: call %+v", c.name, call)
			}
		}
	}
}

// stream parses a reply piece by piece.
func stream(t testing.TB, f Form, prompt string, pieces []string, tools bool) Reply {
	p := NewParser(f, prompt, tools)
	var all Reply
	add := func(r Reply) {
		all.Content += r.Content
		all.Reasoning += r.Reasoning
		all.Calls = append(all.Calls, r.Calls...)
	}
	for _, piece := range pieces {
		add(p.Write(piece))
	}
	add(p.Close())
	return all
}

func TestStreamingEqualsTheWhole(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range replies {
		want := ParseReply(c.form, c.prompt, c.reply, !c.noTools)
		if got := stream(t, c.form, c.prompt, strings.Split(c.reply, ""), !c.noTools); !reflect.DeepEqual(got, want) {
			t.Errorf("%s, letter by letter: %+v\nwant %+v", c.name, got, want)
		}
		for range 20 {
			if got := stream(t, c.form, c.prompt, split(r, c.reply), !c.noTools); !reflect.DeepEqual(got, want) {
				t.Errorf("%s, in pieces: %+v\nwant %+v", c.name, got, want)
			}
		}
	}
}

// split cuts s at random characters.
func split(r *rand.Rand, s string) []string {
	var out []string
	for s != "" {
		n := 0
		for k := 1 + r.IntN(6); k > 0 && n < len(s); k-- {
			_, w := utf8.DecodeRuneInString(s[n:])
			n += w
		}
		out = append(out, s[:n])
		s = s[n:]
	}
	return out
}

func TestContentStreamsAtOnce(t *testing.T) {
	p := NewParser(think(Hermes), "", true)
	for _, c := range []struct{ piece, content, reasoning string }{
		{"<th", "", ""}, {"ink>I", "", "I"}, {" see", "", " see"}, {".\n</thi", "", "."}, {"nk>\n\nWell", "Well", ""},
		{",", ",", ""}, {" a <", " a", ""}, {"b", " <b", ""}, {"\n<tool_call>{", "", ""},
	} {
		got := p.Write(c.piece)
		if got.Content != c.content || got.Reasoning != c.reasoning {
			t.Errorf("%q: content %q, reasoning %q; want %q, %q", c.piece, got.Content, got.Reasoning, c.content, c.reasoning)
		}
	}
}

func TestModelsOwnCallID(t *testing.T) {
	got := ParseReply(Form{Tools: Mistral}, "p", `[TOOL_CALLS][{"name": "f", "arguments": {}, "id": "abcDEF123"},{"name": "f", "arguments": {}},{"name": "f", "arguments": {}}]`, true)
	if len(got.Calls) != 3 || got.Calls[0].ID != "abcDEF123" || got.Calls[1].ID == got.Calls[2].ID {
		t.Errorf("%+v", got.Calls)
	}
}

func TestArgumentsGetTheirDeclaredTypes(t *testing.T) {
	p := NewParser(think(Hermes), "", true)
	p.UseTools(json.RawMessage(`[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{
		"zip":{"type":"string"},"n":{"type":"integer"},"b":{"type":"boolean"},"o":{"type":"object"},"u":{"type":["string","null"]}}}}}]`))
	r := p.Write("<tool_call><function=f><parameter=zip>01234</parameter><parameter=n>5</parameter><parameter=b>True</parameter><parameter=o>\n{\"a\": [1]}\n</parameter><parameter=u>None</parameter></function></tool_call>")
	if got := callLines(r.Calls); got != `f {"zip": "01234", "n": 5, "b": true, "o": {"a": [1]}, "u": null}` {
		t.Error(got)
	}
}

func TestFormFromTheTemplate(t *testing.T) {
	for name, want := range map[string]Form{
		"smol": {}, "llama-3.2": {Tools: Llama3}, "mistral-nemo": {Tools: Mistral}, "qwen3": think(Hermes), "gemma-2": {Tools: Gemma}, "phi-3.5": {},
	} {
		tpl, err := NewTemplate(sharedTemplate(t, name+".jinja"), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if got := tpl.Form(); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		if got, want := tpl.KnowsTools(), want.Tools != NoTools && want.Tools != Gemma; got != want {
			t.Errorf("%s: knows tools %v", name, got)
		}
	}
}

// A reply that is rendered back and parsed again is the same: what a template writes for a call, its form reads.
func TestRenderedCallsAreRead(t *testing.T) {
	for _, name := range []string{"llama-3.2", "mistral-nemo", "qwen3"} {
		tpl, err := NewTemplate(sharedTemplate(t, name+".jinja"), "<s>", "</s>")
		if err != nil {
			t.Fatal(err)
		}
		request := func(more ...string) Request {
			var m []Message
			for _, s := range append([]string{`{"role":"user","content":"a"}`}, more...) {
				m = append(m, Message{raw: json.RawMessage(s)})
			}
			return Request{Messages: m, AddGenerationPrompt: len(more) == 0}
		}
		prompt, err := tpl.Render(request())
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range []string{`{"z": 1, "a": "é <b>"}`, `"{\"z\": 1, \"a\": \"é <b>\"}"`} {
			full, err := tpl.Render(request(`{"role":"assistant","content":null,"tool_calls":[{"id":"abcdefghi","type":"function","function":{"name":"f","arguments":` + args + `}}]}`))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			at := Common(prompt, full)
			reply := full[at:]
			for _, end := range []string{"<|eot_id|>", "</s>", "<|im_end|>\n"} {
				reply = strings.TrimSuffix(reply, end)
			}
			got := ParseReply(tpl.Form(), prompt, reply, true)
			if callLines(got.Calls) != `f {"z": 1, "a": "é <b>"}` || got.Content != "" {
				t.Errorf("%s: %q gives %+v", name, reply, got)
			}
		}
	}
}

func FuzzReply(f *testing.F) {
	for i, c := range replies {
		f.Add(c.reply, uint8(i), uint64(i))
	}
	forms := []Form{think(Hermes), {Tools: Llama3}, {Tools: Mistral, Open: "[THINK]", Close: "[/THINK]"}, {Tools: Gemma}, {Tools: Granite}, think(NoTools)}
	f.Fuzz(func(t *testing.T, reply string, form uint8, seed uint64) {
		if len(reply) > 2000 {
			return
		}
		reply = strings.ToValidUTF8(reply, "?")
		for _, fm := range []Form{forms[int(form)%len(forms)]} {
			want := ParseReply(fm, "", reply, true)
			got := stream(t, fm, "", split(rand.New(rand.NewPCG(seed, 0)), reply), true)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%+v: %q\nstreamed %+v\nwhole %+v", fm, reply, got, want)
			}
			for _, c := range want.Calls {
				if !json.Valid(c.Arguments) {
					t.Errorf("arguments %s", c.Arguments)
				}
			}
			if len(want.Content)+len(want.Reasoning) > len(reply) {
				t.Errorf("%q grew: %+v", reply, want)
			}
		}
	})
}

func ExampleParser() {
	p := NewParser(Form{Tools: Hermes, Open: "<think>", Close: "</think>"}, "", true)
	for _, piece := range []string{"<think>easy</th", "ink>\nFour", "."} {
		r := p.Write(piece)
		fmt.Printf("%q %q\n", r.Reasoning, r.Content)
	}
	// Output:
	// "easy" ""
	// "" "Four"
	// "" "."
}
