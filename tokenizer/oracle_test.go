package tokenizer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
)

// published holds the expressions of the pre-tokenizers as their models publish them, one name for each scanner. Each
// expression isolates its matches in what the one before left. "(?i:'s|…)" is spelled out for ASCII letters.
var published = map[string][]string{
	"gpt-2":  {`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`},
	"smollm": {`\p{N}`, `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`},
	"llama-bpe": {`(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|` +
		` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	"qwen2": {`(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|` +
		` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	"qwen35": {`(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}|` +
		` ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	"tekken": {`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}|` +
		` ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	"gpt-4o": {`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}|` +
		` ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	"falcon": {"[\\p{P}\\$\\+<=>\\^~\\|`]+", `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)`, `[0-9][0-9][0-9]`},
	"deepseek-llm": {`[\r\n]`, `\s?[` + rangeSet(deepSeekLetters) + `]+`, `\s?[!-/:-~！-／：-～‘-‟　-。]+`, `\s+$`,
		`[一-龥ࠀ-一가-퟿]+`, `\p{N}+`},
	"deepseek-coder": {`[\r\n]`, `\s?\p{L}+`, `\s?\p{P}+`, `[一-龥ࠀ-一가-퟿]+`, `\p{N}`},
	"deepseek-v3": {`\p{N}{1,3}`, `[一-龥぀-ゟ゠-ヿ]+`,
		"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|" +
			`[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
}

func rangeSet(ranges [][2]rune) string {
	var b strings.Builder
	for _, r := range ranges {
		b.WriteRune(r[0])
		b.WriteByte('-')
		b.WriteRune(r[1])
	}
	return b.String()
}

type oracle []*regexp2.Regexp

func oracles() map[string]oracle {
	all := map[string]oracle{}
	for name, exprs := range published {
		for _, e := range exprs {
			all[name] = append(all[name], regexp2.MustCompile(e, regexp2.None))
		}
	}
	return all
}

func (o oracle) split(t testing.TB, text string) []string {
	parts := [][]rune{[]rune(text)}
	for _, re := range o {
		var next [][]rune
		for _, p := range parts {
			at := 0
			m, err := re.FindRunesMatch(p)
			for ; m != nil && err == nil; m, err = re.FindNextMatch(m) {
				if m.RuneIndex > at {
					next = append(next, p[at:m.RuneIndex])
				}
				at = m.RuneIndex + m.RuneLength
				next = append(next, p[m.RuneIndex:at])
			}
			if err != nil {
				t.Fatal(err)
			}
			if at < len(p) {
				next = append(next, p[at:])
			}
		}
		parts = next
	}
	out := make([]string, len(parts))
	for i, p := range parts {
		out[i] = string(p)
	}
	return out
}

func split(name, text string) []string {
	loadClasses()
	var out []string
	words(text, families[name].stages, func(w string) { out = append(out, w) })
	return out
}

// odd is what scanners can get wrong: every class, in and out of ASCII, and everything an expression names.
var odd = []string{
	"a", "b", "Z", "é", "É", "ǅ", "ʰ", "中", "あ", "カ", "한", "ß", "ſ", "K", "ა", "ა", "ա", "µ", "ά", "𐐀", "𝒳", "ª", "ﬁ",
	"0", "7", "12", "345", "6789", "٣", "²", "½", "Ⅷ", "१", "𝟘",
	" ", "  ", "   ", "\t", "\n", "\r", "\r\n", "\n\n", "\v", "\f", "\u0085", "\u00a0", "\u2003", "\u2028", "\u3000", "\u1680",
	"\u200b", "\u180e", "\ufeff", "\u200d", "\x00", "\x01", "\x1c", "\x7f", "\u0378", "\ue000", "\U0010ffff", "\ufffd",
	"\u0301", "\u0903", "\u20e3", "\ufe0f", "🙂", "🇩🇪", "👩🏽‍🚀", "€", "+", "$", "^", "~", "|", "`", "<", "=", ">",
	".", ",", "!", "?", "/", "//", "\\", "-", "_", "\"", "(", "]", "。", "！", "～", "’", "…", "«",
	"'", "''", "'s", "'S", "'t", "'T", "'re", "'RE", "'ve", "'vE", "'m", "'ll", "'LL", "'l", "'d", "'D", "'ſ", "'r", "don't", "We'LL",
	"Hello", "HELLO", "camelCase", "HTTPServer", "XMLa", "naïve", "Ǆx", "中文字", "देवनागरी", "العربية", "Straße",
}

func oddText(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(odd[r.IntN(len(odd))])
	}
	return b.String()
}

func TestScannersMatchPublishedExpressions(t *testing.T) {
	for name, o := range oracles() {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			texts := slices.Clone(odd)
			for _, a := range odd { // every pair, and many longer ones
				for _, b := range odd {
					texts = append(texts, a+b)
				}
			}
			for range 4000 {
				texts = append(texts, oddText(r, 3+r.IntN(10)))
			}
			bad := 0
			for _, text := range texts {
				if got, want := split(name, text), o.split(t, text); !slices.Equal(got, want) {
					if bad++; bad <= 5 {
						t.Errorf("%q:\n got %q\nwant %q", text, got, want)
					}
				}
			}
			if bad > 0 {
				t.Errorf("%d of %d texts wrong", bad, len(texts))
			}
		})
	}
}

func TestEveryFamilyHasAnOracle(t *testing.T) {
	loadClasses()
	for _, name := range Families() {
		found := false
		for with := range published {
			found = found || &families[with].stages[0] == &families[name].stages[0]
		}
		if !found {
			t.Errorf("no published expression for the scanner of %q", name)
		}
	}
}

func FuzzScanners(f *testing.F) {
	for _, s := range odd {
		f.Add(s + " " + s)
	}
	all := oracles()
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 200 || !utf8.ValidString(text) {
			return
		}
		for name, o := range all {
			got := split(name, text)
			if want := o.split(t, text); !slices.Equal(got, want) {
				t.Errorf("%s: %q:\n got %q\nwant %q", name, text, got, want)
			}
		}
	})
}
