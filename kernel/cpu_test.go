package kernel

import "testing"

func TestChooseTier(t *testing.T) {
	for _, c := range []struct {
		wish string
		best Tier
		want Tier
		ok   bool
	}{
		{"", AVX512, AVX512, true},
		{"generic", VNNI, Generic, true},
		{"AVX2", AVX2, AVX2, true},
		{"vnni", AVX2, Generic, false},
		{"sse9", VNNI, Generic, false},
		{"", DotProd, DotProd, true},
		{"neon", DotProd, NEON, true},
		{"dotprod", NEON, Generic, false},
		{"neon", AMX, Generic, false},
		{"avx2", DotProd, Generic, false},
		{"neon", Generic, Generic, false},
	} {
		got, err := choose(c.wish, c.best)
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("choose(%q, %s) = %s, %v; want %s, ok %v", c.wish, c.best, got, err, c.want, c.ok)
		}
	}
}

func TestForceRestores(t *testing.T) {
	before := CPU()
	restore := Force(Generic)
	if CPU() != Generic {
		t.Errorf("tier %s, want generic", CPU())
	}
	restore()
	if CPU() != before {
		t.Errorf("tier %s, want %s", CPU(), before)
	}
}
