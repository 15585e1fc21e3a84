package ruler

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// hops is the number of times that a value is passed on.
const hops = 4

// chain is a value and the variables that hold it, one after the other.
type chain struct {
	value     string
	variables []string
}

func newChain(r *rand.Rand, seen map[string]bool) chain {
	c := chain{value: digitString(r, 5)}
	for len(c.variables) <= hops {
		name := letters(r, 5, 'A')
		if !seen[name] {
			seen[name] = true
			c.variables = append(c.variables, name)
		}
	}
	return c
}

// letters is a random word of n letters from a, which is 'a' or 'A', on.
func letters(r *rand.Rand, n int, a byte) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = a + byte(r.IntN(26))
	}
	return string(b)
}

// statements are the assignments, in the order in which they must stand.
func (c chain) statements() []string {
	out := []string{fmt.Sprintf("VAR %s = %s", c.variables[0], c.value)}
	for i := 1; i < len(c.variables); i++ {
		out = append(out, fmt.Sprintf("VAR %s = VAR %s", c.variables[i], c.variables[i-1]))
	}
	return out
}

func (c chain) question() string {
	return fmt.Sprintf("\nQuestion: Find all variables that are assigned the value %s in the text above.", c.value)
}

func (c chain) cue() string {
	return fmt.Sprintf("Answer: According to the chain(s) of variable assignment in the text above, %d variables are assigned the value %s, they are:", len(c.variables), c.value)
}

// variables makes the tracking task: a solved example of a few lines, then the chain to follow.
func (b *builder) variables() (*Sample, error) {
	const intro = "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n"
	seen := map[string]bool{}
	example, asked := newChain(b.random, seen), newChain(b.random, seen)
	for asked.value == example.value {
		asked.value = digitString(b.random, 5)
	}
	var shown []string
	for _, s := range example.statements() {
		shown = append(shown, s, banal)
	}
	solved := intro + strings.Join(shown, "\n") + example.question() + " " + example.cue() + " " + strings.Join(example.variables, " ") + "\n\n"
	s := b.sample(asked.question(), asked.cue(), asked.variables...)
	body, err := b.amongLines(s, solved+intro, asked.statements(), func(int) string { return banal })
	if err != nil {
		return nil, err
	}
	return b.finish(s, solved+intro, body)
}
