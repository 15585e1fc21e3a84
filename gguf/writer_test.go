package gguf

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pith/quant"
)

func TestEveryKindComesBack(t *testing.T) {
	for _, version := range []uint32{2, 3} {
		w := everyKind()
		w.Version = version
		f, err := OpenBytes("x.gguf", encoded(t, w))
		if err != nil {
			t.Fatal(err)
		}
		if f.Version() != version || len(f.Tensors()) != 0 || f.Parts() != 1 {
			t.Errorf("version %d, %d tensors, %d parts", f.Version(), len(f.Tensors()), f.Parts())
		}
		uints := map[string]uint64{"u8": 200, "u16": 60000, "u32": 4e9, "u64": math.MaxUint64}
		for key, want := range uints {
			if n, ok := f.Uint(key); !ok || n != want {
				t.Errorf("%s: %d, %v", key, n, ok)
			}
		}
		ints := map[string]int64{"i8": -100, "i16": -30000, "i32": -2e9, "i64": math.MinInt64, "u8": 200}
		for key, want := range ints {
			if n, ok := f.Int(key); !ok || n != want {
				t.Errorf("%s: %d, %v", key, n, ok)
			}
		}
		for _, key := range []string{"i8", "i64", "f32", "text", "yes", "u8s", "missing"} {
			if n, ok := f.Uint(key); ok {
				t.Errorf("%s read as the unsigned %d", key, n)
			}
		}
		if n, ok := f.Int("u64"); ok {
			t.Errorf("2^64-1 read as the signed %d", n)
		}
		floats := map[string]float64{"f32": 1.5, "f64": 2.25}
		for key, want := range floats {
			if x, ok := f.Float(key); !ok || x != want {
				t.Errorf("%s: %g, %v", key, x, ok)
			}
		}
		yes, ok1 := f.Bool("yes")
		no, ok2 := f.Bool("no")
		if !yes || no || !ok1 || !ok2 {
			t.Errorf("booleans %v %v, %v %v", yes, no, ok1, ok2)
		}
		for key, want := range map[string]string{"text": "naïve\xff", "empty": ""} {
			if s, ok := f.String(key); !ok || s != want {
				t.Errorf("%s: %q, %v", key, s, ok)
			}
		}
		arrays := map[string][]int32{
			"u8s": {0, 255}, "i8s": {-128, 127}, "u16s": {1, 65535}, "i16s": {-1},
			"i32s": {math.MinInt32, math.MaxInt32}, "u64s": {5}, "i64s": {-5},
		}
		for key, want := range arrays {
			if all, ok := f.Ints(key); !ok || !reflect.DeepEqual(all, want) {
				t.Errorf("%s: %v, %v", key, all, ok)
			}
		}
		if all, ok := f.Ints("u32s"); ok {
			t.Errorf("2^31 read as int32: %v", all)
		}
		if x, ok := f.Floats("f32s"); !ok || !reflect.DeepEqual(x, []float32{0.5, -1}) {
			t.Errorf("f32s: %v, %v", x, ok)
		}
		if x, ok := f.Floats("f64s"); !ok || !reflect.DeepEqual(x, []float32{0.25}) {
			t.Errorf("f64s: %v, %v", x, ok)
		}
		if x, ok := f.Bools("bools"); !ok || !reflect.DeepEqual(x, []bool{true, false, true}) {
			t.Errorf("bools: %v, %v", x, ok)
		}
		if x, ok := f.Strings("strings"); !ok || !reflect.DeepEqual(x, []string{"a", "", "▁the"}) {
			t.Errorf("strings: %q, %v", x, ok)
		}
		if x, ok := f.Strings("none"); !ok || len(x) != 0 {
			t.Errorf("none: %q, %v", x, ok)
		}
		if elem, n, ok := f.Array("strings"); !ok || elem != String || n != 3 {
			t.Errorf("strings: %d of %s, %v", n, elem, ok)
		}
		if k := f.Kind("missing"); k != Missing || k.String() != "missing" {
			t.Errorf("missing key has kind %s", k)
		}
		exercise(t, f)
	}
}

func TestTensorsComeBack(t *testing.T) {
	for _, alignment := range []int{0, 8, 32, 64, 4096} {
		w := smallModel()
		w.Alignment = alignment
		f, err := OpenBytes("x.gguf", encoded(t, w))
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := f.Uint(alignmentKey); ok != (alignment != 0 && alignment != 32) || ok && n != uint64(alignment) {
			t.Errorf("alignment %d recorded as %d, %v", alignment, n, ok)
		}
		x, ok := f.Tensor("blk.0.attn_q.weight")
		if !ok || x.Type != quant.Q4_0 || !reflect.DeepEqual(x.Dims, []int{32, 3}) || x.Elems() != 96 || x.Bytes() != 54 {
			t.Errorf("%+v", x)
		}
		for _, x := range f.Tensors() {
			if alignment > 0 && x.Offset()%int64(alignment) != 0 {
				t.Errorf("%s at %d, alignment %d", x.Name, x.Offset(), alignment)
			}
		}
		if x.Data()[0] != 50 {
			t.Errorf("first byte is %d", x.Data()[0])
		}
		exercise(t, f)
	}
}

