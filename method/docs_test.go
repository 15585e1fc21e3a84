package method_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"pith/policy"
)

const docsPage = "../docs/methods.md"

var docsHeading = regexp.MustCompile("^### `([a-z0-9_]+)`: ")

// docsSections returns the text under each method's heading.
func docsSections(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	name := ""
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "#") {
			name = ""
			if m := docsHeading.FindStringSubmatch(line); m != nil {
				name = m[1]
				if _, twice := sections[name]; twice {
					t.Errorf("%s: two headings for %s", docsPage, name)
				}
			}
		}
		if name != "" {
			sections[name] += line
		}
	}
	return sections
}

// A method without its section, or with a parameter or a default that the section does not name, is not documented.
func TestEveryMethodIsDocumented(t *testing.T) {
	sections := docsSections(t)
	for _, m := range policy.Methods() {
		text, ok := sections[m.Name]
		if !ok {
			t.Errorf("%s: no heading \"### `%s`: …\"", docsPage, m.Name)
			continue
		}
		delete(sections, m.Name)
		for _, p := range m.Params {
			want := "`" + p.Name + "=" + p.Default + "`"
			if p.Default == "" {
				want = "`" + p.Name + "`"
			}
			if !strings.Contains(text, want) {
				t.Errorf("%s: %s: parameter %s is missing, want %s", docsPage, m.Name, p.Name, want)
			}
		}
		for _, word := range []string{"Good:", "Bad:"} {
			if !strings.Contains(text, word) {
				t.Errorf("%s: %s: nothing under %q", docsPage, m.Name, word)
			}
		}
	}
	for name := range sections {
		t.Errorf("%s: %s is not registered", docsPage, name)
	}
}

// What the page recommends must parse.
func TestDocumentedCompositionsParse(t *testing.T) {
	page, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n## Compositions\n")
	table, _, _ = strings.Cut(table, "\n## ")
	specs := regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(table, -1)
	if len(specs) < 5 {
		t.Fatalf("%s: %d compositions found", docsPage, len(specs))
	}
	for _, s := range specs {
		if _, err := policy.Parse(s[1]); err != nil {
			t.Errorf("%s: %v", docsPage, err)
		}
	}
}
