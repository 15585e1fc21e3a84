package gguf

import (
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"pith/quant"
)

// hostile lists files that killed or corrupted other loaders, each with the hole it is named after, and relatives of
// them. Every one must be refused with a message that has all the given words in it.
var hostile = []struct {
	name  string
	build func() image
	words string // separated by "|"
}{
	// Ollama read beyond the heap when a tensor's extent went past the end of the file.
	{"CVE-2026-7482 extent past end", func() image {
		return header(3, 1, 0).tensor("blk.0.attn_q.weight", quant.F32, 0, 1024, 1024).data(64)
	}, "tensor blk.0.attn_q.weight: |1048576 elements of F32 exceed the file"},
	{"CVE-2026-7482 offset at the last byte", func() image {
		return header(3, 1, 0).tensor("w", quant.F32, 32, 32).data(64)
	}, "tensor w: offset |and 128 bytes past end of file"},
	{"CVE-2026-7482 offset past end", func() image {
		return header(3, 1, 0).tensor("w", quant.F32, 1<<40, 8).data(64)
	}, "tensor w: offset 1099511627776 past end of file"},
	{"CVE-2026-7482 offset wraps around", func() image {
		return header(3, 1, 0).tensor("w", quant.F32, math.MaxUint64-31, 8).data(64)
	}, "tensor w: offset 18446744073709551584 past end of file"},

	// llama.cpp: sizes overflowed, alone or in sum, and the buffer came out too small.
	{"CVE-2026-33298 elements overflow to a small size", func() image {
		return header(3, 1, 0).tensor("w", quant.F32, 0, 1<<32, 1<<30, 4).data(64)
	}, "tensor w: dimension 2 of 4 overflows"},
	{"CVE-2026-27940 bytes overflow", func() image {
		return header(3, 1, 0).tensor("w", quant.F32, 0, 1<<62).data(64)
	}, "tensor w: |elements of F32 exceed the file"},
	{"CVE-2025-53630 sum of sizes overflows", func() image {
		b := header(3, 4, 0)
		for _, name := range []string{"a", "b", "c", "d"} {
			b = b.tensor(name, quant.F32, 0, 1<<60)
		}
		return b.data(64)
	}, "tensor a: |exceed the file"},
	{"CVE-2026-53923 dimension beyond 32 bits", func() image {
		return header(3, 1, 0).tensor("w", quant.Q4_0, 0, 1<<32+32, 1).data(64)
	}, "tensor w: 4294967328 elements of Q4_0 exceed the file"},
	{"negative dimension", func() image {
		return header(3, 1, 0).tensor("w", quant.F32, 0, math.MaxUint64).data(64)
	}, "tensor w: dimension 0 of 18446744073709551615 overflows"},

	// llama.cpp #24884: an empty key aborts; PR #24263: a zero dimension divides; both in less than 100 bytes.
	{"llama.cpp 24884 empty key in 37 bytes", func() image {
		return header(3, 0, 1).key("", Uint8).bytes(0)
	}, `key "": empty name`},
	{"llama.cpp 24263 zero dimension in 88 bytes", func() image {
		return header(3, 1, 0).tensor("w", quant.F32, 0, 1, 0).data(0)
	}, "tensor w: dimension 1 is zero"},
	{"llama.cpp 18586 zero first dimension", func() image {
		return header(3, 1, 0).tensor("w", quant.Q4_K, 0, 0, 1<<63).data(0)
	}, "tensor w: dimension 0 is zero"},
	{"llama.cpp 25596 alignment of wrong kind", func() image {
		return header(3, 0, 1).key("general.alignment", String).str("32")
	}, "key general.alignment: kind string, want an unsigned integer"},
	{"negative tensor type", func() image {
		return header(3, 1, 0).tensor("w", math.MaxUint32, 0, 8).data(64)
	}, "tensor w: type 4294967295|not supported"},
	{"removed tensor type", func() image {
		return header(3, 1, 0).tensor("w", 4, 0, 32).data(64)
	}, "tensor w: type 4|not supported"},
	{"known tensor type that pith lacks", func() image {
		return header(3, 1, 0).tensor("w", 16, 0, 256).data(128)
	}, "tensor w: IQ2_XXS (16) not supported"},

	// Ollama, GO-2025-3559: padding divides by an alignment of zero.
	{"GO-2025-3559 alignment zero", func() image {
		return header(3, 1, 1).key("general.alignment", Uint32).u32(0).tensor("w", quant.F32, 0, 8).data(64)
	}, "key general.alignment: alignment 0"},
	{"alignment no power of two", func() image {
		return header(3, 1, 1).key("general.alignment", Uint32).u32(48).tensor("w", quant.F32, 0, 8).data(64)
	}, "alignment 48"},
	{"alignment beyond the file", func() image {
		return header(3, 1, 1).key("general.alignment", Uint32).u32(1<<30).tensor("w", quant.F32, 0, 8).data(64)
	}, "data section: start 1073741824 past end of file"},
	{"alignment overflows the start", func() image {
		return header(3, 1, 1).key("general.alignment", Uint64).u64(1<<63).tensor("w", quant.F32, 0, 8).data(64)
	}, "alignment 9223372036854775808"},
	{"alignment negative", func() image {
		return header(3, 0, 1).key("general.alignment", Int32).u32(0xffffffe0)
	}, "key general.alignment: kind int32"},

	// CVE-2024-21802, -21825, -21836, -23496, -23605 (llama.cpp) and GO-2025-3557, -3558, -3695 (Ollama): counts and
	// lengths from the header size an allocation or a loop.
	{"CVE-2024-21825 string length", func() image {
		return header(3, 0, 1).key("k", String).u64(math.MaxUint64).zeros(32)
	}, "key k: 18446744073709551615 bytes at offset|past end of file"},
	{"CVE-2024-21836 key length", func() image {
		return header(3, 0, 1).u64(1 << 62).zeros(32)
	}, "key 1: 4611686018427387904 bytes at offset 32 past end of file"},
	{"CVE-2024-21802 tensor name length", func() image {
		return header(3, 1, 0).u64(math.MaxUint64 - 7).zeros(64)
	}, "tensor 1: 18446744073709551608 bytes at offset 32 past end of file"},
	{"CVE-2024-23496 number of tensors", func() image {
		return header(3, math.MaxUint64/8, 0).zeros(64)
	}, "header: 2305843009213693951 tensors do not fit into 64 bytes"},
	{"CVE-2024-23605 number of keys", func() image {
		return header(3, 0, math.MaxUint64).zeros(64)
	}, "header: 18446744073709551615 keys do not fit into 64 bytes"},
	{"GO-2025-3557 array length", func() image {
		return header(3, 0, 1).array("k", Uint64, 1<<61).zeros(64)
	}, "key k: array of 2305843009213693952 uint64 values past end of file (64 bytes left)"},
	{"GO-2025-3558 string in array past end", func() image {
		return header(3, 0, 1).array("k", String, 3).str("one").str("two").u64(4).bytes('x')
	}, "key k: string 2 of 4 bytes at offset"},
	{"string in array of negative length", func() image {
		return header(3, 0, 1).array("k", String, 2).str("one").u64(math.MaxUint64).zeros(16)
	}, "key k: string 1 of 18446744073709551615 bytes"},
	{"array of strings cut in a length", func() image {
		return header(3, 0, 1).array("k", String, 2).str("four").zeros(4)
	}, "key k: string 1 at offset"},
	{"array of empty strings too many", func() image {
		return header(3, 0, 1).array("k", String, 5).zeros(39)
	}, "key k: array of 5 string values past end of file (39 bytes left)"},
	{"dimensions", func() image {
		return header(3, 1, 0).tensor("w", quant.F32, 0, 1, 1, 1, 1, 1).data(64)
	}, "tensor w: 5 dimensions, limit 4"},
	{"number of dimensions", func() image {
		return header(3, 1, 0).str("w").u32(math.MaxUint32).zeros(64)
	}, "tensor w: 4294967295 dimensions"},

	// llama.cpp #26690: kinds inside arrays unchecked.
	{"llama.cpp 26690 array of an unknown kind", func() image {
		return header(3, 0, 1).array("k", 13, 4).zeros(64)
	}, "key k: array of kind 13"},
	{"array of arrays", func() image {
		return header(3, 0, 1).array("k", Array, 1).u32(uint32(Uint8)).u64(1).zeros(64)
	}, "key k: array of arrays not supported"},
	{"array of arrays, deep", func() image {
		b := header(3, 0, 1).key("k", Array)
		for range 200 {
			b = b.u32(uint32(Array)).u64(1)
		}
		return b
	}, "key k: array of arrays not supported"},
	{"unknown kind", func() image {
		return header(3, 0, 1).key("k", 4242).zeros(64)
	}, "key k: kind 4242 is not in the format"},
	{"boolean out of range", func() image {
		return header(3, 0, 1).key("k", Bool).bytes(2)
	}, "key k: boolean of value 2"},
	{"boolean in array out of range", func() image {
		return header(3, 0, 1).array("k", Bool, 3).bytes(0, 1, 77)
	}, "key k: boolean 2 of value 77"},

	{"duplicate key", func() image {
		return header(3, 0, 2).key("k", Uint8).bytes(1).key("k", Uint8).bytes(2)
	}, "key k: duplicate key"},
	{"duplicate tensor", func() image {
		return header(3, 2, 0).tensor("w", quant.F32, 0, 8).tensor("w", quant.F32, 32, 8).data(64)
	}, "tensor w: duplicate tensor"},
	{"tensor without a name", func() image {
		return header(3, 1, 0).tensor("", quant.F32, 0, 8).data(64)
	}, `tensor "": empty name`},
	{"tensors overlap", func() image {
		return header(3, 2, 0).tensor("a", quant.F32, 32, 16).tensor("b", quant.F32, 0, 9).data(96)
	}, "tensor a: offset |overlaps tensor b"},
	{"tensors at the same offset", func() image {
		return header(3, 2, 0).tensor("a", quant.F32, 0, 8).tensor("b", quant.F32, 0, 8).data(96)
	}, "overlaps tensor"},
	{"offset not aligned", func() image {
		return header(3, 1, 0).tensor("w", quant.F32, 4, 8).data(64)
	}, "tensor w: offset 4 not aligned to 32"},
	{"row of part of a block", func() image {
		return header(3, 1, 0).tensor("w", quant.Q4_K, 0, 128, 2).data(144)
	}, "tensor w: 128 elements a row, not a multiple of Q4_K's 256"},
	{"hostile name in a message", func() image {
		return header(3, 1, 0).tensor("\x1b[2J"+strings.Repeat("\u202e", 1000), quant.F32, 0, 0).data(64)
	}, `tensor "\x1b[2J\u202e|…: dimension 0 is zero`},

	{"empty file", func() image { return nil }, "header: file of 0 bytes, want at least 24"},
	{"header cut", func() image { return header(3, 0, 0)[:23] }, "header: file of 23 bytes"},
	{"magic", func() image { return append(image("GGJT"), header(3, 0, 0)[4:]...) }, `magic "GGJT", want "GGUF"`},
	{"web page", func() image { return image("<!DOCTYPE html><html><head>") }, `magic "<!DO", want "GGUF"`},
	{"version 0", func() image { return header(0, 0, 0) }, "version 0, want 2 or 3"},
	{"version 1", func() image { return header(1, 0, 0) }, "version 1, want 2 or 3"},
	{"version 4", func() image { return header(4, 0, 0) }, "version 4, want 2 or 3"},
	{"big-endian", func() image { return header(3<<24, 0, 0) }, "big-endian file (version 3), want little-endian"},
	{"no data section", func() image {
		return header(3, 1, 0).tensor("w", quant.F32, 0, 1)
	}, "data section: start |past end of file"},
	{"split in memory", func() image {
		return header(3, 0, 2).key("split.no", Uint16).bytes(0, 0).key("split.count", Uint16).bytes(255, 255)
	}, "key split.count: 65535 parts"},
}

