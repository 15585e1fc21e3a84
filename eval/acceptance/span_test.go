package acceptance

import (
	"testing"

	"pith/engine"
	"pith/policy"
)

// spans are the mean spans of the heads of a prompt, as a share of it.
func spans(t *testing.T, e *engine.Engine, prompt []int32, epsilons ...string) []float64 {
	t.Helper()
	sums, heads := make([]float64, len(epsilons)), 0.0
	full := at("full", policy.Budget{})
	read(t, e, prompt, engine.PrefillOptions{Signals: policy.Signals{Window: 64}, Layer: func(l *policy.Layer) error {
		heads += float64(l.KVHeads)
		for i, epsilon := range epsilons {
			r, err := policy.Parse("span(epsilon=" + epsilon + ")")
			if err != nil {
				return err
			}
			profile, err := r.Allocate.(policy.Profiler).Profile(l)
			if err != nil {
				return err
			}
			for _, s := range profile {
				sums[i] += float64(s) / float64(l.Tokens)
			}
		}
		return nil
	}}, 1, full)
	full.seq.Close()
	for i := range sums {
		sums[i] /= heads
	}
	return sums
}

// The attention of a small model is diffuse: a mean span of three fifths leaves out five per cent of it, not one.
func TestSeed6SpansAreShort(t *testing.T) {
	e := real(t)
	mean := make([]float64, 2)
	for seed := range seeds {
		prompt, _, _ := window(t, e, seed, 2000, 1)
		for i, s := range spans(t, e, prompt, "0.05", "0.01") {
			mean[i] += s / float64(len(seeds))
		}
	}
	t.Logf("mean span %.1f%% of the prompt with an epsilon of 0.05, %.1f%% with 0.01", 100*mean[0], 100*mean[1])
	if mean[0] > 0.6 || mean[1] < mean[0] || mean[1] >= 1 {
		t.Errorf("mean spans %.1f%% and %.1f%% of the prompt", 100*mean[0], 100*mean[1])
	}
}
