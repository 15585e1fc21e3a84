package engine

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestGreedyTakesTheLowestOfEquals(t *testing.T) {
	s := newSampler(Sampling{}, nil)
	if id := s.next([]float32{1, 3, 3, 2}); id != 1 {
		t.Errorf("token %d", id)
	}
}

func TestSamplingFollowsTheDistribution(t *testing.T) {
	logits := []float32{0, float32(math.Log(2)), float32(math.Log(5)), -100}
	for _, c := range []struct {
		name string
		s    Sampling
		want []float64
	}{
		{"temperature 1", Sampling{Temperature: 1}, []float64{1. / 8, 2. / 8, 5. / 8, 0}},
		{"temperature 0.5", Sampling{Temperature: 0.5}, []float64{1. / 30, 4. / 30, 25. / 30, 0}},
		{"top-k", Sampling{Temperature: 1, TopK: 2}, []float64{0, 2. / 7, 5. / 7, 0}},
		{"top-p", Sampling{Temperature: 1, TopP: 0.6}, []float64{0, 0, 1, 0}},
		{"min-p", Sampling{Temperature: 1, MinP: 0.3}, []float64{0, 2. / 7, 5. / 7, 0}},
		{"bias", Sampling{Temperature: 1, Bias: map[int32]float32{2: -100}}, []float64{1. / 3, 2. / 3, 0, 0}},
	} {
		const draws = 20000
		count := make([]float64, len(logits))
		s := newSampler(c.s, nil)
		for range draws {
			count[s.draw(s.adjusted(logits))] += 1. / draws
		}
		for i := range count {
			if sd := math.Sqrt(c.want[i]*(1-c.want[i])/draws) + 1e-9; math.Abs(count[i]-c.want[i]) > 5*sd {
				t.Errorf("%s: token %d drawn %.4f of the time, want %.4f", c.name, i, count[i], c.want[i])
			}
		}
	}
}

// drawSorted is the sampler's plain twin: all tokens sorted, all of their probabilities.
func drawSorted(s *sampler, logits []float32) int32 {
	type candidate struct {
		id int32
		p  float64
	}
	order := ranked(logits)
	if s.TopK > 0 && s.TopK < len(order) {
		order = order[:s.TopK]
	}
	c := make([]candidate, len(order))
	var sum float64
	for i, id := range order {
		c[i] = candidate{id, math.Exp(float64(logits[id]-logits[order[0]]) / s.Temperature)}
		sum += c[i].p
	}
	keep, mass := len(c), 0.0
	for i := range c {
		if s.MinP > 0 && c[i].p < s.MinP*c[0].p {
			keep = i
			break
		}
		mass += c[i].p / sum
		if s.TopP > 0 && s.TopP < 1 && mass >= s.TopP {
			keep = i + 1
			break
		}
	}
	c = c[:max(keep, 1)]
	sum = 0
	for i := range c {
		sum += c[i].p
	}
	at := s.random.Float64() * sum
	for i := range c {
		if at -= c[i].p; at < 0 {
			return c[i].id
		}
	}
	return c[len(c)-1].id
}

// ranked sorts tokens as a ranking should.
func ranked(logits []float32) []int32 {
	order := make([]int32, len(logits))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(logits[b], logits[a]), cmp.Compare(a, b))
	})
	return order
}

// awkward are rows of logits: of all sizes, with ties, both zeros, infinities and NaN.
func awkward() (rows [][]float32) {
	r := rand.New(rand.NewPCG(3, 4))
	special := []float32{0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 1e-42, -1e-42}
	for _, n := range []int{1, 2, 3, 5, 63, 1000, rankRadix - 1, rankRadix, 9001} {
		for kind := range 4 {
			row := make([]float32, n)
			for i := range row {
				row[i] = float32(r.NormFloat64() * 4)
				switch {
				case kind == 1:
					row[i] = float32(math.Round(float64(row[i])))
				case kind == 2:
					row[i] = 7
				case kind == 3 && r.IntN(3) == 0:
					row[i] = special[r.IntN(len(special))]
				}
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func TestRankingSorts(t *testing.T) {
	var r ranking
	for _, row := range awkward() {
		want := ranked(row)
		for _, k := range []int{0, 1, 2, 40, len(row) / 2, len(row) - 1, len(row), len(row) + 9} {
			if got := r.top(row, k); !slices.Equal(got, want[:min(k, len(row))]) {
				t.Fatalf("%d of %d: %v, want %v", k, len(row), got, want[:min(k, len(row))])
			}
		}
		best := 0
		for i, l := range row {
			if l > row[best] {
				best = i
			}
		}
		if got := argmax(row); int(got) != best {
			t.Errorf("%d tokens: the most likely is %d, want %d", len(row), got, best)
		}
	}
}

// Every draw is the plain twin's.
func TestDrawIsThePlainOne(t *testing.T) {
	for _, s := range []Sampling{{Temperature: 1}, {Temperature: .7, TopK: 40}, {Temperature: 1.3, TopP: .9}, {Temperature: 1, MinP: .05},
		{Temperature: 2, TopK: 200, TopP: .95, MinP: .01}, {Temperature: .01, TopP: 1}, {Temperature: 50, TopP: .5}} {
		fast, plain := newSampler(s, nil), newSampler(s, nil)
		for _, row := range awkward() {
			for range 20 {
				if got, want := fast.draw(row), drawSorted(plain, row); got != want {
					t.Fatalf("%+v: token %d of %d, want %d", s, got, len(row), want)
				}
			}
		}
	}
}

// BenchmarkDraw draws from a vocabulary of SmolLM2's size.
func BenchmarkDraw(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	logits := make([]float32, 49152)
	for i := range logits {
		logits[i] = float32(r.NormFloat64() * 3)
	}
	for _, c := range []struct {
		name string
		s    Sampling
	}{{"greedy", Sampling{}}, {"temperature", Sampling{Temperature: 1}}, {"top-k", Sampling{Temperature: 1, TopK: 40}}, {"top-p", Sampling{Temperature: 1, TopP: .95}}} {
		b.Run(c.name, func(b *testing.B) {
			s := newSampler(c.s, nil)
			for b.Loop() {
				s.draw(logits)
			}
		})
	}
}

func TestPenalties(t *testing.T) {
	s := newSampler(Sampling{RepetitionPenalty: 2, FrequencyPenalty: 0.5, PresencePenalty: 0.25}, []int32{0, 1})
	s.generated[2] = 3
	got := s.adjusted([]float32{4, -4, 4, 4})
	if want := []float32{2, -8, 4 - 0.25 - 1.5, 4}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestStopStringsAreNeverShownInPart(t *testing.T) {
	for _, c := range []struct {
		stops, pieces []string
		want          string
		stopped       bool
	}{
		{[]string{"END"}, []string{"a E", "N", "D b"}, "a ", true},
		{[]string{"END"}, []string{"a E", "N", "X"}, "a ENX", false},
		{[]string{"bb", "abc"}, []string{"xa", "b", "c"}, "x", true},
		{[]string{"aab"}, []string{"a", "a", "a", "b", "z"}, "a", true},
		{nil, []string{"plain"}, "plain", false},
	} {
		s := stopper{stops: c.stops}
		got, stopped := "", false
		for _, p := range c.pieces {
			var show string
			if show, stopped = s.push(p); stopped {
				got += show
				break
			}
			got += show
		}
		if !stopped {
			got += s.flush()
		}
		if got != c.want || stopped != c.stopped {
			t.Errorf("%v over %v: %q %v, want %q %v", c.stops, c.pieces, got, stopped, c.want, c.stopped)
		}
	}
}
