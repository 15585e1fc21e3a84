// Package ruler makes long prompts with known answers by the recipes of RULER (Hsieh et al., RULER: What's the Real Context Size of Your
// Long-Context Language Models?, arXiv 2404.06654) and of the needle test: facts in filler, chains of variables, word counts, and
// questions about paragraphs.
//
// Guarantees. A prompt with its frame and the room to answer has exactly the length asked for, in tokens. The same options make the
// same sample on every machine. A value that answers occurs in a context as often as the task says and nowhere else. The wording of
// introductions, questions and cues is the benchmark's, so that scores can be set beside published ones; the filler is another book
// (package text), so absolute scores differ a little from those with the original essays.
//
// A sample costs a few encodings of its length.
package ruler

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
)

// A Sample is one prompt, as tokens, and what a right reply contains.
type Sample struct {
	Context  []int32 // introduction, filler and facts: what stays the same when the question changes
	Question []int32
	Cue      []int32 // first words of the reply
	Answers  []string
	Any      bool // one of the answers is enough; otherwise each counts for its share
	Generate int  // tokens of room for the reply
}

// Options say which sample to make.
type Options struct {
	Length int // tokens of the whole: frame, context, question, cue and room to answer
	Frame  int // of these, tokens that the caller puts around (chat template)
	Seed   uint64
	Index  int  // of the sample among those of a seed
	Plain  bool // no reply header stands before the cue: it follows the question, after a space

	Tokens     *Tokens
	Paragraphs *Paragraphs // of the qa tasks
}

// Tokens turns text into tokens, and holds the filler of one tokenizer. It is safe for concurrent use if its functions are.
type Tokens struct {
	encode func(text string) ([]int32, error)
	piece  func(id int32) []byte
	once   sync.Once
	book   book
	err    error
}

// NewTokens wraps a tokenizer: encode takes text that continues other text, with control tokens left as text; piece gives the bytes of
// a token.
func NewTokens(encode func(text string) ([]int32, error), piece func(id int32) []byte) *Tokens {
	return &Tokens{encode: encode, piece: piece}
}

// A kind is one task: it plans the words, and the builder makes them fit.
type kind struct {
	name     string
	generate int
	make     func(b *builder) (*Sample, error)
}

var kinds = []kind{
	{"niah_single_1", 128, func(b *builder) (*Sample, error) {
		return b.niah(niah{filler: noise, keys: 1, asked: 1, value: number})
	}},
	{"niah_single_2", 128, func(b *builder) (*Sample, error) {
		return b.niah(niah{filler: essay, keys: 1, asked: 1, value: number})
	}},
	{"niah_single_3", 128, func(b *builder) (*Sample, error) { return b.niah(niah{filler: essay, keys: 1, asked: 1, value: uuid}) }},
	{"niah_multikey_1", 128, func(b *builder) (*Sample, error) {
		return b.niah(niah{filler: essay, keys: 4, asked: 1, value: number})
	}},
	{"niah_multikey_2", 128, func(b *builder) (*Sample, error) {
		return b.niah(niah{filler: needles, keys: 1, asked: 1, value: number})
	}},
	{"niah_multikey_3", 128, func(b *builder) (*Sample, error) {
		return b.niah(niah{filler: needles, keys: 1, asked: 1, value: uuid, uuidKeys: true})
	}},
	{"niah_multivalue", 128, func(b *builder) (*Sample, error) {
		return b.niah(niah{filler: essay, keys: 1, asked: 1, values: 4, value: number})
	}},
	{"niah_multiquery", 128, func(b *builder) (*Sample, error) {
		return b.niah(niah{filler: essay, keys: 4, asked: 4, value: number})
	}},
	{"vt", 30, (*builder).variables},
	{"cwe", 120, (*builder).commonWords},
	{"fwe", 50, (*builder).frequentWords},
	{"qa_1", 32, (*builder).questions},
	{"qa_2", 32, (*builder).questions},
}

// Tasks returns the names of RULER's thirteen tasks.
func Tasks() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return names
}

// NeedsParagraphs reports whether a task is made from paragraphs that the caller brings.
func NeedsParagraphs(task string) bool { return strings.HasPrefix(task, "qa_") }

// Make makes one sample of a task.
func Make(task string, o Options) (*Sample, error) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == task })
	if i < 0 {
		return nil, fmt.Errorf("ruler: there is no task %q; tasks are %s", task, strings.Join(Tasks(), ", "))
	}
	if NeedsParagraphs(task) && o.Paragraphs == nil {
		return nil, fmt.Errorf("ruler: %s is made from paragraphs, none are given", task)
	}
	b := newBuilder(o, uint64(i))
	b.generate = kinds[i].generate
	s, err := kinds[i].make(b)
	if err != nil {
		return nil, fmt.Errorf("ruler: %s: %w", task, err)
	}
	return s, nil
}

// Needle makes a prompt with one number of so many digits at a depth, the share of the filler that stands before it.
func Needle(depth float64, digits int, o Options) (*Sample, error) {
	if depth < 0 || depth > 1 || digits < 1 || digits > 1000 {
		return nil, fmt.Errorf("ruler: a needle of %d digits at depth %g; want 1 to 1000 digits and a depth of 0 to 1", digits, depth)
	}
	b := newBuilder(o, 1000+uint64(digits))
	b.generate = max(128, digits+digits/2+32)
	s, err := b.niah(niah{filler: essay, keys: 1, asked: 1, value: func(r *rand.Rand) string { return digitString(r, digits) }, depths: []float64{depth}})
	if err != nil {
		return nil, fmt.Errorf("ruler: needle: %w", err)
	}
	return s, nil
}

// Score is the share of the answers that a reply contains, letters of either case; with Any, whether it contains one.
func (s *Sample) Score(reply string) float64 {
	reply = strings.ToLower(reply)
	hits := 0
	for _, a := range s.Answers {
		if strings.Contains(reply, strings.ToLower(a)) {
			hits++
		}
	}
	if s.Any {
		return float64(min(hits, 1))
	}
	return float64(hits) / float64(len(s.Answers))
}
