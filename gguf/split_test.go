package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pith/quant"
)

// writeParts writes a model of three parts, each with two tensors but the first, and returns the first's path. change
// may spoil a part before it is written.
func writeParts(t *testing.T, change func(no int, name *string, w *Writer, set map[string]any)) string {
	t.Helper()
	dir := t.TempDir()
	for no := range 3 {
		w := &Writer{}
		set := map[string]any{splitNo: uint16(no), splitCount: uint16(3), splitTensors: int32(4)}
		name := fmt.Sprintf("m-%05d-of-00003.gguf", no+1)
		if change != nil {
			change(no, &name, w, set)
		}
		if no == 0 {
			if err := w.Set("general.name", "split"); err != nil {
				t.Fatal(err)
			}
		}
		for _, key := range []string{splitNo, splitCount, splitTensors} {
			if v, ok := set[key]; ok {
				if err := w.Set(key, v); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i := range 2 {
			if no == 0 {
				break
			}
			data := make([]byte, 32)
			data[0] = byte(10*no + i)
			if err := w.Add(fmt.Sprintf("blk.%d.%d", no, i), quant.F32, []int{8}, data); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.WriteFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "m-00001-of-00003.gguf")
}

func TestSplitModelOpensByItsFirstPart(t *testing.T) {
	f, err := Open(writeParts(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if name, _ := f.String("general.name"); f.Parts() != 3 || len(f.Tensors()) != 4 || name != "split" {
		t.Errorf("%d parts, %d tensors, %q", f.Parts(), len(f.Tensors()), name)
	}
	var sum int64
	for no := 1; no <= 2; no++ {
		for i := range 2 {
			x, ok := f.Tensor(fmt.Sprintf("blk.%d.%d", no, i))
			if !ok || x.Data()[0] != byte(10*no+i) {
				t.Errorf("part %d tensor %d: %v", no, i, ok)
			}
		}
	}
	for no := range 3 {
		info, err := os.Stat(filepath.Join(filepath.Dir(f.Path()), fmt.Sprintf("m-%05d-of-00003.gguf", no+1)))
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	if f.Size() != sum {
		t.Errorf("size %d, want %d", f.Size(), sum)
	}
	whole := filepath.Join(t.TempDir(), "whole.gguf")
	if err := Requantise(whole, f, func(x *Tensor) quant.Type { return x.Type }); err != nil {
		t.Fatal(err)
	}
	joined, err := Open(whole)
	if err != nil {
		t.Fatal(err)
	}
	defer joined.Close()
	if joined.Parts() != 1 || len(joined.Tensors()) != 4 || joined.Kind(splitCount) != Missing {
		t.Errorf("joined: %d parts, %d tensors, %s %s", joined.Parts(), len(joined.Tensors()), splitCount, joined.Kind(splitCount))
	}
}

func TestSplitModelsThatDoNotFit(t *testing.T) {
	cases := []struct {
		name   string
		change func(no int, name *string, w *Writer, set map[string]any)
		words  string
	}{
		{"first part renamed", func(no int, name *string, _ *Writer, set map[string]any) {
			if no == 0 {
				set[splitCount] = uint16(4)
			}
		}, "key split.count: first of 4 parts, but its name does not end in -00001-of-00004.gguf"},
		{"huge count", func(no int, _ *string, _ *Writer, set map[string]any) { set[splitCount] = uint64(1 << 63) },
			"first of 9223372036854775808 parts"},
		{"count of wrong kind", func(no int, _ *string, _ *Writer, set map[string]any) { set[splitCount] = "3" },
			"key split.count: kind string"},
		{"number missing", func(no int, _ *string, _ *Writer, set map[string]any) { delete(set, splitNo) },
			"key split.no: kind missing"},
		{"not the first", func(no int, _ *string, _ *Writer, set map[string]any) { set[splitNo] = uint16(1) },
			"part 2 of 3: open the first part"},
		{"parts swapped", func(no int, _ *string, _ *Writer, set map[string]any) {
			if no == 1 {
				set[splitNo] = uint16(2)
			}
		}, "part 2 of 3: split.no is 2, want 1"},
		{"part of another model", func(no int, _ *string, _ *Writer, set map[string]any) {
			if no == 2 {
				set[splitCount] = uint16(5)
			}
		}, "part 3 of 3: split.count is 5, want 3"},
		{"tensor twice", func(no int, _ *string, w *Writer, set map[string]any) {
			if no == 2 {
				if err := w.Add("blk.1.0", quant.F32, []int{1}, make([]byte, 4)); err != nil {
					t.Fatal(err)
				}
			}
		}, "tensor blk.1.0: duplicate tensor in part 3 of 3"},
		{"number of tensors", func(no int, _ *string, _ *Writer, set map[string]any) { set[splitTensors] = int32(7) },
			"key split.tensors.count: 7 tensors, but the parts hold 4"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f, err := Open(writeParts(t, c.change))
			if err == nil {
				f.Close()
				t.Fatal("opened")
			}
			var format *FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v, want %q", err, c.words)
			}
			if n := len(mapped.parts); n != 0 {
				t.Errorf("%d mappings left", n)
			}
		})
	}
}

func TestSplitModelWithAPartMissingOrDamaged(t *testing.T) {
	path := writeParts(t, func(no int, name *string, _ *Writer, _ map[string]any) {
		if no == 1 {
			*name = "elsewhere.gguf"
		}
	})
	_, err := Open(path)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "part 2 of 3") ||
		!strings.Contains(err.Error(), "m-00002-of-00003.gguf") {
		t.Errorf("missing part: %v", err)
	}
	second := filepath.Join(filepath.Dir(path), "m-00002-of-00003.gguf")
	if err := os.WriteFile(second, []byte("GGUF and nothing behind it"), 0o644); err != nil {
		t.Fatal(err)
	}
	var format *FormatError
	if _, err := Open(path); !errors.As(err, &format) || format.Path != second {
		t.Errorf("damaged part: %v", err)
	}
}
