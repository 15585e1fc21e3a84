package gguf

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"pith/quant"
)

// shrunk opens a file of a megabyte and truncates it behind the reader's back.
func shrunk(t *testing.T, size int64) *File {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("left out: Windows does not truncate mapped files")
	}
	w := everyKind()
	if err := w.Add("w", quant.F32, []int{1 << 18}, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := w.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestGuardTurnsAShrunkFileIntoAnError(t *testing.T) {
	f := shrunk(t, 8192)
	x, _ := f.Tensor("w")
	sum := 0
	readers := map[string]func(){
		"Go loop": func() {
			for _, b := range x.Data() {
				sum += int(b)
			}
		},
		// Both are assembly with vector instructions, as the kernels are.
		"memmove": func() { sum += copy(make([]byte, x.Bytes()), x.Data()) },
		"compare": func() { sum += bytes.IndexByte(x.Data(), 1) },
	}
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			err := Guard(func() error {
				read()
				return nil
			})
			var fault *FaultError
			if !errors.As(err, &fault) || fault.Path != f.Path() {
				t.Fatalf("%v, want a *FaultError", err)
			}
			if fault.Offset < 8192 || fault.Offset >= f.Size() {
				t.Errorf("fault at byte %d, want one from 8192 to %d", fault.Offset, f.Size())
			}
		})
	}
	// The fault left the process whole: what is still in the file can be read.
	if err := Guard(func() error { sum += int(f.parts[0].data[0]); return nil }); err != nil {
		t.Error(err)
	}
}

// TestFaultsOfWorkers follows the pattern that Guard documents for pools of goroutines.
func TestFaultsOfWorkers(t *testing.T) {
	f := shrunk(t, 0)
	x, _ := f.Tensor("w")
	faults := make(chan any)
	err := Guard(func() error {
		go func() {
			debug.SetPanicOnFault(true)
			defer func() { faults <- recover() }()
			copy(make([]byte, 1<<20), x.Data())
		}()
		if fault := <-faults; fault != nil {
			panic(fault)
		}
		return nil
	})
	var fault *FaultError
	if !errors.As(err, &fault) {
		t.Fatalf("%v, want a *FaultError", err)
	}
}

func TestValuesOfAShrunkFileAreMissing(t *testing.T) {
	f := shrunk(t, 0)
	if s, ok := f.String("text"); ok {
		t.Errorf("string %q from an empty file", s)
	}
	if s, ok := f.Strings("strings"); ok || s != nil {
		t.Errorf("strings %q from an empty file", s)
	}
	if n, ok := f.Uint("u32"); !ok || n != 4e9 {
		t.Errorf("number %d, %v: numbers are kept by Open", n, ok)
	}
	if err := new(Writer).Copy(f, "strings"); err == nil {
		t.Error("copied from an empty file")
	}
	path := filepath.Join(t.TempDir(), "out.gguf")
	if err := Requantise(path, f, Matrices(quant.Q4_0)); err == nil {
		t.Error("requantised an empty file")
	}
	if err := Requantise(path, f, func(*Tensor) quant.Type { return quant.Q8_0 }); err == nil {
		t.Error("requantised an empty file")
	}
	noneLeft(t, filepath.Dir(path))
}

func noneLeft(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		t.Errorf("directory holds %q, want %q", names, want)
	}
}

func TestGuardLetsOtherPanicsThrough(t *testing.T) {
	panics := map[string]func() error{
		"value": func() error { panic("bug") },
		"nil":   func() error { var f *File; return errors.New(f.path) },
		"index": func() error { return errors.New([]string{}[len(os.Args)-len(os.Args)]) },
	}
	for name, f := range panics {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			err := Guard(f)
			t.Errorf("returned %v", err)
		})
	}
}

func TestGuardPassesErrorsAndNests(t *testing.T) {
	want := errors.New("x")
	if err := Guard(func() error { return Guard(func() error { return want }) }); err != want {
		t.Error(err)
	}
	f := shrunk(t, 0)
	err := Guard(func() error {
		_, _ = f.String("text") // guards within
		copy(make([]byte, 10), f.tensors[0].Data())
		return nil
	})
	if err == nil {
		t.Error("the inner guard switched off the outer one")
	}
}

func BenchmarkGuard(b *testing.B) {
	for b.Loop() {
		_ = Guard(func() error { return nil })
	}
}
