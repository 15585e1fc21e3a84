package method

import (
	"fmt"

	"pith/kvcache"
	"pith/policy"
)

// stores are the precisions in which a whole lane can lie. Below 8 bits keys are quantised per channel over groups of tokens and values
// per token, as KIVI does (arXiv 2402.02750, section 3): some families have key channels that would ruin per-token groups. Tokens that
// are generated on top wait in f16 until they fill a group.
var stores = []struct{ name, title, good, bad string }{
	{"f32", "f32 storage", "exact; the default with --exact", "twice the bytes of f16"},
	{"f16", "f16 storage", "the default: indistinguishable from f32 in practice", "half a megabyte and more per hundred tokens on large models"},
	{"bf16", "bf16 storage", "models whose keys overflow f16", "three digits of precision less than f16"},
	{"q8", "8-bit storage", "half the bytes of f16 at hardly measurable loss", "per-token scales cost 6%"},
	{"q4", "4-bit storage", "a quarter of the bytes; with eviction the best trade at 10% and below", "visible loss on models with few KV heads"},
	{"q3", "3-bit storage", "pays off only at the smallest budgets", "clear loss elsewhere"},
	{"q2", "2-bit storage", "the fewest bytes per entry", "without rotation too coarse for small models"},
}

func init() {
	for _, s := range stores {
		policy.Register(policy.Method{
			Name: s.name, Title: s.title, Good: s.good, Bad: s.bad,
			Paper: "storage of keys and values; below 8 bits after Liu et al., KIVI, arXiv 2402.02750, section 3",
			Params: []policy.Param{
				{Name: "values", Default: s.name, Choices: []string{"f32", "f16", "bf16", "q8", "q4", "q3", "q2"}, Meaning: "precision of the values, where it differs from the keys'"},
			},
			New: func(a policy.Args) (policy.Parts, error) { return storeParts(s.name, a.Word("values")) },
		})
	}
	policy.Register(policy.Method{
		Name:  "kivi",
		Title: "KIVI",
		Paper: "Liu et al., KIVI: A Tuning-Free Asymmetric 2bit Quantization for KV Cache, arXiv 2402.02750, section 3",
		Good:  "four times fewer bytes with every entry kept",
		Bad:   "2 bits hurt models with grouped queries; use 4",
		Params: []policy.Param{
			{Name: "bits", Default: "4", Choices: []string{"2", "3", "4"}, Meaning: "bits of a code"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			name := "q" + a.Word("bits")
			return storeParts(name, name)
		},
	})
}

func storeParts(keys, values string) (policy.Parts, error) {
	s, err := kvcache.ParseStorage(keys + "/" + values)
	if err != nil {
		return policy.Parts{}, fmt.Errorf("storage %s/%s: %w", keys, values, err)
	}
	return policy.Parts{Store: policy.Store{Storage: s, Given: true}}, nil
}
