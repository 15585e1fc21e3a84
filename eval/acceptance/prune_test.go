package acceptance

import (
	"testing"

	"pith/engine"
	"pith/policy"
)

// Half of the entries in 4 bits, scales, positions and the ends of pages counted.
func TestSeed9PruningTimesFourBits(t *testing.T) {
	e := real(t)
	prompt, _, _ := window(t, e, 0, 2000, 1)
	full, both := at("f16", policy.Budget{}), at("streamingllm+q4", percent(50))
	read(t, e, prompt, engine.PrefillOptions{}, 1, full, both)
	ratio := float64(full.seq.Bytes()) / float64(both.seq.Bytes())
	t.Logf("%.2f times smaller", ratio)
	if ratio < 6.4 || ratio > 7 {
		t.Errorf("%.2f times smaller", ratio)
	}
}
