package method_test

import (
	"math"
	"slices"
	"testing"

	"pith/policy"
)

// profileOf returns what a recipe's allocator says of a layer.
func profileOf(t *testing.T, l *policy.Layer, spec string, base int) []float32 {
	t.Helper()
	recipe, err := policy.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	l.Base = base
	profile, err := recipe.Allocate.(policy.Profiler).Profile(l)
	if err != nil {
		t.Fatal(err)
	}
	return profile
}

func compareProfile(t *testing.T, spec string, got []float32, want []float64) {
	t.Helper()
	for h, v := range want {
		if math.Abs(float64(got[h])-v) > scoreTolerance*math.Abs(v) {
			t.Errorf("%s: head %d is %g, the formula says %g", spec, h, got[h], v)
		}
	}
}

func TestDuoProfileIsTheFormula(t *testing.T) {
	x := newDense(t)
	const length = 100
	moments := x.l.Moments(0)
	want := make([]float64, x.l.KVHeads)
	for q := range x.l.QHeads {
		h := q / x.g
		key := make([]float64, x.d)
		for j := range x.n {
			for c, v := range x.unrotated(h, j) {
				key[c] += v / float64(x.n)
			}
		}
		// Query and keys rotated at positions of a sequence, then cumulated: the definition, not the shortcut.
		turn := func(v []float64, p int) []float64 {
			out := make([]float64, x.d)
			for i, f := range x.l.Rotation.InvFreq {
				sin, cos := math.Sincos(float64(p) * float64(f))
				out[i], out[i+x.d/2] = v[i]*cos-v[i+x.d/2]*sin, v[i]*sin+v[i+x.d/2]*cos
			}
			return out
		}
		query := turn(widen(moments[q].Mean), length-1)
		z, sum := make([]float64, length), 0.0
		for p := range z {
			z[p] = math.Exp(x.scale() * dot64(query, turn(key, p)))
			sum += z[p]
		}
		cumulated := 0.0
		for _, v := range z {
			cumulated += v / sum
			want[h] += cumulated / length / float64(x.g)
		}
	}
	compareProfile(t, "duo", profileOf(t, x.l, "duo(length=100)", 100), want)
}

func TestSimLayerProfileIsTheFormula(t *testing.T) {
	x := newDense(t)
	mass := 0.0
	for q := range x.l.QHeads {
		for j, p := range x.attention(q, x.n-1, 0, x.n, x.scale()) {
			if j < 4 || j >= x.n-96 {
				mass += p / float64(x.l.QHeads)
			}
		}
	}
	compareProfile(t, "simlayer", profileOf(t, x.l, "simlayer(recent=96)", 200), []float64{mass, mass, mass})
}

func TestSpanProfileIsTheFormula(t *testing.T) {
	x := newDense(t)
	const rows, epsilon = 16, 0.05
	want := make([]float64, x.l.KVHeads)
	for h := range want {
		reach := func(s int) float64 { // mean mass of sinks and the newest s
			mass := 0.0
			for row := x.n - rows; row < x.n; row++ {
				for i := range x.g {
					for j, p := range x.attention(h*x.g+i, row, 0, row+1, x.scale()) {
						if j < 4 || row-j < s {
							mass += p / float64(rows*x.g)
						}
					}
				}
			}
			return mass
		}
		lo, hi := 1, x.n
		for lo < hi {
			if mid := (lo + hi) / 2; reach(mid) >= 1-epsilon {
				hi = mid
			} else {
				lo = mid + 1
			}
		}
		want[h] = float64(lo)
	}
	compareProfile(t, "span", profileOf(t, x.l, "span(window=16,epsilon=0.05)", 200), want)
}

