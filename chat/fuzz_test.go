package chat

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
)

// FuzzMessages renders whatever JSON comes with templates of several kinds: an error or a prompt, never more.
func FuzzMessages(f *testing.F) {
	f.Add(`[{"role":"user","content":"a"}]`, `null`, `{"k":1}`)
	f.Add(`[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}]`,
		`[{"type":"function","function":{"name":"f","parameters":{}}}]`, `false`)
	f.Add(`[{"role":"user","content":"\ud800","x":1e999}]`, `[1,[2]]`, `"\u0000"`)
	f.Add(`[{"role":"tool","content":"é","tool_call_id":123456789012345678901234567890}]`, `[]`, `[]`)
	var templates []*Template
	for _, fam := range families {
		templates = append(templates, mustTemplate(f, fam.source))
	}
	templates = append(templates, mustTemplate(f, `{{ messages|tojson(indent=1) }}{{ tools }}{{ v }}{% for m in messages %}{% for k, x in m.items()|sort %}{{ k }}{{ x|string|upper }}{% endfor %}`+
		`{% for c in m.tool_calls or [] %}{{ c.function.arguments|tojson }}{% endfor %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}`))
	f.Fuzz(func(t *testing.T, messages, tools, v string) {
		var r Request
		if json.Unmarshal([]byte(messages), &r.Messages) != nil {
			return
		}
		r.Tools = json.RawMessage(tools)
		r.Now = time.Unix(0, 0)
		if json.Valid([]byte(v)) {
			r.Vars = map[string]json.RawMessage{"v": json.RawMessage(v)}
		}
		for _, tpl := range templates {
			text, err := tpl.Render(r)
			var bad *MessageError
			var no *TemplateError
			if err != nil && !errors.As(err, &bad) && !errors.As(err, &no) && json.Valid(r.Tools) && tools[0] == '[' {
				t.Errorf("%s: %v", messages, err)
			}
			if again, _ := tpl.Render(r); again != text {
				t.Errorf("%s: renders differently the second time", messages)
			}
		}
	})
}
