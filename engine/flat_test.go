package engine_test

import (
	"context"
	"testing"

	"pith/engine"
	"pith/policy"
)

// Cut every few steps and stored in 4 bits, a cache holds what it held after the first tokens, 16,384 generated ones later: groups that lose entries
// do not pile up.
func TestPruningInFourBitsHoldsMemoryFlatOver16KTokens(t *testing.T) {
	const budget, generated = 256, 16384
	e := open(t, "llama-tied-f32", engine.Options{Threads: 1})
	for _, spec := range []string{"tova+every(steps=16)+q4", "h2o+every(steps=64)+q4", "knorm(sinks=4,recent=64)+every(steps=64)+q4"} {
		s, err := e.NewSequence(recipe(t, spec), policy.Budget{Keep: policy.Entries(budget)}, e.Config().Context)
		if err != nil {
			t.Fatal(err)
		}
		s.Stretch(512 + generated + 1)
		p, err := e.NewPrefill(prompt(512, 1), engine.PrefillOptions{Compress: true}, s)
		if err == nil {
			err = p.Run(context.Background())
		}
		if err != nil {
			t.Fatal(err)
		}
		var early, late int64 // most bytes in the first and in the last 2,048 tokens
		for i := range generated {
			if err := e.Step([]*engine.Sequence{s}, []int32{int32(i*i+7*i) % 300}); err != nil {
				t.Fatal(err)
			}
			if i < 2048 {
				early = max(early, s.Bytes())
			} else if i >= generated-2048 {
				late = max(late, s.Bytes())
			}
		}
		s.Close()
		t.Logf("%s: at most %d KiB in the first 2,048 tokens, %d KiB in the last", spec, early>>10, late>>10)
		if late > early {
			t.Errorf("%s: %d bytes in the first 2,048 tokens, %d in the last of %d", spec, early, late, generated)
		}
	}
}
