package tokenizer

import (
	gobuild "go/build"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pith/gguf"
)

// english is prose with the repetitions of prose: a Zipf-like choice of words from a small stock, in sentences.
func english(bytes int) string {
	stock := strings.Fields(`the of and to in a that is was he for it with as his on be at by I this had not are but
		from or have an they which one you were all her she there would their we him been has when who will no more if
		out so said what up its about than into them can only other time new some could these two may first then do any
		like my now over such our man me even most made after also well before great back through years where much your
		way light prisms reflection refracted experiment observation colours, whiteness; therefore proportion. thickness
		transparent "Opticks" Newton's philosophical consideration 1704 it's inflexion homogeneal notwithstanding`)
	var b strings.Builder
	state := uint32(1)
	for n := 0; b.Len() < bytes; n++ {
		state = state*1664525 + 1013904223
		u := float64(state>>8) / (1 << 24)
		b.WriteString(stock[int(u*u*u*float64(len(stock)))])
		if n%17 == 16 {
			b.WriteString(".\n")
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// prose is Newton's Opticks, which the Go distribution carries as test data, or the imitation.
func prose() string {
	if text, err := os.ReadFile(filepath.Join(gobuild.Default.GOROOT, "src", "testdata", "Isaac.Newton-Opticks.txt")); err == nil {
		return string(text)
	}
	return english(1 << 20)
}

func BenchmarkEncode(b *testing.B) {
	text := prose()
	for _, name := range vocabularies {
		b.Run(name, func(b *testing.B) {
			tok := open(b, vocabularyFile(b, name))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tok.Encode(text, Options{Special: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	text := prose()
	loadClasses()
	for _, name := range []string{"gpt-2", "smollm", "llama-bpe", "qwen2", "tekken", "gpt-4o", "deepseek-llm"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				words(text, families[name].stages, func(string) {})
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for _, name := range vocabularies {
		b.Run(name, func(b *testing.B) {
			f, err := gguf.Open(vocabularyFile(b, name))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			for b.Loop() {
				if _, err := New(f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOneWord is the worst text for merges: a megabyte that no scanner cuts.
func BenchmarkOneWord(b *testing.B) {
	for _, name := range vocabularies {
		tok := open(b, vocabularyFile(b, name))
		for _, c := range []string{"a", " ", "\n", "=", "ab", "中"} {
			text := strings.Repeat(c, 1<<20/len(c))
			b.Run(name+"/"+strings.NewReplacer(" ", "space", "\n", "newline").Replace(c), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					if _, err := tok.Encode(text, Options{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
