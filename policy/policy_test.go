package policy

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestShareIsExactInIntegers(t *testing.T) {
	for _, c := range []struct {
		share string
		n     int
		want  int
	}{
		{"25%", 1024, 256}, {"10%", 4096, 409}, {"10%", 4000, 400}, {"12.5%", 4096, 512}, {"0.0001%", 1_000_000, 1},
		{"100%", 777, 777}, {"512", 4096, 512}, {"512", 100, 100}, {"33.3333%", 3_000_000, 999_999},
	} {
		s, err := ParseShare(c.share)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Of(c.n); got != c.want {
			t.Errorf("%s of %d is %d, want %d", c.share, c.n, got, c.want)
		}
		if back, err := ParseShare(s.String()); err != nil || back != s {
			t.Errorf("%s reads back as %v, %v", c.share, back, err)
		}
	}
	for _, bad := range []string{"", "%", "0%", "101%", "-5%", "0", "-3", "1.23456%", "ten", "1e3", ".5%"} {
		if s, err := ParseShare(bad); err == nil {
			t.Errorf("%q is read as %v", bad, s)
		}
	}
}

func TestBytesWithUnits(t *testing.T) {
	for text, want := range map[string]int64{"4096": 4096, "64MiB": 64 << 20, "64m": 64 << 20, "1.5GB": 1_500_000_000, "2 k": 2048, "7b": 7} {
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, bad := range []string{"", "MiB", "-1", "1e30", "NaN", "12q"} {
		if got, err := ParseBytes(bad); err == nil {
			t.Errorf("%q is read as %d", bad, got)
		}
	}
}

func TestListsSplitOutsideParentheses(t *testing.T) {
	got := SplitList("snapkv(window=8,kernel=7)+q4, full,,knorm")
	if want := []string{"snapkv(window=8,kernel=7)+q4", "full", "knorm"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// The selection must be that of a stable sort by falling value, whatever the values.
func TestLargestIsASortCutOff(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		n := r.IntN(300)
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(r.IntN(1 + r.IntN(50))) // many ties
		}
		skip := func(i int) bool { return i%7 == 3 }
		var want []int32
		for i := range values {
			if !skip(i) {
				want = append(want, int32(i))
			}
		}
		slices.SortStableFunc(want, func(a, b int32) int { return cmp.Compare(values[b], values[a]) })
		k := r.IntN(n + 1)
		want = want[:min(k, len(want))]
		got := Largest(values, k, skip)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("%d of %v: %v, want %v", k, values, got, want)
		}
	}
}

func TestTopKeepsPinsAndCounts(t *testing.T) {
	s := &Scored{Tokens: 10, Sinks: 2, Recent: 3, Scores: [][]float32{{9, 9, 1, 5, 3, 5, 2, 0, 0, 0}}}
	for count, want := range map[int][]int32{
		10: {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 7: {0, 1, 3, 5, 7, 8, 9}, 6: {0, 1, 3, 7, 8, 9}, 5: {0, 1, 7, 8, 9}, 3: {0, 1, 9}, 1: {0},
	} {
		if got := s.Top(0, count); !slices.Equal(got, want) {
			t.Errorf("%d entries: %v, want %v", count, got, want)
		}
	}
}

func TestLargestRemainderSumsToItsTotal(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		n := 1 + r.IntN(40)
		shares, limit := make([]float64, n), make([]int, n)
		var sum float64
		room := 0
		for i := range shares {
			shares[i] = r.Float64() * 100
			limit[i] = r.IntN(120)
			sum += shares[i]
			room += limit[i]
		}
		total := min(int(sum), room)
		got, used := LargestRemainder(shares, total, limit), 0
		for i, v := range got {
			used += v
			if v < 0 || v > limit[i] {
				t.Fatalf("share %d: %d, its limit is %d", i, v, limit[i])
			}
		}
		if used != total {
			t.Fatalf("%d handed out of %d", used, total)
		}
	}
}
