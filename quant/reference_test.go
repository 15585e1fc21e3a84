package quant

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"os"
	"testing"
)

// The blocks in testdata and their values come from gguf-py 0.19.0 (gguf.quants.dequantize) and are bit-identical to
// ggml's to_float; they hold random blocks, blocks quantised from gaussian data and blocks with odd scales.

type referenceBlocks struct {
	format *Format
	raw    []byte
	want   []float32
	kinds  []string // one per block of the reference; F16 and BF16 are cut into runs of 32
}

func reference(t testing.TB) []referenceBlocks {
	t.Helper()
	var index struct {
		Types []struct {
			Type      string
			GGMLType  int      `json:"ggml_type"`
			RawOffset int      `json:"raw_offset"`
			RawBytes  int      `json:"raw_bytes"`
			F32Offset int      `json:"f32_offset"`
			F32Count  int      `json:"f32_count"`
			Elements  int      `json:"elements_per_block"`
			Bytes     int      `json:"bytes_per_block"`
			Kinds     []string `json:"kinds"`
		}
	}
	if err := json.Unmarshal(testdata(t, "blocks.json.gz"), &index); err != nil {
		t.Fatal(err)
	}
	raw, values := testdata(t, "blocks.bin.gz"), testdata(t, "dequant.f32.gz")
	var all []referenceBlocks
	for _, e := range index.Types {
		id, ok := Parse(e.Type)
		if !ok || int(id) != e.GGMLType {
			t.Fatalf("Parse(%q) = %v, %v; want id %d", e.Type, id, ok, e.GGMLType)
		}
		f, _ := Lookup(id)
		if f.Bytes(e.Elements) != e.Bytes || id.String() != e.Type {
			t.Fatalf("%s: %d bytes for %d weights, want %d", id, f.Bytes(e.Elements), e.Elements, e.Bytes)
		}
		want := make([]float32, e.F32Count)
		for i := range want {
			want[i] = math.Float32frombits(binary.LittleEndian.Uint32(values[e.F32Offset+4*i:]))
		}
		all = append(all, referenceBlocks{f, raw[e.RawOffset:][:e.RawBytes:e.RawBytes], want, e.Kinds})
	}
	return all
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeEqualsReferenceBitForBit(t *testing.T) {
	seen := map[Type]bool{F32: true} // F32 needs no reference
	for _, r := range reference(t) {
		seen[r.format.Type] = true
		got := make([]float32, len(r.want))
		r.format.Decode(got, r.raw)
		for i := range got {
			if math.Float32bits(got[i]) != math.Float32bits(r.want[i]) {
				block := i * len(r.kinds) / len(got)
				t.Fatalf("%s block %d (%s) weight %d: %x, want %x", r.format.Name, block, r.kinds[block], i,
					math.Float32bits(got[i]), math.Float32bits(r.want[i]))
			}
		}
	}
	for _, f := range Formats() {
		if !seen[f.Type] {
			t.Errorf("%s: no reference blocks", f.Name)
		}
	}
}

func TestUnpackIsTheDecodedWeights(t *testing.T) {
	for _, r := range reference(t) {
		f := r.format
		if f.Group == 0 {
			continue
		}
		n := len(r.want)
		codes := make([]uint8, n)
		scale, offset := make([]float32, n/f.Group), make([]float32, n/f.Group)
		f.Unpack(codes, scale, offset, r.raw)
		for i, want := range r.want {
			s, o := scale[i/f.Group], offset[i/f.Group]
			if f.Type == MXFP4 && math.IsInf(float64(o), 0) && s >= 0x1p120 {
				continue // see Format.Unpack
			}
			// In f64 the sum is exact up to 2^-53; what is left is the rounding of Decode and of the offset.
			got := float64(s)*float64(codes[i]) + float64(o)
			limit := 0x1p-23 * (math.Abs(float64(s)*float64(codes[i])) + math.Abs(float64(o)))
			if d := math.Abs(got - float64(want)); !(d <= limit+math.SmallestNonzeroFloat32) {
				t.Fatalf("%s weight %d: %g*%d%+g = %g, want %g", f.Name, i, s, codes[i], o, got, want)
			}
			if f.Zero > 0 && o != -float32(f.Zero)*s {
				t.Fatalf("%s weight %d: offset %g is not -%d times scale %g", f.Name, i, o, f.Zero, s)
			}
		}
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	for _, r := range reference(t) {
		dst := make([]float32, len(r.want))
		// A garbage collection may empty the pool between two runs: allow for one refill.
		if n := testing.AllocsPerRun(100, func() { r.format.Decode(dst, r.raw) }); n >= 1 {
			t.Errorf("%s: %v allocations", r.format.Name, n)
		}
	}
}

func TestParse(t *testing.T) {
	for name, want := range map[string]Type{"q4_k": Q4_K, "Q4_K": Q4_K, "bf16": BF16, "iq4_xs": IQ4_XS} {
		if got, ok := Parse(name); !ok || got != want {
			t.Errorf("Parse(%q) = %v, %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "q4", "q4_k_m", "type 4"} {
		if got, ok := Parse(name); ok {
			t.Errorf("Parse(%q) = %v", name, got)
		}
	}
	for _, id := range []Type{4, 5, 9, 15, 31, 38, 40, 1 << 31, math.MaxUint32} {
		if _, ok := Lookup(id); ok {
			t.Errorf("Lookup(%d) found a format", id)
		}
	}
	for id, want := range map[Type]string{4: "type 4", 16: "IQ2_XXS", 12: "Q4_K", math.MaxUint32: "type 4294967295"} {
		if got := id.String(); got != want {
			t.Errorf("type %d prints as %q, want %q", uint32(id), got, want)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, r := range reference(b) {
		b.Run(r.format.Name, func(b *testing.B) {
			dst := make([]float32, len(r.want))
			b.SetBytes(int64(4 * len(dst)))
			for b.Loop() {
				r.format.Decode(dst, r.raw)
			}
		})
	}
}
