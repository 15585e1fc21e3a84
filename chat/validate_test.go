package chat

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func messages(t testing.TB, text string) []Message {
	t.Helper()
	var m []Message
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMessagesAreChecked(t *testing.T) {
	tpl := mustTemplate(t, turns)
	for text, want := range map[string]string{
		`[3]`: "message 0: a number, not an object",
		`[{"role":"user","content":"a"},{"content":"b"}]`:        "message 1: no role",
		`[{"role":1,"content":"a"}]`:                             "role is a number, not a string",
		`[{"role":"user","content":1}]`:                          "content is a number",
		`[{"role":"user","content":{"a":1}}]`:                    "content is an object",
		`[{"role":"user","content":[1]}]`:                        "content part is a number",
		`[{"role":"user","content":[{"type":"image_url"}]}]`:     `content part of type "image_url": only text is understood`,
		`[{"role":"user","content":[{"type":"text","text":1}]}]`: "text of a content part is a number",
		`[{"role":"assistant","tool_calls":1}]`:                  "tool_calls is a number",
		`[{"role":"assistant","tool_calls":[1]}]`:                "tool call is a number",
		`[{"role":"assistant","tool_calls":[{"function":"f"}]}]`: "function of a tool call is a string",
		`[{"role":"user","content":` + deep(300) + `}]`:          "nests deeper",
	} {
		_, err := tpl.Render(Request{Messages: messages(t, text)})
		var bad *MessageError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "chat: message ") {
			t.Errorf("%.60s: %v, want %q", text, err, want)
		}
	}
	for _, r := range []Request{{Tools: json.RawMessage(`{}`)}, {Tools: json.RawMessage(`[`)}, {Vars: map[string]json.RawMessage{"x": nil}}} {
		if _, err := tpl.Render(r); err == nil {
			t.Errorf("%+v: accepted", r)
		}
	}
}

