// Package deptest enforces which package may import which, and which modules the project may use at all.
package deptest

import (
	"bufio"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows is the layering in the notation of the standard library's own test: in "a < b", b may import a and everything that a may.
const arrows = `
	NONE < quant, hub;
	quant < gguf, kernel;
	gguf < tokenizer < chat;
	kernel < kvcache < policy < method;
	gguf, kvcache < model;
	model, policy, chat < engine < server, eval;
	hub, server, eval, method < cmd/pith;
`

// modules are the direct requirements that the main module may have, with the reason in the commit that added each.
var modules = []string{
	"github.com/google/go-cmp", "github.com/klauspost/compress", "github.com/prometheus/client_golang",
	"github.com/rogpeppe/go-internal", "github.com/spf13/cobra", "github.com/dlclark/regexp2/v2", "go.uber.org/goleak",
	"golang.org/x/arch", "golang.org/x/sync", "golang.org/x/sys", "golang.org/x/term", "pgregory.net/rapid",
}

const root = "../.."

// allowed maps each package to all packages that it may import, directly or through others.
func allowed(t *testing.T) map[string]map[string]bool {
	t.Helper()
	may := map[string]map[string]bool{}
	names := func(list string) []string {
		var out []string
		for _, n := range strings.Split(list, ",") {
			if n = strings.TrimSpace(n); n != "NONE" && n != "" {
				out = append(out, n)
			}
		}
		return out
	}
	for _, line := range strings.Split(arrows, ";") {
		levels := strings.Split(line, "<")
		for i := range levels {
			for _, pkg := range names(levels[i]) {
				if may[pkg] == nil {
					may[pkg] = map[string]bool{}
				}
				if i > 0 {
					for _, lower := range names(levels[i-1]) {
						may[pkg][lower] = true
					}
				}
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for pkg, direct := range may {
			for lower := range direct {
				for deeper := range may[lower] {
					if !may[pkg][deeper] {
						may[pkg][deeper] = true
						changed = true
					}
				}
			}
		}
	}
	return may
}

func TestImportsFollowTheArrows(t *testing.T) {
	may := allowed(t)
	files := 0
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, file)
		rel = filepath.ToSlash(rel)
		if entry.IsDir() {
			if base := path.Base(rel); rel != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata") || rel == "conformance" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		files++
		pkg := path.Dir(rel)
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			lower, ours := strings.CutPrefix(imported, "pith/")
			if !ours || strings.HasPrefix(pkg, "internal/") {
				continue
			}
			owner := strings.SplitN(pkg, "/", 2)[0]
			if pkg == "cmd/pith" {
				owner = pkg
			}
			if strings.HasPrefix(lower, "internal/") || strings.HasPrefix(lower, owner+"/") {
				continue
			}
			if !may[owner][lower] {
				t.Errorf("%s: imports %s; no arrow allows %s < %s", rel, imported, lower, owner)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatal("no Go file found below the module's root")
	}
}

func TestModulesAreOnTheAllowList(t *testing.T) {
	f, err := os.Open(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(lines.Text()), "require "))
		fields := strings.Fields(line)
		if len(fields) < 2 || !strings.Contains(fields[0], ".") || !strings.HasPrefix(fields[1], "v") || strings.Contains(line, "// indirect") {
			continue
		}
		if !slices.Contains(modules, fields[0]) {
			t.Errorf("go.mod requires %s, which is not on the allow-list", fields[0])
		}
	}
}
