// Package realmodel finds the two models on which tests compare with figures of other engines, or with what was measured before.
package realmodel

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// models are the names that tests call them by and the sizes of their files: a size tells the file that figures were made with from other conversions
// of the model.
var models = map[string]int64{
	"smol":  98362432,  // SmolLM2-135M-Instruct, Q4_1: `pith pull smollm2`
	"gemma": 253113024, // gemma-3-270m, Q4_K_M: `pith pull gemma3-270m`
}

// Path returns the file of a model: the first in $PITH_MODELS and the folders in it, by name, that is a GGUF file with the model's short name in its own
// and the model's size. Where there is none the test is skipped.
func Path(t testing.TB, name string) string {
	t.Helper()
	size, ok := models[name]
	if !ok {
		t.Fatalf("realmodel: no model %q is known", name)
	}
	dir := os.Getenv("PITH_MODELS")
	if dir == "" {
		t.Skip("left out: PITH_MODELS is not set")
	}
	found := ""
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if base := strings.ToLower(filepath.Base(path)); err != nil || entry.IsDir() || !strings.Contains(base, name) || !strings.HasSuffix(base, ".gguf") {
			return nil
		}
		if info, err := os.Stat(path); err == nil && info.Size() == size {
			found = path
			return fs.SkipAll
		}
		return nil
	})
	if found == "" {
		t.Skipf("left out: no file *%s*.gguf of %d bytes under $PITH_MODELS", name, size)
	}
	return found
}
