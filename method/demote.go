package method

import (
	"fmt"

	"pith/kvcache"
	"pith/policy"
)

// demotion keeps what is not kept in full precision in fewer bits instead of dropping it (MiKV, arXiv 2402.18096, section 3; ZipCache,
// arXiv 2405.14256, section 3): no token is lost, and the unimportant ones still say roughly where they point.
// The budget counts entries in the higher precision; the others cost their bits.
//
// With every=n they are classified again after every n generated tokens: what lies in more bits, prompt and generated entries alike, is ranked by
// the recipe's score, the budget's share of all entries stays, the others go down. None comes up again, whatever its rank: in MiKV too what its
// importance cache evicts stays in the retained cache, and ZipCache's code classifies each hundred new entries and leaves what
// was classified before as it is. Promotion would pay for the bits and get back what rounding has left.
type demotion struct{ to kvcache.Storage }

// Signals implements policy.Rest.
func (demotion) Signals() policy.Signals { return policy.Signals{} }

// DemotesTo implements policy.Demoter.
func (d demotion) DemotesTo() kvcache.Storage { return d.to }

// Dispose implements policy.Rest.
func (d demotion) Dispose(l *policy.Layer, s *policy.Scored, k *policy.LayerKeep) error {
	k.DemoteTo = d.to
	k.Demoted = make([][]int32, len(k.Heads))
	for h, kept := range k.Heads {
		rest := make([]int32, 0, s.Tokens-len(kept))
		for j := range int32(s.Tokens) {
			if len(kept) > 0 && kept[0] == j {
				kept = kept[1:]
				continue
			}
			if s.Low == nil || !s.Low[h][j] {
				rest = append(rest, j)
			}
		}
		k.Demoted[h] = rest
	}
	return nil
}

// salience is ZipCache's score: attention from probe rows only, divided by the number of probes that see the entry. The probes are the
// newest rows; the published half of random ones would need a second pass.
type salience struct{ windowScore }

// Score implements policy.Scorer.
func (z *salience) Score(l *policy.Layer) ([][]float32, error) {
	rows := z.rows(l)
	scores := make([][]float32, l.KVHeads)
	for h := range scores {
		probs, err := l.WindowProbs(h, rows)
		if err != nil {
			return nil, err
		}
		g := l.Group()
		s := make([]float32, l.Tokens)
		for r := range rows * g {
			for j, p := range probs[r*l.Tokens : (r+1)*l.Tokens] {
				s[j] += p
			}
		}
		for j := range s {
			s[j] /= float32(min(rows, l.Tokens-j))
		}
		scores[h] = s
	}
	return scores, nil
}

func init() {
	bits := policy.Param{Name: "bits", Default: "4", Choices: []string{"2", "3", "4", "8"}, Meaning: "bits of the entries that are not kept in full"}
	every := policy.Param{Name: "every", Default: "0", Min: 0, Max: 1 << 20, Whole: true, Meaning: "generated tokens after which entries are classified again; 0: once, after the prefill"}
	when := func(a policy.Args) policy.When { return policy.When{Steps: a.Int("every")} }
	demote := func(a policy.Args) (demotion, error) {
		f, err := kvcache.ParseFormat("q" + a.Word("bits"))
		if err != nil {
			return demotion{}, fmt.Errorf("bits: %w", err)
		}
		return demotion{kvcache.Uniform(f)}, nil
	}
	policy.Register(policy.Method{
		Name:   "demote",
		Title:  "Demotion",
		Paper:  "the rest in fewer bits, after MiKV (arXiv 2402.18096, section 3), over any score",
		Good:   "nothing is lost: long values are read back where eviction fails",
		Bad:    "costs bytes for every token: not for budgets of a few per cent",
		Params: []policy.Param{bits, every},
		New: func(a policy.Args) (policy.Parts, error) {
			d, err := demote(a)
			return policy.Parts{Rest: d, When: when(a)}, err
		},
	})
	policy.Register(policy.Method{
		Name:  "mikv",
		Title: "MiKV",
		Paper: "Yang et al., No Token Left Behind: Reliable KV Cache Compression via Importance-Aware Mixed Precision Quantization, arXiv 2402.18096, section 3",
		Good:  "long answers that must be exact, at half the bytes",
		Bad:   "costs a second pass of attention; bytes for every token",
		Params: []policy.Param{bits,
			{Name: "recent", Default: "0.5", Min: 0, Max: 1, Meaning: "share of the budget that the newest entries get"}, every},
		New: func(a policy.Args) (policy.Parts, error) {
			d, err := demote(a)
			return policy.Parts{Score: h2o(0, a.Float("recent")), Rest: d, When: when(a)}, err
		},
	})
	policy.Register(policy.Method{
		Name:  "zipcache",
		Title: "ZipCache",
		Paper: "He et al., ZipCache: Accurate and Efficient KV Cache Quantization with Salient Token Identification, arXiv 2405.14256, section 3; both precisions quantised, probes are the newest rows",
		Good:  "four to five times fewer bytes without losing a token; cheap score",
		Bad:   "only the newest rows vote on what is salient",
		Params: []policy.Param{
			{Name: "window", Default: "64", Min: 1, Max: 4096, Whole: true, Meaning: "newest rows whose attention is the score; they are kept"},
			{Name: "high", Default: "4", Choices: []string{"3", "4", "8"}, Meaning: "bits of salient entries"},
			{Name: "bits", Default: "2", Choices: []string{"2", "3", "4"}, Meaning: "bits of the others"},
			every,
		},
		New: func(a policy.Args) (policy.Parts, error) {
			d, err := demote(a)
			if err != nil {
				return policy.Parts{}, err
			}
			high, err := storeParts("q"+a.Word("high"), "q"+a.Word("high"))
			return policy.Parts{Score: &salience{windowScore{window: a.Int("window"), kernel: 1}}, Rest: d, Store: high.Store, When: when(a)}, err
		},
	})
}