func deep(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestContentTakesTheFormThatTheTemplateKnows(t *testing.T) {
	parts := `[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]`
	plain := `[{"role":"user","content":"ab"}]`
	loop := `{% for m in messages %}{% for p in m.content %}{% if p.type == 'text' %}[{{ p.text }}]{% endif %}{% endfor %}{% endfor %}`
	both := `{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}[{{ p.text }}]{% endfor %}{% endif %}{% endfor %}`
	for _, c := range []struct{ source, messages, want string }{
		{turns, parts, "<|user|>ab<|end|>\n"},
		{loop, parts, "[a][b]"},
		{loop, plain, "[ab]"},
		{both, parts, "[a][b]"},
		{both, plain, "ab"},
	} {
		if got, err := mustTemplate(t, c.source).Render(Request{Messages: messages(t, c.messages)}); err != nil || got != c.want {
			t.Errorf("%.40s %s: %q, %v, want %q", c.source, c.messages, got, err, c.want)
		}
	}
}

func TestNullContentAndTextArguments(t *testing.T) {
	conversation := `[{"role":"user","content":"q"},{"role":"assistant","content":null,"tool_calls":[{"id":"abcdefghi","type":"function","function":{"name":"f","arguments":"{\"b\": 1, \"a\": 2.0}"}}]}]`
	calls := `{% for m in messages %}{{ m.content|trim }}{% for c in m.tool_calls %}{{ c.function.name }}({{ c.function.arguments|tojson }}){% endfor %}{% endfor %}`
	if got, err := mustTemplate(t, calls).Render(Request{Messages: messages(t, conversation)}); err != nil || got != `qf({"b": 1, "a": 2.0})` {
		t.Errorf("%q, %v", got, err)
	}
	raw := strings.Replace(calls, "c.function.arguments|tojson", "c.function.arguments", 1)
	if got, err := mustTemplate(t, raw).Render(Request{Messages: messages(t, conversation)}); err != nil || got != `qf({"b": 1, "a": 2.0})` {
		t.Errorf("%q, %v", got, err)
	}
}

func TestRefusalInTheTemplatesWords(t *testing.T) {
	tpl := mustTemplate(t, "\n{% if messages|length > 1 %}{{ raise_exception('One message only, please') }}{% endif %}{{ messages[0].content + 1 }}")
	_, err := tpl.Render(Request{Messages: []Message{Text("user", "a"), Text("user", "b")}})
	var e *TemplateError
	if !errors.As(err, &e) || !e.Raised || err.Error() != "chat: template: One message only, please" {
		t.Errorf("%v", err)
	}
	_, err = tpl.Render(Request{Messages: []Message{Text("user", "a")}})
	if !errors.As(err, &e) || e.Raised || e.Line != 2 || !strings.HasPrefix(err.Error(), "chat: template: line 2: ") {
		t.Errorf("%v", err)
	}
	if _, err := NewTemplate("a\n{% if %}", "", ""); !errors.As(err, &e) || e.Line != 2 {
		t.Errorf("%v", err)
	}
}

func TestVariablesAndTokens(t *testing.T) {
	tpl := mustTemplate(t, `{{ bos_token }}{{ eos_token }}{{ enable_thinking }}{{ documents }}{{ tools }}{{ x is defined }}`)
	one, two := "B", ""
	got, err := tpl.Render(Request{Vars: map[string]json.RawMessage{"enable_thinking": json.RawMessage("false"), "documents": json.RawMessage(`[{"b":1,"a":2}]`)}})
	if err != nil || got != "<s></s>False[{'b': 1, 'a': 2}]NoneFalse" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err = tpl.Render(Request{BOS: &one, EOS: &two}); err != nil || got != "BNoneNoneFalse" {
		t.Errorf("%q, %v", got, err)
	}
}

// fakeFile stands for a model file, fakeVocabulary for its tokens.
type fakeFile map[string]string

func (f fakeFile) String(key string) (string, bool) { s, ok := f[key]; return s, ok }

type fakeVocabulary []string

func (v fakeVocabulary) BOS() (int32, bool)   { return 0, len(v) > 0 }
func (v fakeVocabulary) EOS() (int32, bool)   { return 1, len(v) > 1 }
func (v fakeVocabulary) Text(id int32) string { return v[id] }
func (v fakeVocabulary) Lookup(text string) (int32, bool) {
	for i, s := range v {
		if s == text {
			return int32(i), true
		}
	}
	return 0, false
}

func TestTemplateOfAModel(t *testing.T) {
	gemma := fakeVocabulary{"<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"}
	for _, c := range []struct {
		name   string
		file   fakeFile
		tokens fakeVocabulary
		origin string
		want   string // of a system and a user message
	}{
		{"the file's own", fakeFile{keyTemplate: "{{ bos_token }}{{ messages[1].content }}"}, gemma, "the model file", "<bos>Hi"},
		{"gemma", fakeFile{keyArchitecture: "gemma3"}, gemma, "documented for the Gemma family; the model file has none",
			"<bos><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\n"},
		{"chatml", fakeFile{keyArchitecture: "qwen2"}, fakeVocabulary{"", "<|im_end|>", "<|im_start|>"}, "documented for the ChatML family; the model file has none",
			"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
		{"llama 3", fakeFile{keyArchitecture: "llama"}, fakeVocabulary{"<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"},
			"documented for the Llama 3 family; the model file has none",
			"<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
		{"phi", fakeFile{keyArchitecture: "phi3"}, fakeVocabulary{"<s>", "<|end|>", "<|user|>", "<|assistant|>"}, "documented for the Phi-3 family; the model file has none",
			"<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\n"},
		{"granite", fakeFile{keyArchitecture: "granite"}, fakeVocabulary{"<|end_of_text|>", "<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>"},
			"documented for the Granite family; the model file has none",
			"<|start_of_role|>system<|end_of_role|>Be brief.<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>Hi<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>"},
	} {
		tpl, err := ForModel(c.file, c.tokens)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got, err := tpl.Render(Request{Messages: []Message{Text("system", "Be brief."), Text("user", "Hi")}, AddGenerationPrompt: true})
		if err != nil || got != c.want || tpl.Origin != c.origin {
			t.Errorf("%s: %q, %v, %s\nwant %q, %s", c.name, got, err, tpl.Origin, c.want, c.origin)
		}
	}
	if _, err := ForModel(fakeFile{keyArchitecture: "mystery"}, fakeVocabulary{"a"}); err == nil || !strings.Contains(err.Error(), `"mystery"`) {
		t.Errorf("%v", err)
	}
	if _, err := ForModel(fakeFile{keyTemplate: "{% if %}"}, gemma); err == nil {
		t.Error("a broken template")
	}
	tools := fakeFile{keyTemplate: "plain", keyToolTemplate: "{{ tools|length }} tools"}
	tpl, err := ForModel(tools, gemma)
	if err != nil {
		t.Fatal(err)
	}
	for tools, want := range map[string]string{"": "plain", "null": "plain", "[]": "plain", `[{"a":1}]`: "1 tools"} {
		if got, err := tpl.Render(Request{Tools: json.RawMessage(tools)}); err != nil || got != want {
			t.Errorf("tools %s: %q, %v", tools, got, err)
		}
	}
}

// Gemma 2's own template is Gemma 3's without the system message: the documented one must agree with it.
func TestDocumentedGemmaAgreesWithGemma2(t *testing.T) {
	own := mustTemplate(t, sharedTemplate(t, "gemma-2.jinja"))
	documented := mustTemplate(t, families[0].source)
	for _, m := range readCases(t).Messages {
		for _, prompt := range []bool{true, false} {
			r := Request{Messages: m.Messages, AddGenerationPrompt: prompt}
			want, err := own.Render(r)
			got, gotErr := documented.Render(r)
			if err == nil && (gotErr != nil || got != want) {
				t.Errorf("%s: %q, %v, want %q", m.Case, got, gotErr, want)
			}
			if err != nil && gotErr == nil && m.Messages[0].Role() != "system" {
				t.Errorf("%s: %q, want %v", m.Case, got, err)
			}
		}
	}
}
