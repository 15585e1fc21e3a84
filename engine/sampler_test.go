package engine

import (
	"math"
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
