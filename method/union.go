package method

import (
	"cmp"
	"slices"

	"pith/policy"
)

// union keeps what either of two scores finds important: the larger of the two ranks. Means and products of scores water down what only
// one of them sees; a union does not, as long as the budget is not so small that one of them needs it all.
//
//	s[j] = max(rank₁[j], weight·rank₂[j]),  rank[j] = share of the values below that of j
//
// Ranks are taken within each head, or over all heads of a layer together. The former lose less, also under Ada-KV, which then gives more to
// heads whose two scores disagree.
// What a score pins counts as its highest rank. Cost: that of both scores and two sorts.
type union struct {
	pins
	first, second policy.Scorer
	weight        float32
	perHead       bool
}

// unionScores are the scores that can be united: those of one pass.
var unionScores = []string{"expected", "reach", "lagkv", "observed", "snapkv", "keydiff", "knorm", "noncausal", "leverage", "compactor", "qfilter", "finch", "tova", "random"}

// Signals implements policy.Scorer.
func (u union) Signals() policy.Signals { return u.first.Signals().Union(u.second.Signals()) }

// Score implements policy.Scorer.
func (u union) Score(l *policy.Layer) ([][]float32, error) {
	a, err := u.ranks(l, u.first)
	if err != nil {
		return nil, err
	}
	b, err := u.ranks(l, u.second)
	if err != nil {
		return nil, err
	}
	return eachEntry(l, func(h, j int) float32 { return max(a[h][j], u.weight*b[h][j]) }), nil
}

// ranks replaces a score's values by ranks.
func (u union) ranks(l *policy.Layer, of policy.Scorer) ([][]float32, error) {
	scores, err := of.Score(l)
	if err != nil {
		return nil, err
	}
	sinks, recent := of.Pinned(l)
	top := func(j int) bool { return j < sinks || j >= l.Tokens-recent }
	if u.perHead {
		l.Do(l.KVHeads, func(h int) { rank(scores[h:h+1], top) })
	} else {
		rank(scores, top)
	}
	return scores, nil
}

// rank replaces values, in place, by the share of values below each; those that top names have the highest.
func rank(scores [][]float32, top func(j int) bool) {
	n := len(scores[0])
	order := make([]int32, 0, n*len(scores))
	for h := range scores {
		for j := range scores[h] {
			if top(j) {
				scores[h][j] = 1
			} else {
				order = append(order, int32(h*n+j))
			}
		}
	}
	at := func(i int32) *float32 { return &scores[int(i)/n][int(i)%n] }
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(*at(a), *at(b)) })
	below, last := 0, float32(0)
	for i, o := range order {
		v := at(o)
		if i > 0 && *v > last {
			below = i
		}
		last = *v
		*v = float32(below) / float32(len(order))
	}
}

func init() {
	policy.Register(policy.Method{
		Name:  "union",
		Title: "Union of two scores",
		Paper: "our own: the larger of two ranks; which scores complement each other was measured",
		Good:  "better than either score where they see different things: expected attention with LagKV, or with reach",
		Bad:   "budgets of a few per cent, where both claim all of it",
		Params: append([]policy.Param{
			{Name: "first", Default: "expected", Choices: unionScores, Meaning: "one score, with its defaults"},
			{Name: "second", Default: "lagkv", Choices: unionScores, Meaning: "the other"},
			{Name: "weight", Default: "0.9", Min: 0, Max: 1, Meaning: "what the ranks of the second are multiplied by"},
			{Name: "ranks", Default: "head", Choices: []string{"head", "layer"}, Meaning: "whether ranks are taken within each head or over a layer"},
		}, pinParams("4", "32")...),
		New: func(a policy.Args) (policy.Parts, error) {
			first, err := policy.Parse(a.Word("first"))
			if err != nil {
				return policy.Parts{}, err
			}
			second, err := policy.Parse(a.Word("second"))
			if err != nil {
				return policy.Parts{}, err
			}
			return policy.Parts{Score: union{pinsOf(a), first.Score, second.Score, float32(a.Float("weight")), a.Word("ranks") == "head"}}, nil
		},
	})
}
