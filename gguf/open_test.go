package gguf

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pith/quant"
)

// models returns the paths of the real models under $PITH_MODELS.
func models(t testing.TB) []string {
	t.Helper()
	dir := os.Getenv("PITH_MODELS")
	if dir == "" {
		t.Skip("left out: PITH_MODELS is not set")
	}
	return filesUnder(t, dir)
}

func filesUnder(t testing.TB, dir string) (paths []string) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, ".gguf") {
			paths = append(paths, path)
		}
		return nil
	})
	if len(paths) == 0 {
		t.Skipf("left out: no GGUF file under %s", dir)
	}
	return paths
}

// check opens a model and reads what an engine reads first.
func check(t *testing.T, path string) {
	t.Helper()
	start := time.Now()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	took := time.Since(start)
	arch, ok := f.String("general.architecture")
	if !ok || arch == "" {
		t.Errorf("architecture %q", arch)
	}
	tokens, ok := f.Strings("tokenizer.ggml.tokens")
	kinds, _ := f.Ints("tokenizer.ggml.token_type")
	if !ok || len(tokens) == 0 || len(kinds) != len(tokens) {
		t.Errorf("%d tokens, %d token types", len(tokens), len(kinds))
	}
	if scores, ok := f.Floats("tokenizer.ggml.scores"); ok && len(scores) != len(tokens) {
		t.Errorf("%d scores for %d tokens", len(scores), len(tokens))
	}
	types := map[quant.Type]int{}
	for _, x := range f.Tensors() {
		types[x.Type]++
		format, _ := quant.Lookup(x.Type)
		row := make([]float32, x.Dims[0])
		format.Decode(row, x.Data()[x.Bytes()-format.Bytes(len(row)):])
		for i, v := range row {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Fatalf("%s: weight %d of the last row is %g", x.Name, i, v)
			}
		}
	}
	t.Logf("%s: version %d, %s, %d keys, %d tokens, tensors %v, opened in %v", filepath.Base(path), f.Version(), arch,
		len(f.Keys()), len(tokens), types, took)
}

func TestOpenRealModels(t *testing.T) {
	for _, path := range models(t) {
		check(t, path)
	}
}

// TestOpenReferenceFiles reads the small models and vocabularies of other architectures that the reference data holds.
func TestOpenReferenceFiles(t *testing.T) {
	dir := os.Getenv("PITH_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	for _, path := range filesUnder(t, filepath.Join(dir, "reference")) {
		check(t, path)
	}
}

// TestRequantiseRealModel makes the file that the benchmarks of Q4_0 kernels use.
func TestRequantiseRealModel(t *testing.T) {
	for _, path := range models(t) {
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if f.Size() > 120<<20 {
			continue // one model of a hundred megabytes is enough
		}
		out := filepath.Join(t.TempDir(), "q4_0.gguf")
		if err := Requantise(out, f, Matrices(quant.Q4_0)); err != nil {
			t.Fatal(err)
		}
		g, err := Open(out)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		var worst float64
		for _, x := range f.Tensors() {
			y, ok := g.Tensor(x.Name)
			if !ok {
				t.Fatalf("%s: lost", x.Name)
			}
			if len(x.Dims) < 2 && y.Type != x.Type || len(x.Dims) >= 2 && y.Type != quant.Q4_0 {
				t.Errorf("%s: %s became %s", x.Name, x.Type, y.Type)
			}
			worst = max(worst, distance(x, y))
		}
		if worst > 0.12 {
			t.Errorf("relative error %.3f", worst)
		}
		t.Logf("%d bytes became %d, largest relative error of a tensor %.4f", f.Size(), g.Size(), worst)
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

func BenchmarkStrings(b *testing.B) {
	for _, path := range models(b) {
		b.Run(filepath.Base(path), func(b *testing.B) {
			f, err := Open(path)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			for b.Loop() {
				f.Strings("tokenizer.ggml.tokens")
			}
		})
	}
}

// A tensor that has been forgotten comes back as it was when it is read again.
func TestForgottenTensorsComeBack(t *testing.T) {
	want := make([]byte, 1<<18)
	for i := range want {
		want[i] = byte(i * 7 >> 3)
	}
	w := everyKind()
	if err := w.Add("w", quant.F32, []int{1 << 16}, want); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := w.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	mapped, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer mapped.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	held, err := OpenBytes("m.gguf", data) // memory that is nobody else's copy must not be given back
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]*File{"mapped": mapped, "in memory": held} {
		tensor, _ := f.Tensor("w")
		tensor.Forget()
		if !bytes.Equal(tensor.Data(), want) {
			t.Errorf("%s: the tensor's bytes have changed", name)
		}
	}
}
