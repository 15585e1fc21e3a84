package ruler

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"pith/eval/text"
)

// common is the number of words that appear more often than the others.
const common = 10

// wordList is a shuffled list of different words, as many as wanted: words of the book, then pairs of them.
func wordList(r *rand.Rand) func(n int) []string {
	words := append([]string(nil), text.Words()...)
	r.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	single := len(words)
	seen := map[string]bool{}
	return func(n int) []string {
		for len(words) < n {
			pair := words[r.IntN(single)] + "-" + words[r.IntN(single)]
			if !seen[pair] {
				seen[pair] = true
				words = append(words, pair)
			}
		}
		return words[:n]
	}
}

// numbered is a numbered list in random order, each frequent word so many times and each other word so many times.
func numbered(r *rand.Rand, words []string, often, seldom int) string {
	var all []string
	for i, w := range words {
		times := seldom
		if i < common {
			times = often
		}
		for range times {
			all = append(all, w)
		}
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var b strings.Builder
	for i, w := range all {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%d. %s", i+1, w)
	}
	return b.String()
}

// answerList writes the answer of the solved example.
func answerList(words []string) string {
	var b strings.Builder
	for i, w := range words {
		fmt.Fprintf(&b, " %d. %s", i+1, w)
	}
	return b.String()
}

// shortList is the length in tokens below which words are repeated less.
const shortList = 4096

// commonWords makes the task of counting words in a list: ten appear often, all others seldom. One example is solved first.
func (b *builder) commonWords() (*Sample, error) {
	const intro = "Below is a numbered list of words. In these words, some appear more often than others. Memorize the ones that appear most often.\n"
	const question = "\nQuestion: What are the 10 most common words in the above list?"
	const cue = "Answer: The top 10 words that appear most often in the list are:"
	often, seldom := 30, 3
	if b.Length < shortList {
		often, seldom = 6, 1
	}
	words := wordList(b.random)
	example := words(2 * common)
	solved := intro + numbered(b.random, example, 3, 1) + question + " " + cue + answerList(example[:common]) + "\n\n"
	asked := func(n int) []string { return words(2*common + n)[2*common:] }
	order := b.random.Uint64()
	s := b.sample(question, cue, append([]string(nil), asked(common)...)...)
	body, err := b.largest(s, solved+intro, common+1, b.Length, func(n int) []int32 {
		return b.ids(numbered(rand.New(rand.NewPCG(order, uint64(n))), asked(n), often, seldom))
	})
	if err != nil {
		return nil, err
	}
	return b.finish(s, solved+intro, body)
}

// zipf is the exponent by which the frequency of coded words falls with their rank.
const zipf = 2.0

// frequentWords makes the task of counting coded words: random letters whose frequencies follow Zipf's law. The most frequent one is
// replaced by dots; the next three are asked for.
func (b *builder) frequentWords() (*Sample, error) {
	const intro = "Read the following coded text and track the frequency of each coded word. Find the three most frequently appeared coded words. "
	const question = "\nQuestion: Do not provide any explanation. Please ignore the dots '....'. What are the three most frequently appeared words in the above coded text?"
	const cue = "Answer: According to the coded text above, the three most frequently appeared words are:"
	vocabulary := make([]string, max(b.Length/50, 8))
	seen := map[string]bool{}
	for i := range vocabulary {
		for vocabulary[i] == "" || seen[vocabulary[i]] {
			vocabulary[i] = letters(b.random, 6, 'a')
		}
		seen[vocabulary[i]] = true
	}
	var sum float64
	for i := range vocabulary {
		sum += math.Pow(float64(i+1), -zipf)
	}
	answers := append([]string(nil), vocabulary[1:4]...)
	vocabulary[0] = "...."
	order := b.random.Uint64()
	s := b.sample(question, cue, answers...)
	// From 400 words on the ranks asked for differ in count from each other and from the next one, however they are rounded.
	body, err := b.largest(s, intro, 200, b.Length, func(n int) []int32 {
		var all []string
		for i, w := range vocabulary {
			for range int(float64(n) * math.Pow(float64(i+1), -zipf) / sum) {
				all = append(all, w)
			}
		}
		r := rand.New(rand.NewPCG(order, uint64(n)))
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		return b.ids(strings.Join(all, " "))
	})
	if err != nil {
		return nil, err
	}
	return b.finish(s, intro, body)
}
