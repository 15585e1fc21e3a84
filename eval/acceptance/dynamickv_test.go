package acceptance

import (
	"math"
	"os"
	"testing"

	"pith/engine"
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
	source, err := os.ReadFile("../../engine/prefill.go")
	if err != nil {
		t.Fatal(err)
	}
	prose, err := os.ReadFile("../../docs/texts/harbour.txt")
	if err != nil {
		t.Fatal(err)
	}
	prompts := [][]int32{tokens(t, e, string(source), 300, n), tokens(t, e, string(prose), 0, n)}
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
