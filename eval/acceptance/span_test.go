package acceptance

import (
	"sync"
	"testing"

	"pith/engine"
	"pith/policy"
)

// spans are the mean spans of the heads of prompts, as a share of their length, for two allowances.
type spans struct {
	sums  [2]float64
	heads float64
}

var epsilons = [2]string{"0.05", "0.01"}

// look adds the heads of one layer.
func (s *spans) look(t *testing.T, l *policy.Layer) {
	t.Helper()
	s.heads += float64(l.KVHeads)
	for i, epsilon := range epsilons {
		r, err := policy.Parse("span(epsilon=" + epsilon + ")")
		if err != nil {
			t.Fatal(err)
		}
		profile, err := r.Allocate.(policy.Profiler).Profile(l)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range profile {
			s.sums[i] += float64(n) / float64(l.Tokens)
		}
	}
}

// means logs and returns the mean spans with 5% and with 1% left out.
func (s *spans) means(t *testing.T) (five, one float64) {
	t.Helper()
	five, one = s.sums[0]/s.heads, s.sums[1]/s.heads
	t.Logf("mean span %.1f%% of the prompt with an epsilon of %s, %.1f%% with %s", 100*five, epsilons[0], 100*one, epsilons[1])
	return five, one
}

// lookAt reads a window of n tokens and shows every layer to look.
func lookAt(t *testing.T, seed, n int, look func(*policy.Layer)) {
	t.Helper()
	e := real(t)
	prompt, _, _ := window(t, e, seed, n, 1)
	full := at("full", policy.Budget{})
	read(t, e, prompt, engine.PrefillOptions{Signals: policy.Signals{Window: 64}, Layer: func(l *policy.Layer) error {
		look(l)
		return nil
	}}, 1, full)
	full.seq.Close()
}

// long is what two tests want to know of windows of 8,000 tokens, which take a while to read.
type long struct {
	spans spans
	reach [2]reach
}

var longOnce struct {
	sync.Once
	long
}

// readLong reads the three windows once.
func readLong(t *testing.T) *long {
	t.Helper()
	real(t) // leaves the test out where there is no model
	longOnce.Do(func() {
		longOnce.reach[0].spec, longOnce.reach[1].spec = "hierarchy(pages=8)", "sketch"
		for seed := range seeds {
			lookAt(t, seed, 8000, func(l *policy.Layer) {
				longOnce.spans.look(t, l)
				reachAll(t, l, []*reach{&longOnce.reach[0], &longOnce.reach[1]})
			})
		}
	})
	return &longOnce.long
}

// In 2,000 tokens the attention of a small model is diffuse: a mean span of three fifths leaves out five per cent of it, not one.
func TestSeed6SpansAreShort(t *testing.T) {
	var s spans
	for seed := range seeds {
		lookAt(t, seed, 2000, func(l *policy.Layer) { s.look(t, l) })
	}
	if five, one := s.means(t); five > 0.6 || one < five || one >= 1 {
		t.Errorf("mean spans %.1f%% and %.1f%% of the prompt", 100*five, 100*one)
	}
}

// In 8,000 tokens three fifths leave out less than one per cent.
func TestSeed6SpansOfALongContextAreShort(t *testing.T) {
	if _, one := readLong(t).spans.means(t); one > 0.6 {
		t.Errorf("mean span %.1f%% of the prompt", 100*one)
	}
}
