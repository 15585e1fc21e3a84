package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// Slow twins, written from the rules alone: they know texts, no ids, no heap, no cuts and no caches.

// naiveMerge merges symbols, the pair of the lowest rank first, of equals the leftmost. rank < 0: no merge.
func naiveMerge(symbols []string, rank func(l, r string) float64) []string {
	for {
		at, best := -1, 0.0
		for i := 1; i < len(symbols); i++ {
			if k := rank(symbols[i-1], symbols[i]); k >= 0 && (at < 0 || k < best) {
				at, best = i-1, k
			}
		}
		if at < 0 {
			return symbols
		}
		symbols[at] += symbols[at+1]
		symbols = slices.Delete(symbols, at+1, at+2)
	}
}

func naiveBPE(m *metadata, word string) []TokenID {
	ranks := map[[2]string]int{}
	for i, text := range m.merges {
		cut := strings.IndexByte(text[1:], ' ') + 1
		pair := [2]string{text[:cut], text[cut+1:]}
		if _, ok := ranks[pair]; !ok {
			ranks[pair] = i
		}
	}
	symbols := strings.Split(string(appendByteChars(nil, word)), "")
	symbols = naiveMerge(symbols, func(l, r string) float64 {
		if k, ok := ranks[[2]string{l, r}]; ok {
			return float64(k)
		}
		return -1
	})
	var out []TokenID
	for _, s := range symbols {
		if id := slices.Index(m.tokens, s); id >= 0 {
			out = append(out, TokenID(id))
			continue
		}
		for _, c := range strings.Split(s, "") {
			if id := slices.Index(m.tokens, c); id >= 0 {
				out = append(out, TokenID(id))
			}
		}
	}
	return out
}

// naiveSPM is llama.cpp's order of work on raw bytes: escape, split by lead bytes, merge over the whole text, fall back.
func naiveSPM(m *metadata, text string) []TokenID {
	text = strings.ReplaceAll(text, " ", metaspace)
	var symbols []string
	for text != "" {
		n := min(leadLength(text[0]), len(text))
		symbols, text = append(symbols, text[:n]), text[n:]
	}
	index := map[string]int{}
	for i, s := range m.tokens {
		index[s] = i
	}
	symbols = naiveMerge(symbols, func(l, r string) float64 {
		if id, ok := index[l+r]; ok {
			return 1e6 - float64(m.scores[id])
		}
		return -1
	})
	var out []TokenID
	for _, s := range symbols {
		if id, ok := index[s]; ok {
			out = append(out, TokenID(id))
			continue
		}
		for i := 0; i < len(s); i++ {
			out = append(out, TokenID(index[fmt.Sprintf("<0x%02X>", s[i])]))
		}
	}
	return out
}

func byteTokens() (tokens []string, types []int32) {
	for c := range 256 {
		tokens, types = append(tokens, fmt.Sprintf("<0x%02X>", c)), append(types, typeByte)
	}
	return tokens, types
}

// randomBPE has a small alphabet, so that everything merges with everything, and leaves some results out of the
// vocabulary.
func randomBPE(r *rand.Rand) *metadata {
	m := &metadata{model: "gpt2", pre: "gpt-2", hasMerge: true, bos: -1, eos: -1, eot: -1, eom: -1, fimPad: -1, fimRep: -1, fimSep: -1}
	parts := []string{"a", "b", "c", "Ġ"}
	m.tokens = []string{"a", "b", "Ġ", "!"}
	for range 4 + r.IntN(40) {
		l, k := parts[r.IntN(len(parts))], parts[r.IntN(len(parts))]
		m.merges = append(m.merges, l+" "+k)
		if len(l+k) < 12 {
			parts = append(parts, l+k)
		}
		if r.IntN(4) > 0 && !slices.Contains(m.tokens, l+k) {
			m.tokens = append(m.tokens, l+k)
		}
	}
	return m
}

func randomWord(r *rand.Rand, alphabet string, n int) string {
	rs := []rune(alphabet)
	var b strings.Builder
	for range n {
		b.WriteRune(rs[r.IntN(len(rs))])
	}
	return b.String()
}

func TestBPEMergesLikeNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		m := randomBPE(r)
		tok, err := build(m)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			n := 1 + r.IntN(20)
			if r.IntN(4) == 0 {
				n += 100 // through the heap
			}
			word := randomWord(r, "abbac", n)
			got, err := tok.Encode(word, Options{})
			if want := naiveBPE(m, word); err != nil || !slices.Equal(got, want) {
				t.Fatalf("%q with %q and %q:\n got %v, %v\nwant %v", word, m.tokens, m.merges, got, err, want)
			}
		}
	}
}

