package jinja

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// TestLikePython compares with testdata/snippets.json.gz: some 660 expressions and statements as Python's Jinja2 renders them.
func TestLikePython(t *testing.T) {
	f, err := os.Open("testdata/snippets.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vars  json.RawMessage
		Cases []struct {
			Template string
			Text     *string
			Error    string
		}
	}
	if err := json.NewDecoder(z).Decode(&file); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 15, 12, 34, 56, 0, time.UTC)
	for _, c := range file.Cases {
		// Python's sandbox forbids changing lists and objects; here it works, see the package's methods.
		if strings.Contains(c.Template, ".append(") || strings.Contains(c.Template, ".update(") {
			continue
		}
		v, err := Decode(file.Vars)
		if err != nil {
			t.Fatal(err)
		}
		vars := map[string]Value{}
		d := v.(*Dict)
		for i, k := range d.keys {
			vars[k.(string)] = d.values[i]
		}
		tpl, err := Parse(c.Template)
		text := ""
		if err == nil {
			text, err = tpl.Render(vars, now, LimitsFor(1000))
		}
		words, raised := strings.CutPrefix(c.Error, "raised: ")
		var e *Error
		switch {
		case c.Text != nil && (err != nil || text != *c.Text):
			t.Errorf("%q\n got %q, %v\nwant %q", c.Template, text, err, *c.Text)
		case c.Text == nil && err == nil:
			t.Errorf("%q\n got %q\nwant an error (%s)", c.Template, text, c.Error)
		case raised && (!errors.As(err, &e) || !e.Raised || e.Fact != words):
			t.Errorf("%q\n got %v\nwant %q", c.Template, err, words)
		}
	}
}
