package acceptance

import (
	"context"
	"math"
	"reflect"
	"testing"

	"pith/engine"
	"pith/eval"
	"pith/policy"
)

// The classes of "Key, Value, Compress" are the fields of policy.Parts: each has a method, and what does not ask the same question goes together.
func TestSeed4EveryClassOfTheTaxonomyHasAMethod(t *testing.T) {
	given := map[string]string{}
	for _, m := range policy.Methods() {
		parts, err := m.Parts()
		if err != nil {
			t.Fatalf("%s: %v", m.Name, err)
		}
		v := reflect.ValueOf(parts)
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				given[v.Type().Field(i).Name] = m.Name
			}
		}
	}
	for class, parts := range map[string][]string{
		"select tokens": {"Score", "Select"}, "allocate budgets": {"Allocate"}, "reduce precision": {"Store"}, "reduce channels": {"Thin"},
		"merge": {"Rest"}, "retrieve sparsely": {"Read"}, "propagate": {"Propagate"}, "decide again": {"When"}, "yield": {"Yield"},
	} {
		for _, part := range parts {
			if given[part] == "" {
				t.Errorf("%s: no method answers %s", class, part)
			}
		}
	}
	if policy.Lookup("gate") == nil || policy.Lookup("kvzap") == nil {
		t.Error("learn: no learnt score")
	}
}

// One run says bytes, time to the first token, time of a token, the change of log-likelihood, KL and needles of every recipe.
func TestSeed4OneHarnessMeasuresEverything(t *testing.T) {
	e := real(t)
	cases, err := eval.Cases([]string{"snapkv(window=16)+think(lambda=0.25)+q8"}, []string{"50%"}, "")
	if err != nil {
		t.Fatal(err)
	}
	g, err := eval.NewGenerator(e, 1)
	if err != nil {
		t.Fatal(err)
	}
	prompt, feed, _ := window(t, e, 0, 300, 9)
	rows := map[string]eval.Row{}
	r := &eval.Runner{Engine: e, Cases: cases, Origin: eval.Origin{Model: "SmolLM2"}, Emit: func(r eval.Row) error { rows[r.Task] = r; return nil }}
	err = r.Run(context.Background(), eval.Fidelity{Windows: []eval.Window{{Context: prompt, Continuation: feed}}},
		eval.Answering{Task: eval.TaskNIAH, Modes: []string{eval.Visible}, Samples: g.NIAH([]int{400}, []float64{0.5}, []int{7}, 1)})
	if err != nil {
		t.Fatal(err)
	}
	fidelity, needle := rows[eval.TaskFidelity], rows[eval.TaskNIAH]
	if fidelity.KLMean == nil || fidelity.DNLL == nil || fidelity.KVBytes <= 0 || fidelity.KVBytes >= fidelity.FullBytes || fidelity.FirstToken <= 0 ||
		fidelity.TokensPerSecond <= 0 || needle.Score == nil || needle.KVBytes <= 0 {
		t.Errorf("a figure is missing: %+v, %+v", fidelity, needle)
	}
}

// Selecting, quantising and dropping channels save independently: the ratio of the composition is the product of the parts' to two per cent.
func TestSeed4SavingsMultiply(t *testing.T) {
	e := real(t)
	prompt, _, _ := window(t, e, 0, 2000, 1)
	whole := []*cell{at("f16", policy.Budget{}), at("streamingllm", percent(50)), at("q8", policy.Budget{}), at("think(lambda=0.5)", policy.Budget{}),
		at("streamingllm+q8", percent(50)), at("streamingllm+think(lambda=0.5)", percent(50)), at("think(lambda=0.5)+q8", policy.Budget{}),
		at("streamingllm+think(lambda=0.5)+q8", percent(50))}
	read(t, e, prompt, engine.PrefillOptions{}, 1, whole...)
	ratio := map[string]float64{}
	for _, c := range whole {
		ratio[c.spec] = float64(whole[0].seq.Bytes()) / float64(c.seq.Bytes())
	}
	for spec, parts := range map[string][]string{
		"streamingllm+q8": {"streamingllm", "q8"}, "streamingllm+think(lambda=0.5)": {"streamingllm", "think(lambda=0.5)"},
		"think(lambda=0.5)+q8": {"think(lambda=0.5)", "q8"}, "streamingllm+think(lambda=0.5)+q8": {"streamingllm", "think(lambda=0.5)", "q8"},
	} {
		product := 1.0
		for _, p := range parts {
			product *= ratio[p]
		}
		t.Logf("%s: %.3f times smaller, the product of the parts is %.3f", spec, ratio[spec], product)
		if math.Abs(ratio[spec]/product-1) > 0.02 {
			t.Errorf("%s: %.3f times smaller, the product of the parts is %.3f", spec, ratio[spec], product)
		}
	}
}
