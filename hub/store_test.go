package hub

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDirFollowsTheEnvironment(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", filepath.Join(t.TempDir(), "data"))
	t.Setenv("PITH_MODELS", "")
	if got, err := Dir(); err != nil || got != filepath.Join(os.Getenv("XDG_DATA_HOME"), "pith", "models") {
		t.Errorf("%q, %v", got, err)
	}
	t.Setenv("PITH_MODELS", t.TempDir())
	if got, err := Dir(); err != nil || got != os.Getenv("PITH_MODELS") {
		t.Errorf("%q, %v", got, err)
	}
	t.Setenv("PITH_MODELS", "")
	t.Setenv("XDG_DATA_HOME", "relative")
	t.Setenv("HOME", t.TempDir())
	if got, err := Dir(); err != nil || !filepath.IsAbs(got) || !strings.Contains(got, "pith") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestResolve(t *testing.T) {
	s := newStore(t)
	s.models = []Model{{Name: "tiny", File: "tiny.gguf"}}
	if list, err := s.List(); err != nil || list != nil {
		t.Errorf("List of no folder: %v, %v", list, err)
	}
	mustMkdir(t, filepath.Join(s.Dir(), "sub"))
	loose := filepath.Join(s.Dir(), "sub", "mine.gguf")
	if err := os.WriteFile(loose, []byte("GGUF"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{loose: loose, "sub/mine": loose, "sub/mine.gguf": loose} {
		if got, err := s.Resolve(name); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	var missing *NotFoundError
	for name, pull := range map[string]string{"tiny": "tiny", "TINY": "tiny", "hf.co/U/r:q8_0": "hf.co/U/r:q8_0", "nothing": "", "../sub/x": "", "sub": ""} {
		if _, err := s.Resolve(name); !errors.As(err, &missing) || missing.Pull != pull {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Resolve(""); err == nil {
		t.Error("empty name resolves")
	}
	// A manifest that points outside of its folder is no model.
	mustMkdir(t, filepath.Join(s.Dir(), "tiny"))
	os.WriteFile(filepath.Join(s.Dir(), "tiny", "model.json"), []byte(`{"name":"tiny","files":[{"name":"../sub/mine.gguf","size":4}]}`), 0o644)
	if got, err := s.Resolve("tiny"); err == nil {
		t.Errorf("resolves to %s", got)
	}
	if list, err := s.List(); err != nil || len(list) != 1 || list[0].Name != "sub/mine" {
		t.Errorf("List: %+v, %v", list, err)
	}
}

func TestChoose(t *testing.T) {
	repo := func(names ...string) *repository {
		r := &repository{}
		for _, n := range names {
			r.Siblings = append(r.Siblings, remoteFile{Name: n, Size: 1})
		}
		return r
	}
	full := repo("README.md", "m-IQ4_NL.gguf", "m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m.Q8_0.gguf", "mmproj-Q4_K_M.gguf", "sub/m-UD-Q4_K_XL.gguf", "m-bf16.gguf")
	for _, c := range []struct {
		repo  *repository
		quant string
		want  string // empty: refused
	}{
		{full, "", "m-Q4_K_M.gguf"},
		{full, "q8_0", "m.Q8_0.gguf"},
		{full, "BF16", "m-bf16.gguf"},
		{full, "Q4_K", ""},
		{full, "4_K_M", ""},
		{full, "UD-Q4_K_XL", "sub/m-UD-Q4_K_XL.gguf"},
		{full, "Q4_K_XL", "sub/m-UD-Q4_K_XL.gguf"},
		{full, "m-q4_k_s.gguf", "m-Q4_K_S.gguf"},
		{full, "sub/m-ud-q4_k_xl.gguf", "sub/m-UD-Q4_K_XL.gguf"},
		{repo("z-Q5_0.gguf", "b-Q8_0.gguf"), "", "b-Q8_0.gguf"},
		{repo("Q8_0/m-00001-of-00001.gguf"), "Q8_0", "Q8_0/m-00001-of-00001.gguf"},
		{repo("m-00001-of-00999.gguf"), "", ""},
		{repo("m-00001-of-99999.gguf"), "", ""},
	} {
		got, err := c.repo.choose(reference{quant: c.quant})
		switch {
		case c.want == "" && err == nil:
			t.Errorf("%q: chose %s", c.quant, got[0].Name)
		case c.want != "" && (err != nil || got[0].Name != c.want):
			t.Errorf("%q: %v, %v, want %s", c.quant, got, err, c.want)
		}
	}
}

func FuzzReference(f *testing.F) {
	for _, s := range []string{"hf.co/a/b", "hf.co/a/b:Q4_K_M", "https://huggingface.co/a/b", "hf.co/../..", "hf.co/a/b:../../c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		r, ok, err := parseReference(name)
		if !ok || err != nil {
			return
		}
		if !filepath.IsLocal(filepath.FromSlash(r.folder())) || strings.Contains(r.folder(), "..") || strings.ContainsAny(r.folder(), "\\:*?\"<>|\x00") {
			t.Errorf("%q: folder %q", name, r.folder())
		}
		again, ok, err := parseReference(r.String())
		if !ok || err != nil || again != r {
			t.Errorf("%q: %+v, then %+v, %v", name, r, again, err)
		}
	})
}
