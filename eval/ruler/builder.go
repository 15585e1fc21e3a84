package ruler

import (
	"fmt"
	"math/rand/v2"
	"sort"

	"pith/eval/text"
)

// builder makes the tokens of one sample. Its random numbers depend on task, seed and index alone.
type builder struct {
	Options
	random   *rand.Rand
	generate int
	err      error // of the first encoding that failed
}

func newBuilder(o Options, stream uint64) *builder {
	return &builder{Options: o, random: rand.New(rand.NewPCG(o.Seed, stream<<32|uint64(uint32(o.Index))))}
}

// ids encodes text; after an error it returns nothing, and finish reports it.
func (b *builder) ids(s string) []int32 {
	if b.err != nil || s == "" {
		return nil
	}
	var ids []int32
	ids, b.err = b.Tokens.encode(s)
	return ids
}

// sample starts a sample from its question and cue.
func (b *builder) sample(question, cue string, answers ...string) *Sample {
	if b.Plain {
		cue = " " + cue
	}
	return &Sample{Question: b.ids(question), Cue: b.ids(cue), Answers: answers, Generate: b.generate}
}

// room is the number of tokens that the context must have.
func (b *builder) room(s *Sample) int {
	return b.Length - b.Frame - len(s.Question) - len(s.Cue) - s.Generate
}

// banal is the line that fills what has no meaning of its own (RULER, appendix B).
const banal = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."

// pad returns n tokens of the banal line, cut where they end.
func (b *builder) pad(n int) []int32 {
	if n <= 0 {
		return nil
	}
	line := b.ids(banal + "\n")
	if len(line) == 0 {
		return nil
	}
	out := make([]int32, 0, n+len(line))
	for len(out) < n {
		out = append(out, line...)
	}
	return out[:n]
}

// finish makes the context: an introduction, the banal tokens that are missing to the exact length, and a body.
func (b *builder) finish(s *Sample, intro string, body []int32) (*Sample, error) {
	head := b.ids(intro)
	missing := b.room(s) - len(head) - len(body)
	if b.err != nil {
		return nil, b.err
	}
	if missing < 0 {
		return nil, fmt.Errorf("a length of %d tokens is too short by %d", b.Length, -missing)
	}
	s.Context = append(append(head, b.pad(missing)...), body...)
	return s, b.err
}

// largest finds the greatest n in [least, most] whose body fits the room beside the introduction. Bodies grow with n, but not strictly:
// what the search finds is checked.
func (b *builder) largest(s *Sample, intro string, least, most int, body func(n int) []int32) ([]int32, error) {
	room := b.room(s) - len(b.ids(intro))
	fits := func(n int) bool { return b.err != nil || len(body(n)) <= room }
	if !fits(least) {
		return nil, fmt.Errorf("a length of %d tokens is too short by %d", b.Length, len(body(least))-room)
	}
	// Doubling first: the largest body is found in encodings of about its own size.
	step := 1
	for least+step < most && fits(least+step) {
		step *= 2
	}
	lo, hi := least+step/2, min(least+step, most)
	if step == 1 {
		lo = least
	}
	n := lo + sort.Search(hi-lo, func(i int) bool { return !fits(lo + i + 1) })
	for n > least && !fits(n) {
		n--
	}
	return body(n), b.err
}

// book is the filler as tokens of one tokenizer.
type book struct {
	ids  []int32
	ends []int // indices after the last token of each sentence, ascending
}

// filler returns the book's tokens.
func (t *Tokens) filler() (*book, error) {
	t.once.Do(func() {
		k := &t.book
		if k.ids, t.err = t.encode(text.Opticks()); t.err != nil {
			return
		}
		for i := range k.ids {
			if t.endsSentence(k.ids, i) {
				k.ends = append(k.ends, i+1)
			}
		}
		if len(k.ends) == 0 || len(k.ids) == 0 {
			t.err = fmt.Errorf("the filler has %d tokens and no sentence", len(k.ids))
		}
	})
	return &t.book, t.err
}

// endsSentence reports whether a sentence ends with token i: a full stop or question mark, then a capital letter or a new line.
func (t *Tokens) endsSentence(ids []int32, i int) bool {
	piece := t.piece(ids[i])
	if n := len(piece); n == 0 || piece[n-1] != '.' && piece[n-1] != '?' {
		return false
	}
	if i+1 == len(ids) {
		return true
	}
	next := t.piece(ids[i+1])
	return len(next) > 1 && next[0] == ' ' && next[1] >= 'A' && next[1] <= 'Z' || len(next) > 0 && next[0] == '\n'
}

// Prose returns the first n tokens of the book, which begins again where it ends.
func (t *Tokens) Prose(n int) ([]int32, error) {
	k, err := t.filler()
	if err != nil {
		return nil, err
	}
	var ids []int32
	for len(ids) < n {
		ids = append(ids, k.ids[:min(len(k.ids), n-len(ids))]...)
	}
	return ids, nil
}

// prose returns n tokens of the book from a random sentence on, and the places between its sentences, the start and the end among
// them. Where the book is too short it begins again.
func (b *builder) prose(n int) (ids []int32, between []int) {
	k, err := b.Tokens.filler()
	if err != nil {
		b.err = err
		return nil, []int{0}
	}
	at := k.ends[b.random.IntN(len(k.ends))] % len(k.ids)
	ids = make([]int32, 0, n)
	between = []int{0}
	for len(ids) < n {
		part := k.ids[at:min(len(k.ids), at+n-len(ids))]
		for i := sort.SearchInts(k.ends, at+1); i < len(k.ends) && k.ends[i] <= at+len(part); i++ {
			between = append(between, len(ids)+k.ends[i]-at)
		}
		ids, at = append(ids, part...), 0
	}
	if between[len(between)-1] != n {
		between = append(between, n)
	}
	return ids, between
}

// nearest returns the element of an ascending list that is closest to x, the lower one of two.
func nearest(list []int, x float64) int {
	i := sort.Search(len(list), func(i int) bool { return float64(list[i]) >= x })
	if i == len(list) || i > 0 && x-float64(list[i-1]) <= float64(list[i])-x {
		i--
	}
	return list[i]
}
