package server

import (
	"encoding/json"
	"testing"

	"pith/chat"
	"pith/engine"
)

// TestCallsAndReasoningAreStructure feeds the encoder a reply as a model with tools would write it; random weights never do.
func TestCallsAndReasoningAreStructure(t *testing.T) {
	m := testModel(t, "m", engine.Options{})
	template, err := chat.NewTemplate("<think></think> <tool_call></tool_call>{{ messages }}", "", "")
	if err != nil {
		t.Fatal(err)
	}
	m.Template = template
	encoder := func() *chatEncoder {
		return &chatEncoder{model: &m, request: &engine.Request{}, parser: chat.NewParser(template.Form(), "prompt", true)}
	}
	pieces := []string{"<thi", "nk>Sun or rain?</think>\n", "I look.\n", "<tool_call>\n{\"name\": \"weather\", \"argu", "ments\": {\"city\": \"Rome\"}}\n</tool_call>",
		"\n<tool_call>{\"name\": \"time\", \"arguments\": {}}</tool_call>"}
	var text string
	for _, p := range pieces {
		text += p
	}
	result := &engine.Result{Text: text, Reason: engine.ReasonStop}

	b, err := encode(encoder().whole(nil, result))
	if err != nil {
		t.Fatal(err)
	}
	whole := decode[chatAnswer](t, b).Choices[0]
	if msg := whole.Message; msg.Reasoning != "Sun or rain?" || *msg.Content != "I look." || len(msg.Calls) != 2 || *whole.Reason != "tool_calls" {
		t.Fatalf("whole: %s", b)
	}
	if c := whole.Message.Calls[0]; c.Type != "function" || c.Function.Name != "weather" || c.Function.Arguments != `{"city": "Rome"}` || c.ID == "" || c.Index != nil {
		t.Errorf("first call: %+v", c)
	}

	e := encoder()
	var content, reasoning string
	var calls []toolCall
	var reason *string
	take := func(answers []any) {
		for _, a := range answers {
			c := a.(*chatAnswer).Choices[0]
			if c.Delta.Content != nil {
				content += *c.Delta.Content
			}
			if c.Delta.Reasoning != nil {
				reasoning += *c.Delta.Reasoning
			}
			calls = append(calls, c.Delta.Calls...)
			reason = c.Reason
		}
	}
	for _, p := range pieces {
		take(e.piece(&engine.Event{Text: p}))
	}
	take(e.end(result))
	if content != *whole.Message.Content || reasoning != whole.Message.Reasoning || *reason != "tool_calls" || len(calls) != 2 {
		t.Errorf("streamed %q, %q, %d calls, %s", content, reasoning, len(calls), *reason)
	}
	for i, c := range calls {
		w := whole.Message.Calls[i]
		if *c.Index != i || c.ID != w.ID || c.Function != w.Function {
			t.Errorf("streamed call %d: %+v, whole %+v", i, c, w)
		}
	}
}

func TestContentIsNullBesideCallsAlone(t *testing.T) {
	m := testModel(t, "m", engine.Options{})
	e := &chatEncoder{model: &m, request: &engine.Request{}, parser: chat.NewParser(chat.Form{Tools: chat.Hermes}, "prompt", true)}
	b, err := encode(e.whole(nil, &engine.Result{Text: `<tool_call>{"name": "f", "arguments": {}}</tool_call>`, Reason: engine.ReasonStop}))
	if err != nil {
		t.Fatal(err)
	}
	var a struct {
		Choices []struct {
			Message map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal(b, &a); err != nil {
		t.Fatal(err)
	}
	if got := string(a.Choices[0].Message["content"]); got != "null" {
		t.Errorf("content %s in %s", got, b)
	}
}
