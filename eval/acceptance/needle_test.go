package acceptance

import (
	"testing"

	"pith/engine"
	"pith/eval"
	"pith/policy"
)

// hidden asks for a number that lies at a depth of a context of n tokens, once a seed, after the context alone was compressed, and returns for
// each cell the share of digits that come first, and of answers without a wrong one.
func hidden(t *testing.T, e *engine.Engine, n, digits int, depth float64, cells ...*cell) (right, whole []float64) {
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
		lead := append(append([]int32(nil), qa.Question...), qa.Suffix...)
		read(t, e, needles[0].Context, engine.PrefillOptions{}, len(lead)+len(qa.Answer), cells...)
		for i, c := range cells {
			logits, err := e.Feed(c.seq, append(lead, qa.Answer[:len(qa.Answer)-1]...))
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

// A hidden number beyond a head's span lives by the exemption.
func TestSeed6TheExemptionSavesWhatSpansCannotReach(t *testing.T) {
	e := real(t)
	right, _ := hidden(t, e, 1024, 7, 0.15, at("full", policy.Budget{}), at("compactor+span(exempt=0.5)", percent(60)), at("compactor+span(exempt=0)", percent(60)))
	if right[1] < 0.9*right[0] || right[2] > right[1]-0.2 {
		t.Errorf("digits right: full %.3f, with the exemption %.3f, without %.3f", right[0], right[1], right[2])
	}
}