func TestTensorWithoutDimensionsIsANumber(t *testing.T) {
	f, err := OpenBytes("x.gguf", header(3, 1, 0).tensor("scale", quant.F32, 0).data(4))
	if err != nil {
		t.Fatal(err)
	}
	if x := f.Tensors()[0]; x.Elems() != 1 || len(x.Data()) != 4 || !reflect.DeepEqual(x.Dims, []int{1}) {
		t.Errorf("%v, %d elements, %d bytes", x.Dims, x.Elems(), len(x.Data()))
	}
}

func TestWriterRefuses(t *testing.T) {
	data := make([]byte, 128)
	refusals := map[string]func(w *Writer) error{
		"duplicate key":                      func(w *Writer) error { return w.Set("text", "x") },
		"empty name":                         func(w *Writer) error { return w.Set("", "x") },
		"Go type int ":                       func(w *Writer) error { return w.Set("k", 1) },
		"Go type [][]uint8 ":                 func(w *Writer) error { return w.Set("k", [][]uint8{}) },
		"Writer.Alignment":                   func(w *Writer) error { return w.Set("general.alignment", uint32(64)) },
		"duplicate tensor":                   func(w *Writer) error { return w.Add("output_norm.weight", quant.F32, []int{32}, data) },
		"want 1 to 4":                        func(w *Writer) error { return w.Add("w", quant.F32, nil, nil) },
		"5 dimensions":                       func(w *Writer) error { return w.Add("w", quant.F32, []int{1, 1, 1, 1, 1}, nil) },
		"dimension 1 of 0":                   func(w *Writer) error { return w.Add("w", quant.F32, []int{1, 0}, nil) },
		"dimension 0 of -1":                  func(w *Writer) error { return w.Add("w", quant.F32, []int{-1}, nil) },
		"dimension 1 of 4611686018427387904": func(w *Writer) error { return w.Add("w", quant.F32, []int{4, 1 << 62}, nil) },
		"128 bytes, want 124":                func(w *Writer) error { return w.Add("w", quant.F32, []int{31}, data) },
		"multiple of Q8_0's 32":              func(w *Writer) error { return w.Add("w", quant.Q8_0, []int{31}, data) },
		"type 77 not supported":              func(w *Writer) error { return w.Add("w", 77, []int{31}, data) },
		"alignment 24":                       func(w *Writer) error { w.Alignment = 24; _, err := w.WriteTo(io.Discard); return err },
		"version 4":                          func(w *Writer) error { w.Version = 4; _, err := w.WriteTo(io.Discard); return err },
		"tensor w: 5 bytes written, want 128": func(w *Writer) error {
			err := w.AddFunc("w", quant.F32, []int{32}, func(out io.Writer) error {
				_, err := out.Write(data[:5])
				return err
			})
			if err != nil {
				t.Error(err)
			}
			_, err = w.WriteTo(io.Discard)
			return err
		},
	}
	for words, f := range refusals {
		w := smallModel()
		before := encoded(t, w)
		err := f(w)
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want %q", err, words)
			continue
		}
		// What was refused left no trace.
		if w.Alignment == 0 && w.Version == 0 && len(w.tensors) == 4 && !bytes.Equal(encoded(t, w), before) {
			t.Errorf("%q: the refused addition is in the file", words)
		}
	}
}

func TestWriteFileIsAtomic(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.gguf")
	if err := smallModel().WriteFile(path); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	w := smallModel()
	if err := w.AddFunc("w", quant.F32, []int{32}, func(io.Writer) error { return full }); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteFile(path); !errors.Is(err, full) {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the old file changed, %v", err)
	}
	noneLeft(t, dir, "m.gguf")
	if err := w.WriteFile(filepath.Join(dir, "none", "m.gguf")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want a missing directory", err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	exercise(t, f)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error("second Close:", err)
	}
	if f.Tensors()[0].Data() != nil {
		t.Error("data after Close")
	}
	if _, ok := f.String("text"); ok {
		t.Error("string after Close")
	}
}

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none.gguf")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	var format *FormatError
	if _, err := Open(dir); !errors.As(err, &format) || !strings.Contains(format.Fact, "want a regular file") {
		t.Errorf("directory: %v", err)
	}
	empty := filepath.Join(dir, "empty.gguf")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(empty); !errors.As(err, &format) || format.Path != empty {
		t.Errorf("empty file: %v", err)
	}
	for _, c := range hostile {
		path := filepath.Join(dir, "hostile.gguf")
		if err := os.WriteFile(path, c.build(), 0o644); err != nil {
			t.Fatal(err)
		}
		if f, err := Open(path); err == nil {
			f.Close()
			t.Errorf("%s: opened", c.name)
		}
	}
	if n := len(mapped.parts); n != 0 {
		t.Errorf("%d mappings left", n)
	}
}
