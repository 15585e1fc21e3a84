package method

import (
	"strconv"

	"pith/policy"
)

// compactor adds geometry to attention (arXiv 2507.08143, section 3): leverage says which keys are unlike the rest, non-causal attention
// which ones their surroundings look at.
//
//	s[j] = λ·leverage[j] + noncausal[j], both z-normalised over the entries between the pins
//
// λ is the share that is removed unless blending is given, as in the reference code: the more has to go, the more the unusual counts.
// The paper calibrates λ per model. Cost: that of the two.
type compactor struct {
	pins
	leverage leverage
	observed nonCausal
	blending float64 // negative: the share removed
}

// Signals implements policy.Scorer.
func (c compactor) Signals() policy.Signals { return c.leverage.Signals().Union(c.observed.Signals()) }

// Score implements policy.Scorer.
func (c compactor) Score(l *policy.Layer) ([][]float32, error) {
	from, to := min(c.sinks, l.Tokens), max(l.Tokens-c.recent, 0)
	if to <= from {
		return eachEntry(l, func(h, j int) float32 { return 0 }), nil
	}
	inner := l.Slice(from, to)
	unusual, err := c.leverage.Score(inner)
	if err != nil {
		return nil, err
	}
	seen, err := c.observed.Score(inner)
	if err != nil {
		return nil, err
	}
	blending := float32(c.blending)
	if blending < 0 {
		blending = 1 - float32(min(l.Base, l.Tokens))/float32(l.Tokens)
	}
	return eachEntry(l, func(h, j int) float32 {
		if j < from || j >= to {
			return 0
		}
		return blending*unusual[h][j-from] + seen[h][j-from]
	}), nil
}

func init() {
	params := append(nonCausalParams(), leverageParams()...)
	params = append(params,
		policy.Param{Name: "blending", Default: "", Min: 0, Max: 100, Meaning: "weight of the leverage; the share removed where it is not given"})
	policy.Register(policy.Method{
		Name:   "compactor",
		Title:  "Compactor",
		Paper:  "Chari and Van Durme, Compactor: Calibrated Query-Agnostic KV Cache Compression with Approximate Leverage Scores, arXiv 2507.08143, section 3",
		Good:   "question-independent in one pass, linear in the prompt; among the best of its kind at moderate budgets",
		Bad:    "far below a reconstruction pass at small budgets",
		Params: append(params, pinParams("8", "4")...),
		New: func(a policy.Args) (policy.Parts, error) {
			c := compactor{pins: pinsOf(a), blending: -1,
				leverage: leverage{sketch: a.Int("sketch"), seed: uint64(a.Int("seed"))},
				observed: nonCausal{chunk: a.Int("chunk"), scaled: a.Word("scale") == "yes"}}
			if a.Given("blending") {
				b, err := strconv.ParseFloat(a.Word("blending"), 64)
				if err != nil {
					return policy.Parts{}, err
				}
				c.blending = b
			}
			return policy.Parts{Score: c}, nil
		},
	})
}
