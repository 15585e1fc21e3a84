package gguf

import (
	"os"
	"path/filepath"
	"testing"
)

// models returns the paths of the real models under $PITH_MODELS.
func models(t testing.TB) []string {
	t.Helper()
	dir := os.Getenv("PITH_MODELS")
	if dir == "" {
		t.Skip("left out: PITH_MODELS is not set")
	}
	paths, _ := filepath.Glob(filepath.Join(dir, "*.gguf"))
	more, _ := filepath.Glob(filepath.Join(dir, "*", "*.gguf"))
	if paths = append(paths, more...); len(paths) == 0 {
		t.Skip("left out: no model in PITH_MODELS")
	}
	return paths
}

func TestOpenRealModels(t *testing.T) {
	for _, path := range models(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			t.Log("version", f.Version(), "size", f.Size(), "tensors", len(f.Tensors()))
			types := map[string]int{}
			for _, k := range f.Keys() {
				s, _ := f.String(k)
				if len(s) > 40 {
					s = s[:40]
				}
				u, _ := f.Int(k)
				fl, _ := f.Float(k)
				el, n, _ := f.Array(k)
				t.Log(k, f.Kind(k), s, u, fl, el, n)
			}
			for _, x := range f.Tensors() {
				types[x.Type.String()]++
			}
			t.Log(types)
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, path := range models(b) {
		b.Run(filepath.Base(path), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, err := Open(path)
				if err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
		})
	}
}