// allocated runs an allocator over two made-up layers and returns what each head keeps.
func allocated(t *testing.T, spec string, n, base int, profile [][]float32) [][][]int32 {
	t.Helper()
	recipe, err := policy.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	a := &policy.Allocation{Layers: len(profile), Base: base}
	for i, p := range profile {
		s := &policy.Scored{Layer: i, Ordinal: i, Tokens: n, Prompt: n, Base: base, Profile: p}
		for h := range p {
			values := make([]float32, n)
			for j := range values {
				values[j] = float32((j*7 + h) % 100)
			}
			s.Scores = append(s.Scores, values)
		}
		a.Scored = append(a.Scored, s)
	}
	var kept [][][]int32
	for i, counts := range recipe.Allocate.Allocate(a) {
		var heads [][]int32
		for h, count := range counts {
			heads = append(heads, a.Scored[i].Top(h, count))
		}
		kept = append(kept, heads)
	}
	return kept
}

func TestDuoStreamsTheLowestHeadsAndFeedsTheOthers(t *testing.T) {
	kept := allocated(t, "duo(sinks=4,recent=16)", 1000, 500, [][]float32{{0.9, 0.1}, {0.2, 0.8}})
	for _, at := range [][2]int{{0, 1}, {1, 0}} {
		head := kept[at[0]][at[1]]
		// Retrieval heads hold all 1000; their surplus of nothing leaves streaming heads at 20 and what did not fit elsewhere.
		if head[0] != 0 || head[3] != 3 || head[len(head)-1] != 999 || int(head[len(head)-1]-head[4]) != len(head)-5 {
			t.Errorf("layer %d head %d does not stream: %d entries %v", at[0], at[1], len(head), head[:8])
		}
	}
	if len(kept[0][0]) != 980 || len(kept[1][1]) != 980 || len(kept[0][1]) != 20 || len(kept[1][0]) != 20 {
		t.Errorf("%d %d %d %d entries", len(kept[0][0]), len(kept[0][1]), len(kept[1][0]), len(kept[1][1]))
	}
}

func TestSimLayerStreamsLazyLayers(t *testing.T) {
	kept := allocated(t, "simlayer(sinks=2,recent=10,tau=0.8)", 200, 50, [][]float32{{0.9, 0.9}, {0.5, 0.5}})
	if len(kept[0][0]) != 12 || len(kept[1][0]) != 88 || len(kept[0][1]) != 12 || len(kept[1][1]) != 88 {
		t.Errorf("%d and %d entries, want 12 and 88", len(kept[0][0]), len(kept[1][0]))
	}
	if !slices.Equal(kept[0][0], []int32{0, 1, 190, 191, 192, 193, 194, 195, 196, 197, 198, 199}) {
		t.Errorf("a lazy layer keeps %v", kept[0][0])
	}
}

// The exemption keeps high scores out of a span's reach; without it nothing but the newest survives.
func TestSpanKeepsTheNewestAndExemptsHighScores(t *testing.T) {
	profile := [][]float32{{10, 30}, {400, 160}}
	pure := allocated(t, "span(sinks=2,exempt=0)", 500, 100, profile)
	for l := range pure {
		for h, head := range pure[l] {
			if head[1] != 1 || int(head[len(head)-1]-head[2]) != len(head)-3 {
				t.Errorf("layer %d head %d keeps more than sinks and newest: %v", l, h, head)
			}
		}
	}
	exempt := allocated(t, "span(sinks=2,exempt=0.25)", 500, 100, profile)
	old := 0
	for _, j := range exempt[0][0] {
		if j >= 2 && j < 488 {
			old++
		}
	}
	if old < 20 {
		t.Errorf("%d entries beyond the span are kept", old)
	}
	for _, kept := range [][][][]int32{pure, exempt} {
		total := 0
		for l := range kept {
			for h := range kept[l] {
				total += len(kept[l][h])
			}
		}
		if total != 400 {
			t.Errorf("%d entries, the budget is 400", total)
		}
	}
	if a, b := len(pure[0][0]), len(pure[1][0]); a*5 > b {
		t.Errorf("heads with spans of 10 and 400 keep %d and %d entries", a, b)
	}
}
