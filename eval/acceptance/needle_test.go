package acceptance

import (
	"slices"
	"testing"

	"pith/engine"
	"pith/eval"
	"pith/policy"
)

// hidden asks for a number that lies at a depth of a context of n tokens, once a seed, after the context alone was compressed, and returns for
// each cell the share of digits that come first, and of answers without a wrong one.
func hidden(t *testing.T, e *engine.Engine, n, digits int, depth float64, cells ...*cell) (right, whole []float64) {
	t.Helper()
	return ask(t, e, n, digits, depth, false, cells...)
}

// visible is hidden with the question read before anything is compressed, but for its last token.
func visible(t *testing.T, e *engine.Engine, n, digits int, depth float64, cells ...*cell) (right, whole []float64) {
	t.Helper()
	return ask(t, e, n, digits, depth, true, cells...)
}

func ask(t *testing.T, e *engine.Engine, n, digits int, depth float64, seen bool, cells ...*cell) (right, whole []float64) {
	t.Helper()
	right, whole = make([]float64, len(cells)), make([]float64, len(cells))
	for seed := range seeds {
		g, err := eval.NewGenerator(e, uint64(seed+1))
		if err != nil {
			t.Fatal(err)
		}
		needles, err := g.Needles(0, []int{n}, []float64{depth}, digits, 1)
		if err != nil {
			t.Fatal(err)
		}
		qa := needles[0].QA[0]
		context, lead := needles[0].Context, slices.Concat(qa.Question, qa.Suffix)
		if seen {
			context = slices.Concat(context, lead)
			context, lead = context[:len(context)-1], context[len(context)-1:]
		}
		read(t, e, context, engine.PrefillOptions{}, len(lead)+len(qa.Answer), cells...)
		for i, c := range cells {
			logits, err := e.Feed(c.seq, slices.Concat(lead, qa.Answer[:len(qa.Answer)-1]))
			if err != nil {
				t.Fatal(err)
			}
			c.seq.Close()
			hits := 0
			for j, want := range qa.Answer {
				if argmax(logits[len(lead)-1+j]) == int(want) {
					hits++
				}
			}
			right[i] += float64(hits) / float64(len(qa.Answer)*len(seeds))
			if hits == len(qa.Answer) {
				whole[i] += 1 / float64(len(seeds))
			}
		}
	}
	for i, c := range cells {
		t.Logf("%-40s %.3f of the digits, %.2f of the numbers", c.spec+" "+c.budget.Keep.String(), right[i], whole[i])
	}
	return right, whole
}

// A number of 64 digits survives fewer bits, not eviction at the same bytes.
func TestSeed7MixedPrecisionReadsBackWhatEvictionLoses(t *testing.T) {
	e := real(t)
	right, _ := hidden(t, e, 1024, 64, 0.5, at("full", policy.Budget{}), at("mikv", percent(25)), at("h2o", percent(50)), at("snapkv", percent(50)))
	if right[1] < 0.95*right[0] || right[2] >= 0.6 || right[3] >= 0.6 {
		t.Errorf("digits right: full %.3f, mixed %.3f, evicted %.3f and %.3f", right[0], right[1], right[2], right[3])
	}
}

// Of a number that the question names, half of the cache keeps what the full one finds. Accumulated attention does once old rows are forgotten and
// neighbours come along: a question is thirty rows among two thousand, and looks at the first tokens of what it finds.
func TestSeed10AttentionFindsWhatTheQuestionNames(t *testing.T) {
	e := real(t)
	const half = 50
	right, _ := visible(t, e, 2048, 7, 0.5, at("full", policy.Budget{}), at("snapkv(window=16,kernel=13)", percent(half)), at("tova", percent(half)),
		at("h2o(forget=0.95,kernel=21)", percent(half)), at("h2o", percent(half)), at("random", percent(half)))
	for i := 1; i <= 3; i++ {
		if right[i] < 0.85*right[0] {
			t.Errorf("cell %d: %.3f of the digits, full %.3f", i, right[i], right[0])
		}
	}
	if right[5] > right[3]/2 {
		t.Errorf("chance finds %.3f of the digits", right[5])
	}
}

// A hidden number beyond a head's span lives by the exemption.
func TestSeed6TheExemptionSavesWhatSpansCannotReach(t *testing.T) {
	e := real(t)
	right, _ := hidden(t, e, 1024, 7, 0.15, at("full", policy.Budget{}), at("compactor+span(exempt=0.5)", percent(60)), at("compactor+span(exempt=0)", percent(60)))
	if right[1] < 0.9*right[0] || right[2] > right[1]-0.2 {
		t.Errorf("digits right: full %.3f, with the exemption %.3f, without %.3f", right[0], right[1], right[2])
	}
}
