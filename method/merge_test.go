package method_test

import (
	"testing"

	"pith/policy"
)

// With equal scores every dropped value is spread, one m-th to each of the next m kept entries, and no entry takes in more of them than it may.
func TestCaMSpreadsValuesWithinItsCap(t *testing.T) {
	const tokens = 100
	for _, c := range []struct {
		spec    string
		kept    []int32
		targets map[int32]int // values that an entry takes in
		share   float32
	}{
		{"h2o+cam(spread=2,most=100)", []int32{2, 50, 99}, map[int32]int{2: 2, 50: 2 + 47, 99: 47 + 48}, 0.5},
		{"h2o+cam(spread=2,most=5)", []int32{2, 50, 99}, map[int32]int{2: 2, 50: 5, 99: 5}, 0.5},
		{"h2o+cam(spread=1,most=3)", []int32{0, 98}, map[int32]int{98: 3}, 1},
	} {
		r, err := policy.Parse(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		s := &policy.Scored{Tokens: tokens, Scores: [][]float32{make([]float32, tokens)}}
		for i := range s.Scores[0] {
			s.Scores[0][i] = 1
		}
		k := &policy.LayerKeep{Heads: [][]int32{c.kept}}
		if err := r.Rest.Dispose(&policy.Layer{Tokens: tokens}, s, k); err != nil {
			t.Fatal(err)
		}
		got := map[int32]int{}
		for _, m := range k.Merges[0] {
			got[m.To]++
			// The last kept entry has no second neighbour, so what lies before it alone goes there whole.
			want := c.share
			if m.From > 50 && c.share == 0.5 {
				want = 1
			}
			if m.Value != want || m.Key != 0 {
				t.Errorf("%s: entry %d adds %v of its value and %v of its key to %d, want %v and 0", c.spec, m.From, m.Value, m.Key, m.To, want)
			}
		}
		for to, n := range c.targets {
			if got[to] != n {
				t.Errorf("%s: entry %d takes in %d values, want %d", c.spec, to, got[to], n)
			}
		}
		if len(got) != len(c.targets) {
			t.Errorf("%s: %v take in values, want %v", c.spec, got, c.targets)
		}
	}
}
