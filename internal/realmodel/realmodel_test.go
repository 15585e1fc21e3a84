package realmodel

import (
	"os"
	"path/filepath"
	"testing"
)

// The size decides, whatever the file is called and whichever folder it lies in; other conversions beside it are left alone.
func TestPathFindsTheFileBySize(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PITH_MODELS", dir)
	skipped := func() bool {
		out := true
		t.Run("skips", func(t *testing.T) { defer func() { out = t.Skipped() }(); Path(t, "smol") })
		return out
	}
	for _, name := range []string{"a/smol.gguf", "b/SmolLM2-135M-Instruct.Q4_1.gguf", "c/smol.txt"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(filepath.Join(dir, "c/smol.txt"), models["smol"]); err != nil {
		t.Fatal(err)
	}
	if !skipped() {
		t.Error("a file of another size, or of another kind, was taken")
	}
	want := filepath.Join(dir, "b/SmolLM2-135M-Instruct.Q4_1.gguf")
	if err := os.Truncate(want, models["smol"]); err != nil {
		t.Fatal(err)
	}
	if got := Path(t, "smol"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	t.Setenv("PITH_MODELS", "")
	if !skipped() {
		t.Error("without PITH_MODELS a test is not skipped")
	}
}
