package tokenizer

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pith/gguf"
	"pith/internal/realmodel"
)

// The expectations are llama.cpp's (libllama 0.5.0, ggml 0.25.3) for 250 strings on five vocabularies; those of the two
// vocabularies that stand in testdata, and the strings, are unchanged copies of the reference data.

// shared is a file of the reference data that is not part of this repository.
func shared(t testing.TB, name string) string {
	t.Helper()
	root := os.Getenv("PITH_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "shared")
	}
	path := filepath.Join(root, "reference", "tokenizer", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("left out: reference file %s is not here (PITH_SHARED tells where)", name)
	}
	return path
}

// vocabularyFile is the GGUF file of one of the five vocabularies.
func vocabularyFile(t testing.TB, name string) string {
	t.Helper()
	if name == "smol" || name == "gemma" {
		return realmodel.Path(t, name)
	}
	return shared(t, "ggml-vocab-"+name+".gguf")
}

func open(t testing.TB, path string) *Tokenizer {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tok, err := New(f)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// readJSON reads testdata/name.gz, or name among the reference data.
func readJSON(t testing.TB, name string, into any) {
	t.Helper()
	var data []byte
	f, err := os.Open(filepath.Join("testdata", name+".gz"))
	if err == nil {
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		if data, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	} else if data, err = os.ReadFile(shared(t, name)); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// textOrBytes is how the reference data gives a string that may not be UTF-8.
type textOrBytes struct {
	Text *string
	B64  []byte
}

func (r *textOrBytes) string() string {
	if r.Text != nil {
		return *r.Text
	}
	return string(r.B64)
}

type reference struct {
	Libllama struct {
		Bos, Eos, Eot  TokenID
		AddBOS         int `json:"add_bos"`
		AddEOS         int `json:"add_eos"`
		Eog            []TokenID
		NumberOfTokens int `json:"n_tokens"`
	}
	Cases []struct {
		I      int
		Plain  []TokenID
		Parse  []TokenID // absent: as plain
		Full   []TokenID // absent: as parse
		Note   string    // the reference refuses the string
		Pieces *textOrBytes
		Detok  *textOrBytes
	}
}

var vocabularies = []string{"smol", "gemma", "llama-bpe", "qwen2", "llama-spm"}

func TestReferenceStrings(t *testing.T) {
	for _, name := range vocabularies {
		t.Run(name, func(t *testing.T) {
			tok := open(t, vocabularyFile(t, name))
			var ref reference
			readJSON(t, name+".json", &ref)
			var texts []textOrBytes
			readJSON(t, "strings.json", &texts)
			compared := 0
			for _, c := range ref.Cases {
				text := texts[c.I].string()
				if c.Note != "" {
					if _, err := tok.Encode(text, Options{}); err != nil {
						t.Errorf("string %d: %v", c.I, err)
					}
					continue
				}
				if c.Parse == nil {
					c.Parse = c.Plain
				}
				if c.Full == nil {
					c.Full = c.Parse
				}
				for _, form := range []struct {
					o    Options
					want []TokenID
				}{{Options{}, c.Plain}, {Options{Special: true}, c.Parse}, {Options{Special: true, Ends: true}, c.Full}} {
					got, err := tok.Encode(text, form.o)
					if err != nil || !slices.Equal(got, form.want) {
						t.Errorf("string %d %q %+v: %v, %v, want %v", c.I, text, form.o, got, err, form.want)
					}
					compared++
				}
				pieces := text
				if c.Detok != nil {
					pieces = c.Detok.string()
				}
				if c.Pieces != nil {
					pieces = c.Pieces.string()
				}
				if got := string(tok.Decode(c.Plain)); got != pieces {
					t.Errorf("string %d: pieces %q, want %q", c.I, got, pieces)
				}
				if got := streamed(tok, c.Plain); got != strings.ToValidUTF8(got, "!") {
					t.Errorf("string %d: stream gives broken characters: %q", c.I, got)
				}
			}
			if compared < 740 {
				t.Errorf("%d comparisons, expected 3 for each of about 250 strings", compared)
			}
		})
	}
}

func streamed(tok *Tokenizer, ids []TokenID) string {
	var b strings.Builder
	s := tok.Stream()
	for _, id := range ids {
		b.WriteString(s.Next(id))
	}
	b.WriteString(s.Flush())
	return b.String()
}

func TestReferenceSpecialTokens(t *testing.T) {
	for _, name := range vocabularies {
		t.Run(name, func(t *testing.T) {
			tok := open(t, vocabularyFile(t, name))
			var ref reference
			readJSON(t, name+".json", &ref)
			want := ref.Libllama
			if tok.Size() != want.NumberOfTokens {
				t.Errorf("size %d, want %d", tok.Size(), want.NumberOfTokens)
			}
			if bos, ok := tok.BOS(); !ok || bos != want.Bos {
				t.Errorf("bos %d, %v, want %d", bos, ok, want.Bos)
			}
			if eos, ok := tok.EOS(); !ok || eos != want.Eos {
				t.Errorf("eos %d, %v, want %d", eos, ok, want.Eos)
			}
			if tok.AddBOS() != (want.AddBOS == 1) || tok.AddEOS() != (want.AddEOS == 1) {
				t.Errorf("adds bos %v, eos %v, want %d, %d", tok.AddBOS(), tok.AddEOS(), want.AddBOS, want.AddEOS)
			}
			var ends []TokenID
			for id := range TokenID(tok.Size()) {
				if tok.IsEnd(id) {
					ends = append(ends, id)
				}
			}
			if !slices.Equal(ends, want.Eog) {
				t.Errorf("end tokens %v, want %v", ends, want.Eog)
			}
			// Of several candidates the reference takes whichever its hash table gives first; all end a generation.
			if eot, ok := tok.EOT(); ok != (want.Eot >= 0) || ok && !tok.IsEnd(eot) {
				t.Errorf("eot %d, %v, want %d or another end token", eot, ok, want.Eot)
			}
		})
	}
}

// TestReferenceFiles reads the cases that llama.cpp keeps beside its vocabularies; their tokens come from the models'
// original tokenizers.
func TestReferenceFiles(t *testing.T) {
	for _, name := range vocabularies[2:] {
		t.Run(name, func(t *testing.T) {
			path := shared(t, "ggml-vocab-"+name+".gguf")
			tok := open(t, path)
			in, err := os.ReadFile(path + ".inp")
			if err != nil {
				t.Fatal(err)
			}
			out, err := os.ReadFile(path + ".out")
			if err != nil {
				t.Fatal(err)
			}
			texts := strings.Split(string(in), "\n__ggml_vocab_test__\n")
			lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
			for i, line := range lines {
				var want []TokenID
				if err := json.Unmarshal([]byte("["+strings.Join(strings.Fields(line), ",")+"]"), &want); err != nil {
					t.Fatal(err)
				}
				if got, err := tok.Encode(texts[i], Options{}); err != nil || !slices.Equal(got, want) {
					t.Errorf("%q: %v, %v, want %v", texts[i], got, err, want)
				}
			}
			if len(lines) < 40 {
				t.Errorf("%d cases only", len(lines))
			}
		})
	}
}

func TestOnceDoesNotDoubleEnds(t *testing.T) {
	for name, text := range map[string]string{"llama-spm": "<s>Hello", "llama-bpe": "<|begin_of_text|>Hello"} {
		t.Run(name, func(t *testing.T) {
			tok := open(t, vocabularyFile(t, name))
			want, err := tok.Encode(text, Options{Special: true})
			if err != nil {
				t.Fatal(err)
			}
			got, err := tok.Encode(text, Options{Special: true, Ends: true, Once: true})
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%v, %v, want %v", got, err, want)
			}
		})
	}
}
