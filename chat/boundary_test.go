package chat

import (
	"encoding/json"
	"strings"
	"testing"
)

// turns is a template in the manner of ChatML, written for these tests.
const turns = `{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>
{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}`

// trimmed also trims contents, as Llama's and Gemma's do.
var trimmed = strings.Replace(turns, "m.content", "m.content|trim", 1)

func mustTemplate(t testing.TB, source string) *Template {
	t.Helper()
	tpl, err := NewTemplate(source, "<s>", "</s>")
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

func TestBoundaryLiesBehindTheDocument(t *testing.T) {
	doc := "It was the best of times,\nit was the worst of times. 😀"
	for _, c := range []struct{ source, before, after, doc, end string }{
		{turns, "", "\n\nWhat times?", doc, "<|user|>" + doc},
		{turns, "Read this:\n", "\n\nWhat times?", doc, "<|user|>Read this:\n" + doc},
		{turns, "", "", doc, "<|user|>" + doc},
		{trimmed, "", "\n\nWhat times?", doc + "\n", "<|user|>" + doc + "\n"},
		{trimmed, "", "", doc + "\n", "<|user|>" + doc},
		{trimmed, "", "  ", "\n " + doc, "<|user|>" + doc},
		{`{{ messages | tojson }}`, "", " Why?", `say "a"`, `[{"role": "user", "content": "say \"a\"`},
	} {
		tpl := mustTemplate(t, c.source)
		r := Request{Messages: []Message{Text("user", c.before+c.doc+c.after)}, AddGenerationPrompt: true}
		text, end, err := tpl.RenderWithBoundary(r, c.doc)
		if err != nil || text[:end] != c.end {
			t.Errorf("%.30q: %q, %v; want %q", c.source, text[:end], err, c.end)
			continue
		}
		if plain, _ := tpl.Render(r); plain != text {
			t.Errorf("text %q, want %q", text, plain)
		}
		if c.after == "" {
			continue
		}
		// Another question leaves the prefix as it is: that is what the boundary is for.
		r.Messages = []Message{Text("user", c.before+c.doc+"\n\nAnother question?")}
		if other, err := tpl.Render(r); err == nil && strings.TrimSpace(c.after) != "" && !strings.HasPrefix(other, text[:end]) {
			t.Errorf("%q is no prefix of %q", text[:end], other)
		}
	}
}

func TestBoundaryErrors(t *testing.T) {
	tpl := mustTemplate(t, turns)
	r := Request{Messages: []Message{Text("user", "abc")}}
	for doc, want := range map[string]string{"": "empty", "x": "not in the content of 1 messages"} {
		if _, _, err := tpl.RenderWithBoundary(r, doc); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", doc, err)
		}
	}
	if _, _, err := mustTemplate(t, `{{ messages|length }}`).RenderWithBoundary(r, "abc"); err == nil {
		t.Error("a template that leaves the document out")
	}
}

func TestNextTurnExtendsTheCache(t *testing.T) {
	first := []Message{Text("user", "Hi")}
	for _, c := range []struct {
		source, reply string
		exact         bool
	}{{turns, " Hello. ", true}, {trimmed, "Hello.", true}, {trimmed, " Hello. ", false}} {
		tpl := mustTemplate(t, c.source)
		prompt, err := tpl.Render(Request{Messages: first, AddGenerationPrompt: true})
		if err != nil {
			t.Fatal(err)
		}
		r := Request{Messages: append(first[:1:1], Text("assistant", c.reply), Text("user", "And you?")), AddGenerationPrompt: true}
		suffix, exact, err := tpl.NextTurn(r, prompt+c.reply)
		if err != nil || exact != c.exact || suffix != "<|end|>\n<|user|>And you?<|end|>\n<|assistant|>" {
			t.Errorf("%q: %q, %v, %v", c.reply, suffix, exact, err)
		}
	}
	if _, _, err := mustTemplate(t, turns).NextTurn(Request{Messages: first}, "something else"); err == nil {
		t.Error("a conversation without a reply")
	}
}

func TestNextTurnKeepsReasoningInTheCache(t *testing.T) {
	tpl := mustTemplate(t, sharedTemplate(t, "qwen3.jinja"))
	first := Text("user", "1+1?")
	prompt, err := tpl.Render(Request{Messages: []Message{first}, AddGenerationPrompt: true})
	if err != nil {
		t.Fatal(err)
	}
	reply := "<think>\neasy\n</think>\n\n2"
	r := Request{Messages: []Message{first, Text("assistant", reply), Text("user", "+1?")}, AddGenerationPrompt: true}
	suffix, exact, err := tpl.NextTurn(r, prompt+reply)
	if err != nil || exact || suffix != "<|im_end|>\n<|im_start|>user\n+1?<|im_end|>\n<|im_start|>assistant\n" {
		t.Errorf("%q, %v, %v", suffix, exact, err)
	}
}

func TestMessageAccessors(t *testing.T) {
	var m []Message
	if err := json.Unmarshal([]byte(`[{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"role":"user"},{"role":"tool"},3]`), &m); err != nil {
		t.Fatal(err)
	}
	if c, ok := m[0].Content(); !ok || c != "ab" || m[0].Role() != "user" {
		t.Errorf("%q, %v, %q", c, ok, m[0].Role())
	}
	if _, ok := m[1].Content(); ok || m[1].Role() != "tool" {
		t.Error("content of a message without one")
	}
	if _, ok := m[2].Content(); ok || m[2].Role() != "" {
		t.Error("content of a number")
	}
	b, err := json.Marshal(m[0])
	if err != nil || string(b) != `{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"role":"user"}` {
		t.Errorf("%s, %v", b, err)
	}
	if b, _ := json.Marshal(Text("user", "<a> \"b\"\n\u2028")); !json.Valid(b) {
		t.Errorf("%s", b)
	}
}
