package metric

import "strings"

// RougeL is the F-measure of summary-level ROUGE-L (Lin, ROUGE: A Package for Automatic Evaluation of Summaries, 2004, section 3.2), on
// sets of words: precision and recall are the words in the union of the longest common subsequences of every pair of sentences, as
// shares of the different words of either text. An empty text scores 0. Cost: the product of the texts' lengths in words.
func RougeL(prediction, truth string) float64 {
	return rougeL(sentences(prediction, fields), sentences(truth, fields))
}

// RougeLCharacters is RougeL for text without spaces, of characters. Sentences end with a full stop of ASCII alone, as words do there.
func RougeLCharacters(prediction, truth string) float64 {
	cut := func(s string) []string {
		var out []string
		for _, r := range s {
			if !space(r) {
				out = append(out, string(r))
			}
		}
		return out
	}
	return rougeL(sentences(prediction, cut), sentences(truth, cut))
}

// sentences cuts text at full stops. A sentence of white space alone is one empty word.
func sentences(s string, words func(string) []string) [][]string {
	var out [][]string
	for part := range strings.SplitSeq(s, ".") {
		if part == "" {
			continue
		}
		w := words(part)
		if len(w) == 0 {
			w = []string{""}
		}
		out = append(out, w)
	}
	return out
}

func rougeL(got, want [][]string) float64 {
	if len(got) == 0 || len(want) == 0 {
		return 0
	}
	union := map[string]bool{}
	for _, w := range want {
		for _, g := range got {
			commonWords(union, w, g)
		}
	}
	common := float64(len(union))
	recall, precision := common/distinct(want), common/distinct(got)
	return 2 * (precision * recall) / (precision + recall + 1e-8)
}

func distinct(sentences [][]string) float64 {
	seen := map[string]bool{}
	for _, s := range sentences {
		for _, w := range s {
			seen[w] = true
		}
	}
	return float64(len(seen))
}

// commonWords adds the words of one longest common subsequence of x and y: of several the one that a walk back from the ends finds
// which, where both neighbours are as long, drops a word of y.
func commonWords(into map[string]bool, x, y []string) {
	width := len(y) + 1
	table := make([]int32, (len(x)+1)*width)
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			if x[i-1] == y[j-1] {
				table[i*width+j] = table[(i-1)*width+j-1] + 1
			} else {
				table[i*width+j] = max(table[(i-1)*width+j], table[i*width+j-1])
			}
		}
	}
	for i, j := len(x), len(y); i > 0 && j > 0; {
		switch {
		case x[i-1] == y[j-1]:
			into[x[i-1]] = true
			i, j = i-1, j-1
		case table[(i-1)*width+j] > table[i*width+j-1]:
			i--
		default:
			j--
		}
	}
}
