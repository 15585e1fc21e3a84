package ruler

import (
	"fmt"
	"strings"
)

// A Fact is a context that hides one number and what is asked about it, in tokens. Question, cue and answer are apart, so that the
// answer can be teacher-forced: the cue ends where the number begins, with the space before it where that is a token of its own.
type Fact struct {
	Context, Question, Cue, Answer []int32
}

// Hide makes a fact with a number of so many digits at a depth. Length is that of the context, with the Frame tokens that the caller
// puts before it; question, cue and answer come on top.
func Hide(depth float64, digits int, o Options) (*Fact, error) {
	if depth < 0 || depth > 1 || digits < 1 || digits > 1000 {
		return nil, fmt.Errorf("ruler: a fact of %d digits at depth %g; want 1 to 1000 digits and a depth of 0 to 1", digits, depth)
	}
	b := newBuilder(o, 3000+uint64(digits))
	key, value := randomKey(b.random), digitString(b.random, digits)
	s, err := b.inProse(&Sample{},
		"Some special magic numbers are hidden within the following text. Make sure to memorize it. I will quiz you about the numbers afterwards.\n",
		[]string{fact{key, value}.sentence("numbers")}, []float64{depth})
	if err != nil {
		return nil, fmt.Errorf("ruler: fact: %w", err)
	}
	f := &Fact{Context: s.Context, Question: b.ids(fmt.Sprintf("\nWhat is the special magic number for %s mentioned in the provided text?", key))}
	cue := fmt.Sprintf("The special magic number for %s is: ", key)
	if b.Plain {
		cue = " " + cue
	}
	all := b.ids(cue + value)
	if b.err != nil {
		return nil, fmt.Errorf("ruler: fact: %w", b.err)
	}
	at, tail := len(all), ""
	for at > 0 && !strings.HasSuffix(tail, value) {
		at--
		tail = string(b.Tokens.piece(all[at])) + tail
	}
	f.Cue, f.Answer = all[:at], all[at:]
	return f, nil
}
