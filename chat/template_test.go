package chat

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// caseFile is shared/reference/template/cases.json: what Python's Jinja2 made of 18 conversations with 6 templates.
type caseFile struct {
	Now      string
	Messages []struct {
		Case           string
		Messages       []Message
		Tools          json.RawMessage
		EnableThinking json.RawMessage `json:"enable_thinking"`
	}
	Templates []struct {
		Template, File string
		BOS            string `json:"bos_token"`
		EOS            string `json:"eos_token"`
		Cases          []struct {
			Case   string
			Prompt bool `json:"add_generation_prompt"`
			Text   *string
			Error  string
		}
	}
}

func readCases(t *testing.T) caseFile {
	t.Helper()
	f, err := os.Open("testdata/cases.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var c caseFile
	if err := json.NewDecoder(z).Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

// sharedTemplate reads a template of another project, which this repository does not carry.
func sharedTemplate(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("PITH_SHARED")
	if dir == "" {
		dir = "../../shared"
	}
	b, err := os.ReadFile(filepath.Join(dir, "reference", "template", name))
	if err != nil {
		t.Skipf("left out: %v (set PITH_SHARED)", err)
	}
	return string(b)
}

func TestRenderMatchesPython(t *testing.T) {
	cases := readCases(t)
	now, err := time.Parse("2006-01-02T15:04:05", cases.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range cases.Templates {
		t.Run(tc.Template, func(t *testing.T) {
			tpl, err := NewTemplate(sharedTemplate(t, filepath.Base(tc.File)), tc.BOS, tc.EOS)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range tc.Cases {
				for _, m := range cases.Messages {
					if m.Case != c.Case {
						continue
					}
					if c.Text != nil && strings.Contains(*c.Text, "'type'") {
						continue // Python printed the list of parts; here parts are joined
					}
					r := Request{Messages: m.Messages, Tools: m.Tools, AddGenerationPrompt: c.Prompt, Now: now}
					if m.EnableThinking != nil {
						r.Vars = map[string]json.RawMessage{"enable_thinking": m.EnableThinking}
					}
					got, err := tpl.Render(r)
					words, raised := strings.CutPrefix(c.Error, "TemplateError: ")
					switch {
					case c.Text != nil && (err != nil || got != *c.Text):
						t.Errorf("%s, %v: got %q, %v\nwant %q", c.Case, c.Prompt, got, err, *c.Text)
					case raised && (err == nil || !strings.Contains(err.Error(), words)):
						t.Errorf("%s, %v: error %v, want %q", c.Case, c.Prompt, err, words)
					case c.Case == "content_parts" && err != nil:
						t.Errorf("%s, %v: %v", c.Case, c.Prompt, err)
					}
				}
			}
		})
	}
}
