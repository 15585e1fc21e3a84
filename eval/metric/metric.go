// Package metric scores replies against answers by the rules of LongBench (Bai et al., LongBench: A Bilingual, Multitask Benchmark for
// Long Context Understanding, arXiv 2308.14508, table 1), so that scores can be set beside published ones.
//
// What a rule says includes the habits of the libraries that the benchmark uses, because scores depend on them: rouge 1.0.1 counts sets
// of words over sentences cut at full stops, and fuzzywuzzy 0.18 rounds the ratio of Python's difflib to whole percents. Texts in
// Chinese are cut into words by a dictionary there and into characters here, which gives other figures.
//
// All scores lie between 0 and 1.
package metric

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// F1 is the harmonic mean of precision and recall of words, after letters are made small and punctuation and articles taken out.
func F1(prediction, truth string) float64 { return f1(normalised(prediction), normalised(truth)) }

// F1Characters is F1 for text without spaces: of characters other than punctuation.
func F1Characters(prediction, truth string) float64 {
	return f1(characters(prediction), characters(truth))
}

func f1(got, want []string) float64 {
	count := map[string]int{}
	for _, w := range want {
		count[w]++
	}
	same := 0
	for _, w := range got {
		if count[w] > 0 {
			count[w]--
			same++
		}
	}
	if same == 0 {
		return 0
	}
	precision, recall := float64(same)/float64(len(got)), float64(same)/float64(len(want))
	return 2 * precision * recall / (precision + recall)
}

// asciiPunctuation is what Python's string.punctuation holds.
const asciiPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// fullPunctuation is what is taken out of Chinese text beside it.
const fullPunctuation = "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏."

// normalised cuts text into words for F1.
func normalised(s string) []string {
	s = lower(s)
	s = strings.Map(func(r rune) rune {
		if r < 0x80 && strings.ContainsRune(asciiPunctuation, r) {
			return -1
		}
		return r
	}, s)
	return fields(withoutArticles(s))
}

// withoutArticles puts a space for each word that is an article. A word is a run of letters, digits and underscores: a combining mark
// ends it.
func withoutArticles(s string) string {
	var out strings.Builder
	flush := func(word string) {
		if word == "a" || word == "an" || word == "the" {
			word = " "
		}
		out.WriteString(word)
	}
	start := -1
	for i, r := range s {
		inWord := unicode.IsLetter(r) || unicode.IsNumber(r) || r == '_'
		if inWord && start < 0 {
			start = i
		}
		if !inWord {
			if start >= 0 {
				flush(s[start:i])
				start = -1
			}
			out.WriteString(string(r))
		}
	}
	if start >= 0 {
		flush(s[start:])
	}
	return out.String()
}

// characters cuts text into characters for scores of Chinese.
func characters(s string) []string {
	var out []string
	for _, r := range lower(s) {
		if !space(r) && !strings.ContainsRune(asciiPunctuation, r) && !strings.ContainsRune(fullPunctuation, r) {
			out = append(out, string(r))
		}
	}
	return out
}

// lower is Python's str.lower: Go's, and the two letters that it treats otherwise.
func lower(s string) string {
	if !strings.ContainsAny(s, "İΣ") {
		return strings.ToLower(s)
	}
	runes := []rune(s)
	var out strings.Builder
	for i, r := range runes {
		switch {
		case r == 'İ':
			out.WriteString("i̇")
		case r == 'Σ' && cased(runes, i, -1) && !cased(runes, i, 1):
			out.WriteRune('ς')
		default:
			out.WriteRune(unicode.ToLower(r))
		}
	}
	return out.String()
}

// cased reports whether a letter with case stands before or after position i, marks and the like aside (Unicode, table 3-17).
func cased(runes []rune, i, step int) bool {
	for i += step; i >= 0 && i < len(runes); i += step {
		r := runes[i]
		if unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r) {
			return true
		}
		if !unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) && !strings.ContainsRune("'.:·’", r) {
			return false
		}
	}
	return false
}

// space is Python's str.isspace: Go's, and the four separators among the control characters.
func space(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func fields(s string) []string { return strings.FieldsFunc(s, space) }

// Classification is the share that the right class has among the classes that the prediction names. Names that are part of the right
// one's do not count, except that one is overlooked after each that is struck off: that is how the benchmark counts.
func Classification(prediction, truth string, classes []string) float64 {
	var named []string
	for _, c := range classes {
		if strings.Contains(prediction, c) {
			named = append(named, c)
		}
	}
	for i := 0; i < len(named); i++ {
		if named[i] != truth && strings.Contains(truth, named[i]) {
			first := slices.Index(named, named[i])
			named = slices.Delete(named, first, first+1)
		}
	}
	if !slices.Contains(named, truth) {
		return 0
	}
	return 1 / float64(len(named))
}

var digits = regexp.MustCompile(`\p{Nd}+`)

// Count is the share of the numbers in the prediction that are the right one.
func Count(prediction, truth string) float64 {
	numbers := digits.FindAllString(prediction, -1)
	right := 0
	for _, n := range numbers {
		if n == truth {
			right++
		}
	}
	if right == 0 {
		return 0
	}
	return float64(right) / float64(len(numbers))
}

var paragraph = regexp.MustCompile(`(?:Paragraph |段落)(\p{Nd}+)`)

// Retrieval is Count for an answer such as "Paragraph 7" or "段落7". An answer without a number scores 0.
func Retrieval(prediction, truth string) float64 {
	m := paragraph.FindStringSubmatch(truth)
	if m == nil {
		return 0
	}
	return Count(prediction, m[1])
}

// EditSimilarity compares the first line of code in the prediction, one without a comment or a fence, with the answer.
func EditSimilarity(prediction, truth string) float64 {
	code := ""
	for line := range strings.SplitSeq(strings.TrimLeft(prediction, "\n"), "\n") {
		if !strings.Contains(line, "`") && !strings.Contains(line, "#") && !strings.Contains(line, "//") {
			code = line
			break
		}
	}
	return ratio(code, truth)
}

// FirstLine is what counts of a reply in tasks that are shown by examples.
func FirstLine(reply string) string {
	line, _, _ := strings.Cut(strings.TrimLeft(reply, "\n"), "\n")
	return line
}