func randomSPM(r *rand.Rand) *metadata {
	m := &metadata{model: "llama", hasScores: true, bos: -1, eos: -1, eot: -1, eom: -1, fimPad: -1, fimRep: -1, fimSep: -1}
	m.tokens, m.types = byteTokens()
	parts := []string{"a", "b", "é", "中", metaspace, "'"}
	for _, p := range parts[:5] {
		m.tokens, m.types = append(m.tokens, p), append(m.types, typeNormal)
	}
	for range 4 + r.IntN(40) {
		text := parts[r.IntN(len(parts))] + parts[r.IntN(len(parts))]
		if len(text) > 20 || slices.Contains(m.tokens, text) {
			continue
		}
		parts = append(parts, text)
		m.tokens, m.types = append(m.tokens, text), append(m.types, typeNormal)
	}
	m.scores = make([]float32, len(m.tokens))
	for i := range m.scores {
		m.scores[i] = float32(r.IntN(12)-6) / 2 // equal scores are frequent
	}
	off := false
	m.addSpacePrefix, m.addBOS = &off, &off
	return m
}

func TestSPMMergesLikeNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		m := randomSPM(r)
		tok, err := build(m)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			text := randomWord(r, "aabé中  ▁'z", 1+r.IntN(60))
			if r.IntN(3) == 0 { // damage it
				b := []byte(text)
				for range 1 + r.IntN(4) {
					b[r.IntN(len(b))] = byte(r.IntN(256))
				}
				text = string(b)
			}
			got, err := tok.Encode(text, Options{})
			if want := naiveSPM(m, text); err != nil || !slices.Equal(got, want) {
				t.Fatalf("%q with %q:\n got %v, %v\nwant %v", text, m.tokens[256:], got, err, want)
			}
		}
	}
}

// naiveFind splits by one token after the other, the longest first.
func naiveFind(text string, tokens []string) []string {
	type part struct {
		text string
		done bool
	}
	parts := []part{{text, false}}
	sorted := slices.Clone(tokens)
	slices.SortStableFunc(sorted, func(a, b string) int { return len(b) - len(a) })
	for _, tok := range sorted {
		var next []part
		for _, p := range parts {
			for !p.done {
				before, after, ok := strings.Cut(p.text, tok)
				if !ok {
					break
				}
				next = append(next, part{before, false}, part{tok, true})
				p.text = after
			}
			next = append(next, p)
		}
		parts = next
	}
	var out []string
	for _, p := range parts {
		if p.done {
			out = append(out, "["+p.text+"]")
		} else if p.text != "" {
			out = append(out, p.text)
		}
	}
	return out
}

func TestSpecialTokensLikeNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 400 {
		m := randomSPM(r)
		var special []string
		for range 1 + r.IntN(8) {
			if s := randomWord(r, "ab<", 1+r.IntN(5)); !slices.Contains(m.tokens, s) {
				special = append(special, s)
				m.tokens, m.types, m.scores = append(m.tokens, s), append(m.types, typeUserDefined), append(m.scores, 0)
			}
		}
		tok, err := build(m)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			text := randomWord(r, "aab<", r.IntN(40))
			var got []string
			at := 0
			for _, sp := range tok.plain.find(text, new(scratch)) {
				if at < sp.cut {
					got = append(got, text[at:sp.cut])
				}
				got = append(got, "["+tok.Text(sp.id)+"]")
				at = sp.resume
			}
			if at < len(text) {
				got = append(got, text[at:])
			}
			if want := naiveFind(text, special); !slices.Equal(got, want) {
				t.Fatalf("%q with %q:\n got %q\nwant %q", text, special, got, want)
			}
		}
	}
}

// TestRealVocabularyLikeNaive holds the cuts and caches of the SentencePiece model against the naive merge on real text.
func TestRealVocabularyLikeNaive(t *testing.T) {
	for _, name := range []string{"gemma", "llama-spm"} {
		t.Run(name, func(t *testing.T) {
			tok := open(t, vocabularyFile(t, name))
			p := tok.model.(*spm)
			index := map[string]TokenID{}
			for i, s := range tok.texts {
				index[s] = TokenID(i)
			}
			r := rand.New(rand.NewPCG(9, 10))
			prose := english(1 << 16)
			for range 300 {
				from := r.IntN(len(prose) - 100)
				text := prose[from:from+20+r.IntN(60)] + oddText(r, r.IntN(12))
				text = strings.Map(func(c rune) rune {
					if c == '\n' || c == ' ' && r.IntN(20) == 0 || c == utf8.RuneError {
						return -1
					}
					return c
				}, text)
				if strings.Contains(text, "  ") || len(tok.plain.find(text, new(scratch))) > 0 {
					continue
				}
				got, err := p.encode(nil, text, false, new(scratch))
				if err != nil {
					t.Fatal(err)
				}
				want := naiveSymbols(text, index, p.ranks)
				if !slices.Equal(got, want) {
					t.Fatalf("%q:\n got %v\nwant %v", text, got, want)
				}
			}
		})
	}
}

func naiveSymbols(text string, index map[string]TokenID, ranks []uint32) []TokenID {
	symbols := strings.Split(strings.ReplaceAll(text, " ", metaspace), "")
	symbols = naiveMerge(symbols, func(l, r string) float64 {
		if id, ok := index[l+r]; ok {
			return float64(ranks[id])
		}
		return -1
	})
	var out []TokenID
	for _, s := range symbols {
		if id, ok := index[s]; ok {
			out = append(out, id)
			continue
		}
		for i := 0; i < len(s); i++ {
			out = append(out, index[fmt.Sprintf("<0x%02X>", s[i])])
		}
	}
	return out
}
