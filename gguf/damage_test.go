package gguf

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"

	"pith/quant"
)

// exercise calls everything a file that was opened offers. It fails if a tensor is not where and what it says it is,
// or if writing the file anew gives other content.
func exercise(t *testing.T, f *File) {
	t.Helper()
	for _, key := range append([]string{"missing"}, f.Keys()...) {
		kind := f.Kind(key)
		_, isString := f.String(key)
		_, isUint := f.Uint(key)
		_, isInt := f.Int(key)
		_, isFloat := f.Float(key)
		_, isBool := f.Bool(key)
		elem, n, isArray := f.Array(key)
		switch kind {
		case String, Float32, Float64, Bool, Array, Missing:
			if isUint || isInt {
				t.Fatalf("%s is %s and an integer", key, kind)
			}
		}
		if isString != (kind == String) || isBool != (kind == Bool) || isArray != (kind == Array) ||
			isFloat != (kind == Float32 || kind == Float64) {
			t.Fatalf("%s: %s read as another kind", key, kind)
		}
		strings, isStrings := f.Strings(key)
		floats, isFloats := f.Floats(key)
		ints, isInts := f.Ints(key)
		bools, isBools := f.Bools(key)
		if !isArray && (isStrings || isFloats || isInts || isBools) {
			t.Fatalf("%s: %s read as an array", key, kind)
		}
		if isStrings && (len(strings) != n || elem != String) || isFloats && len(floats) != n ||
			isInts && len(ints) != n || isBools && (len(bools) != n || elem != Bool) {
			t.Fatalf("%s: %d values of %s read as another number or kind", key, n, elem)
		}
	}
	for _, x := range f.Tensors() {
		format, ok := quant.Lookup(x.Type)
		if !ok || len(x.Dims) < 1 || len(x.Dims) > 4 {
			t.Fatalf("%s: %s %v", x.Name, x.Type, x.Dims)
		}
		data := x.Data()
		if len(data) != format.Bytes(x.Elems()) || len(data) != cap(data) || len(data) != x.Bytes() {
			t.Fatalf("%s: %d bytes for %v of %s", x.Name, len(data), x.Dims, x.Type)
		}
		if x.Offset() < 0 || x.Offset()+int64(len(data)) > f.Size() {
			t.Fatalf("%s: %d bytes at %d of %d", x.Name, len(data), x.Offset(), f.Size())
		}
		// Values of every type decode without a panic.
		format.Decode(make([]float32, format.BlockElems), data)
		if found, ok := f.Tensor(x.Name); !ok || found != x {
			t.Fatalf("%s: not found by its name", x.Name)
		}
	}
	again, err := OpenBytes("again.gguf", rewrite(t, f))
	if err != nil {
		t.Fatal(err)
	}
	same(t, f, again)
}

// rewrite copies a file through Writer.
func rewrite(t *testing.T, f *File) []byte {
	t.Helper()
	w := &Writer{Version: f.Version()}
	for _, key := range f.Keys() {
		if key == alignmentKey {
			n, _ := f.Uint(key)
			if w.Alignment = int(n); n > 1<<16 {
				w.Alignment = 1 << 16 // keeps the image small
			}
			continue
		}
		if err := w.Copy(f, key); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range f.Tensors() {
		if err := w.Add(x.Name, x.Type, x.Dims, x.Data()); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	n, err := w.WriteTo(&out)
	if err != nil || n != int64(out.Len()) {
		t.Fatalf("%d bytes written, %d counted, %v", out.Len(), n, err)
	}
	return out.Bytes()
}

func same(t *testing.T, a, b *File) {
	t.Helper()
	drop := func(keys []string) (out []string) {
		for _, k := range keys {
			if k != alignmentKey {
				out = append(out, k)
			}
		}
		return out
	}
	if a.Version() != b.Version() || !reflect.DeepEqual(drop(a.Keys()), drop(b.Keys())) {
		t.Fatalf("versions %d, %d, keys %q, %q", a.Version(), b.Version(), a.Keys(), b.Keys())
	}
	for _, key := range drop(a.Keys()) {
		va, vb := a.values[key], b.values[key]
		if va.kind != vb.kind || va.elem != vb.elem || va.count != vb.count || va.bits != vb.bits ||
			!bytes.Equal(a.parts[0].data[va.start:va.end], b.parts[0].data[vb.start:vb.end]) {
			t.Fatalf("%s: differs", key)
		}
	}
	if len(a.Tensors()) != len(b.Tensors()) {
		t.Fatalf("%d and %d tensors", len(a.Tensors()), len(b.Tensors()))
	}
	for i, x := range a.Tensors() {
		y := b.Tensors()[i]
		if x.Name != y.Name || x.Type != y.Type || !reflect.DeepEqual(x.Dims, y.Dims) || !bytes.Equal(x.Data(), y.Data()) {
			t.Fatalf("%s %s %v and %s %s %v differ", x.Name, x.Type, x.Dims, y.Name, y.Type, y.Dims)
		}
	}
}

func encoded(t testing.TB, w *Writer) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := w.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestTruncatedAtEveryByte(t *testing.T) {
	whole := encoded(t, smallModel())
	f, err := OpenBytes("whole.gguf", whole)
	if err != nil {
		t.Fatal(err)
	}
	exercise(t, f)
	last := f.Tensors()[len(f.Tensors())-1]
	end := int(last.Offset()) + last.Bytes()
	for n := range len(whole) + 1 {
		// A copy of its own size, so that a read past its end would be seen by the runtime.
		f, err := OpenBytes("cut.gguf", bytes.Clone(whole[:n]))
		if (err == nil) != (n >= end) {
			t.Fatalf("cut at %d of %d (tensors end at %d): %v", n, len(whole), end, err)
		}
		if err == nil {
			exercise(t, f)
		}
	}
}

func TestEveryBitFlipped(t *testing.T) {
	whole := encoded(t, smallModel())
	f, err := OpenBytes("whole.gguf", whole)
	if err != nil {
		t.Fatal(err)
	}
	head := int(f.Tensors()[0].Offset())
	opened := 0
	for bit := range 8 * head {
		data := bytes.Clone(whole)
		data[bit/8] ^= 1 << (bit % 8)
		if f, err := OpenBytes("flip.gguf", data); err == nil {
			exercise(t, f)
			opened++
		}
	}
	// Flips in names and values leave the file valid; all others must be caught by some check.
	t.Logf("%d of %d files with one flipped bit open", opened, 8*head)
}

func TestRandomDamage(t *testing.T) {
	whole := encoded(t, smallModel())
	rng := rand.New(rand.NewPCG(3, 7))
	interesting := []byte{0, 1, 7, 8, 31, 32, 0x7f, 0x80, 0xff}
	for range 5000 {
		data := bytes.Clone(whole)
		for range 1 + rng.IntN(6) {
			at := rng.IntN(len(data))
			switch rng.IntN(4) {
			case 0:
				data[at] ^= 1 << rng.IntN(8)
			case 1:
				data[at] = interesting[rng.IntN(len(interesting))]
			case 2: // a run of ones: huge numbers
				for i := at; i < min(at+8, len(data)); i++ {
					data[i] = 0xff
				}
			case 3: // bytes removed: everything behind is shifted
				data = append(data[:at], data[min(at+1+rng.IntN(9), len(data)):]...)
			}
			if len(data) == 0 {
				break
			}
		}
		if f, err := OpenBytes("damage.gguf", data); err == nil {
			exercise(t, f)
		}
	}
}
