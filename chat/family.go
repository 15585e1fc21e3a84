package chat

import (
	"fmt"
	"strings"
)

// Metadata is what a template needs of a model file; *gguf.File has it.
type Metadata interface {
	String(key string) (string, bool)
}

// Vocabulary is what a template needs of a tokenizer; *tokenizer.Tokenizer has it.
type Vocabulary interface {
	BOS() (int32, bool)
	EOS() (int32, bool)
	Text(id int32) string
	Lookup(text string) (int32, bool)
}

// family is a documented prompt format for files that carry no template. A file belongs to the first family that names its
// architecture, all of whose markers its vocabulary holds: a format whose markers would be spelled out in letters is not
// the one the model was trained on.
type family struct {
	name    string
	archs   []string // empty: any
	markers []string
	source  string
}

// families come from the formats' own documentation:
// Gemma: "Gemma formatting and system instructions" (ai.google.dev), where system text goes to the front of the first user
// turn; ChatML: OpenAI's chatml.md, adopted in the model cards of Qwen and SmolLM; Llama 3: "Model Cards & Prompt formats"
// (llama.com); Phi-3 and Granite: their model cards.
var families = []family{
	{
		name: "Gemma", archs: []string{"gemma", "gemma2", "gemma3", "gemma3n"},
		markers: []string{"<start_of_turn>", "<end_of_turn>"},
		source: `{{- bos_token -}}
{%- set ns = namespace(system='', turn=0) -%}
{%- for message in messages -%}
    {%- if message.role in ('system', 'developer') and loop.first -%}
        {%- set ns.system = message.content | trim + '\n\n' -%}
    {%- else -%}
        {%- if (message.role == 'user') != (ns.turn % 2 == 0) -%}
            {{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') -}}
        {%- endif -%}
        {{- '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' -}}
        {%- if ns.turn == 0 -%}
            {{- ns.system -}}
        {%- endif -%}
        {{- message.content | trim + '<end_of_turn>\n' -}}
        {%- set ns.turn = ns.turn + 1 -%}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<start_of_turn>model\n' -}}
{%- endif -%}
`,
	},
	{
		name:    "Llama 3",
		markers: []string{"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
		source: `{{- bos_token -}}
{%- for message in messages -%}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
{%- endif -%}
`,
	},
	{
		name:    "ChatML",
		markers: []string{"<|im_start|>", "<|im_end|>"},
		source: `{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\n' -}}
{%- endif -%}
`,
	},
	{
		name: "Phi-3", archs: []string{"phi3"},
		markers: []string{"<|user|>", "<|assistant|>", "<|end|>"},
		source: `{%- for message in messages -%}
    {{- '<|' + message.role + '|>\n' + message.content + '<|end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|assistant|>\n' -}}
{%- endif -%}
`,
	},
	{
		name: "Granite", archs: []string{"granite", "granitemoe"},
		markers: []string{"<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"},
		source: `{%- for message in messages -%}
    {{- '<|start_of_role|>' + message.role + '<|end_of_role|>' + message.content + '<|end_of_text|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|start_of_role|>assistant<|end_of_role|>' -}}
{%- endif -%}
`,
	},
}

// Keys of the model file (GGUF, "Standardized key-value pairs", tokenizer section).
const (
	keyArchitecture = "general.architecture"
	keyTemplate     = "tokenizer.chat_template"
	keyToolTemplate = "tokenizer.chat_template.tool_use"
)

// ForModel returns the template of a model file; where the file has none, the one its family documents, which Origin then
// says. A file of a family without a documented format is an error that names the architecture.
func ForModel(f Metadata, v Vocabulary) (*Template, error) {
	var bos, eos string
	if id, ok := v.BOS(); ok {
		bos = v.Text(id)
	}
	if id, ok := v.EOS(); ok {
		eos = v.Text(id)
	}
	if source, ok := f.String(keyTemplate); ok && strings.TrimSpace(source) != "" {
		t, err := NewTemplate(source, bos, eos)
		if err != nil {
			return nil, err
		}
		t.Origin = "the model file"
		if source, ok := f.String(keyToolTemplate); ok {
			if t.tools, err = NewTemplate(source, bos, eos); err != nil {
				return nil, err
			}
			t.tools.Origin = "the model file, for tools"
		}
		return t, nil
	}
	arch, _ := f.String(keyArchitecture)
	for _, fam := range families {
		if !fam.fits(arch, v) {
			continue
		}
		t, err := NewTemplate(fam.source, bos, eos)
		if err != nil {
			return nil, err
		}
		t.Origin = "documented for the " + fam.name + " family; the model file has none"
		return t, nil
	}
	return nil, fmt.Errorf("chat: template: the model file has none and none is documented for architecture %q with this vocabulary", arch)
}

func (fam *family) fits(arch string, v Vocabulary) bool {
	ok := len(fam.archs) == 0
	for _, a := range fam.archs {
		ok = ok || a == arch
	}
	if !ok {
		return false
	}
	for _, m := range fam.markers {
		if _, found := v.Lookup(m); !found {
			return false
		}
	}
	return true
}