func TestHostileFilesAreRefused(t *testing.T) {
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			data := c.build()
			f, err := OpenBytes("x.gguf", data)
			if err == nil {
				exercise(t, f)
				t.Fatal("opened")
			}
			var format *FormatError
			if !errors.As(err, &format) {
				t.Fatalf("%T, want *FormatError: %v", err, err)
			}
			for _, words := range strings.Split(c.words, "|") {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("error %q lacks %q", err, words)
				}
			}
			if len(err.Error()) > 600 {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
		})
	}
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestMemoryFollowsTheFileNotItsNumbers(t *testing.T) {
	for _, c := range hostile {
		data := c.build()
		n := allocated(func() { _, _ = OpenBytes("x.gguf", data) })
		if limit := uint64(16<<10 + 8*len(data)); n > limit {
			t.Errorf("%s: %d bytes allocated for a file of %d, limit %d", c.name, n, len(data), limit)
		}
	}
}

func TestLimitsOnCounts(t *testing.T) {
	keys := header(3, 0, maxKeys+1).zeros((maxKeys + 1) * minKeyBytes)
	tensors := header(3, maxTensors+1, 0).zeros((maxTensors + 1) * minTensorBytes)
	for name, data := range map[string]image{"65537 keys": keys, "262145 tensors": tensors} {
		_, err := OpenBytes("x.gguf", data)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
