package gguf

import (
	"bytes"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"pith/quant"
)

// floatModel has a norm, a matrix of whole blocks and one of rows that fill no K block.
func floatModel(t *testing.T) *File {
	t.Helper()
	w := &Writer{Alignment: 64}
	for key, v := range map[string]any{"general.architecture": "llama", "general.file_type": uint32(0)} {
		if err := w.Set(key, v); err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(5, 5))
	add := func(name string, dims ...int) {
		n := 1
		for _, d := range dims {
			n *= d
		}
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		f, _ := quant.Lookup(quant.F32)
		b := make([]byte, f.Bytes(n))
		f.Encode(b, x)
		if err := w.Add(name, quant.F32, dims, b); err != nil {
			t.Fatal(err)
		}
	}
	add("norm.weight", 512)
	add("a.weight", 512, 301) // more than one piece
	add("b.weight", 96, 5)
	add("c.weight", 7, 5)
	f, err := OpenBytes("float.gguf", encoded(t, w))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRequantise(t *testing.T) {
	f := floatModel(t)
	for _, to := range []quant.Type{quant.F16, quant.Q4_0, quant.Q4_1, quant.Q8_0, quant.Q4_K, quant.Q6_K} {
		path := filepath.Join(t.TempDir(), "out.gguf")
		if err := Requantise(path, f, Matrices(to)); err != nil {
			t.Fatal(err)
		}
		g, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if arch, _ := g.String("general.architecture"); arch != "llama" || g.Kind("general.file_type") != Missing {
			t.Errorf("%s: metadata is %q", to, g.Keys())
		}
		rows := to
		if to == quant.Q4_K || to == quant.Q6_K {
			rows = quant.Q8_0
		}
		for name, want := range map[string]quant.Type{
			"norm.weight": quant.F32, "a.weight": to, "b.weight": rows, "c.weight": quant.F16,
		} {
			x, _ := f.Tensor(name)
			y, ok := g.Tensor(name)
			if !ok || y.Type != want {
				t.Fatalf("%s: %s is %s, want %s", to, name, y.Type, want)
			}
			if name == "norm.weight" && !bytes.Equal(x.Data(), y.Data()) {
				t.Errorf("%s: norm changed", to)
			}
			if e := distance(x, y); e > 0.1 {
				t.Errorf("%s: %s is off by %.3f", to, name, e)
			}
		}
		g.Close()
	}
	err := Requantise(filepath.Join(t.TempDir(), "out.gguf"), f, Matrices(quant.Q2_K))
	if err == nil || !strings.Contains(err.Error(), "does not write Q2_K") {
		t.Errorf("Q2_K: %v", err)
	}
}

// distance is the root mean square difference relative to a's values.
func distance(a, b *Tensor) float64 {
	decode := func(t *Tensor) []float32 {
		f, _ := quant.Lookup(t.Type)
		x := make([]float32, t.Elems())
		f.Decode(x, t.Data())
		return x
	}
	x, y := decode(a), decode(b)
	var sum, sumX float64
	for i := range x {
		d := float64(x[i] - y[i])
		sum += d * d
		sumX += float64(x[i]) * float64(x[i])
	}
	return math.Sqrt(sum / sumX)
}
