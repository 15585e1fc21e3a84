// Package docstest keeps the pages in docs true where a machine can: the tests that they name exist, and so do the files that they
// show code of.
package docstest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// folders holds the packages whose folder is not their name.
var folders = map[string]string{"jinja": "chat/jinja", "metric": "eval/metric", "ruler": "eval/ruler", "acceptance": "eval/acceptance", "deptest": "internal/deptest"}

var (
	testName = regexp.MustCompile("`([a-z]+)\\.((?:Test|Fuzz|Benchmark)[A-Z]\\w*)")
	codeOf   = regexp.MustCompile("(?s)```go\n// ([a-z/_]+\\.go)\n(.*?)\n```")
)

func pages(t *testing.T) map[string]string {
	t.Helper()
	paths, _ := filepath.Glob(root + "/docs/*.md")
	if len(paths) == 0 {
		t.Fatal("no page in docs")
	}
	out := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(path)] = string(text)
	}
	return out
}

func TestNamedTestsExist(t *testing.T) {
	sources := map[string]string{} // tests of a package
	for page, text := range pages(t) {
		for _, m := range testName.FindAllStringSubmatch(text, -1) {
			folder := m[1]
			if f, ok := folders[folder]; ok {
				folder = f
			}
			if _, read := sources[folder]; !read {
				paths, _ := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
				for _, path := range paths {
					source, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					sources[folder] += string(source)
				}
			}
			if !strings.Contains(sources[folder], "\nfunc "+m[2]+"(") {
				t.Errorf("%s: %s has no test %s", page, m[1], m[2])
			}
		}
	}
}

// Code under the name of a file stands in that file, line by line in this order; a line "…" leaves some out.
func TestShownCodeIsTheFiles(t *testing.T) {
	for page, text := range pages(t) {
		for _, m := range codeOf.FindAllStringSubmatch(text, -1) {
			source, err := os.ReadFile(filepath.Join(root, m[1]))
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			rest := string(source)
			for line := range strings.Lines(m[2] + "\n") {
				if strings.TrimSpace(line) == "…" {
					continue
				}
				_, after, found := strings.Cut(rest, line)
				if !found {
					t.Errorf("%s: %s has no line %q, or not here", page, m[1], line)
					break
				}
				rest = after
			}
		}
	}
}
