package ruler

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// What a needle is hidden in.
const (
	noise   = iota // one banal line, again and again
	essay          // a book
	needles        // other needles
)

// niah says how a needle task is made.
type niah struct {
	filler   int
	keys     int // needles with different keys
	values   int // of each key; 0: 1
	asked    int // of the keys
	value    func(r *rand.Rand) string
	uuidKeys bool
	depths   []float64 // of the needles; nil: random
}

// fact is one needle.
type fact struct{ key, value string }

func (f fact) sentence(kind string) string {
	return fmt.Sprintf("One of the special magic %s for %s is: %s.", kind, f.key, f.value)
}

// number is a value of seven digits.
func number(r *rand.Rand) string { return digitString(r, 7) }

// digitString is a number of so many digits that does not begin with 0.
func digitString(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + r.IntN(10))
	}
	b[0] = byte('1' + r.IntN(9))
	return string(b)
}

// uuid is a random UUID (RFC 9562, version 4).
func uuid(r *rand.Rand) string {
	hi, lo := r.Uint64(), r.Uint64()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&(1<<48-1))
}

// facts draws needles whose keys and values all differ.
func (b *builder) facts(t niah, n, values int, seen map[string]bool) []fact {
	fresh := func(draw func() string) string {
		for {
			if s := draw(); !seen[s] {
				seen[s] = true
				return s
			}
		}
	}
	var list []fact
	for range n {
		key := fresh(func() string {
			if t.uuidKeys {
				return uuid(b.random)
			}
			return randomKey(b.random)
		})
		for range values {
			list = append(list, fact{key, fresh(func() string { return t.value(b.random) })})
		}
	}
	return list
}

// niah makes a needle task.
func (b *builder) niah(t niah) (*Sample, error) {
	values := max(t.values, 1)
	seen := map[string]bool{}
	facts := b.facts(t, t.keys, values, seen)
	sort := "numbers"
	if len(facts[0].value) == 36 && strings.Count(facts[0].value, "-") == 4 {
		sort = "uuids"
	}
	var asked []string
	var answers []string
	for i := 0; i < t.asked*values; i += values {
		asked = append(asked, facts[i].key)
		for _, f := range facts[i : i+values] {
			answers = append(answers, f.value)
		}
	}
	intro := fmt.Sprintf("Some special magic %s are hidden within the following text. Make sure to memorize it. I will quiz you about the %[1]s afterwards.\n", sort)
	question := fmt.Sprintf("\nWhat are all the special magic %s for %s mentioned in the provided text?", sort, list(asked))
	cue := fmt.Sprintf("The special magic %s for %s mentioned in the provided text are", sort, list(asked))
	if len(answers) == 1 {
		one := strings.TrimSuffix(sort, "s")
		intro = fmt.Sprintf("A special magic %s is hidden within the following text. Make sure to memorize it. I will quiz you about the %[1]s afterwards.\n", one)
		question = fmt.Sprintf("\nWhat is the special magic %s for %s mentioned in the provided text?", one, asked[0])
		cue = fmt.Sprintf("The special magic %s for %s mentioned in the provided text is", one, asked[0])
	}
	s := b.sample(question, cue, answers...)
	b.random.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
	sentences := make([]string, len(facts))
	for i, f := range facts {
		sentences[i] = f.sentence(sort)
	}
	if t.filler == essay {
		return b.inProse(s, intro, sentences, t.depths)
	}
	line := func(i int) string { return banal }
	if t.filler == needles {
		var others []string
		line = func(i int) string {
			for len(others) <= i {
				others = append(others, b.facts(t, 1, 1, seen)[0].sentence(sort))
			}
			return others[i]
		}
	}
	body, err := b.amongLines(s, intro, sentences, line)
	if err != nil {
		return nil, err
	}
	return b.finish(s, intro, body)
}

// list writes "a, b, and c".
func list(words []string) string {
	n := len(words)
	if n == 1 {
		return words[0]
	}
	return strings.Join(words[:n-1], ", ") + ", and " + words[n-1]
}

// depthSteps is the number of evenly spaced depths from which those of several needles are drawn, all different.
const depthSteps = 40

// inProse puts sentences between those of the book. The number of tokens is exact without padding.
func (b *builder) inProse(s *Sample, intro string, sentences []string, depths []float64) (*Sample, error) {
	if depths == nil {
		for _, d := range b.random.Perm(depthSteps)[:len(sentences)] {
			depths = append(depths, float64(d)/(depthSteps-1))
		}
		slices.Sort(depths)
	}
	head := b.ids(intro)
	facts, n := make([][]int32, len(sentences)), b.room(s)-len(head)
	for i, sentence := range sentences {
		facts[i] = b.ids(" " + sentence)
		n -= len(facts[i])
	}
	if b.err != nil {
		return nil, b.err
	}
	if n < 1 {
		return nil, fmt.Errorf("a length of %d tokens is too short by %d", b.Length, 1-n)
	}
	prose, between := b.prose(n)
	if b.err != nil {
		return nil, b.err
	}
	s.Context = head
	at := 0
	for i, fact := range facts {
		to := max(at, nearest(between, depths[i]*float64(n)))
		s.Context = append(append(s.Context, prose[at:to]...), fact...)
		at = to
	}
	s.Context = append(s.Context, prose[at:]...)
	return s, b.err
}

// amongLines puts sentences at random places among as many lines as fit. The places are drawn once, as shares, so that bodies of
// different sizes are alike.
func (b *builder) amongLines(s *Sample, intro string, sentences []string, line func(i int) string) ([]int32, error) {
	places := make([]float64, len(sentences))
	for i := range places {
		places[i] = b.random.Float64()
	}
	slices.Sort(places)
	return b.largest(s, intro, 1, b.Length, func(n int) []int32 {
		var lines []string
		next := 0
		for i := range n + 1 {
			for next < len(sentences) && int(places[next]*float64(n+1)) <= i {
				lines = append(lines, sentences[next])
				next++
			}
			if i < n {
				lines = append(lines, line(i))
			}
		}
		return b.ids(strings.Join(lines, "\n"))
	})
}
