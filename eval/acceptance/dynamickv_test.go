package acceptance

import (
	"math"
	"strings"
	"testing"

	"pith/engine"
	"pith/eval/text"
)

// budgets are the entries that each layer keeps under DynamicKV, of all heads together.
func budgets(t *testing.T, e *engine.Engine, prompt []int32, base int) []int {
	t.Helper()
	c := at("dynamickv", entries(base))
	read(t, e, prompt, engine.PrefillOptions{}, 1, c)
	defer c.seq.Close()
	per := make([]int, e.Config().Layers)
	for l := range per {
		for h := range e.Config().KVHeads {
			kept := c.seq.Positions(l, h)
			for i, p := range kept {
				if i > 0 && p <= kept[i-1] {
					t.Fatalf("layer %d head %d: position %d comes after %d", l, h, p, kept[i-1])
				}
			}
			per[l] += len(kept)
		}
	}
	return per
}

func TestSeed2DynamicKVFollowsThePromptAndSpendsItsBudgetExactly(t *testing.T) {
	const n, base = 700, 96
	e := real(t)
	var prompts [][]int32
	for _, begin := range []string{"func (e *Engine) NewPrefill(", "THE HARBOUR BOOK OF SKERROW"} { // of the embedded mixture, so that neither ever changes
		_, piece, found := strings.Cut(text.Mixture(), begin)
		if !found {
			t.Fatalf("the mixture has no piece that begins with %q", begin)
		}
		prompts = append(prompts, tokens(t, e, begin+piece, 0, n))
	}
	var per [2][]int
	for i, prompt := range prompts {
		total := 0
		per[i] = budgets(t, e, prompt, base)
		for _, b := range per[i] {
			total += b
		}
		if want := base * e.Config().Layers * e.Config().KVHeads; total != want {
			t.Errorf("prompt %d keeps %d entries, the budget is %d", i, total, want)
		}
	}
	var distance, total float64
	for l := range per[0] {
		distance += math.Abs(float64(per[0][l] - per[1][l]))
		total += float64(per[0][l])
	}
	t.Logf("code and prose differ in %.1f%% of the budget", 100*distance/total)
	if distance < 0.05*total {
		t.Errorf("code gets %v, prose %v", per[0], per[1])
	}
}
