package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Sampling says how the next token is drawn. The zero value is greedy.
//
// The order is that of the field: bias and penalties on the logits, then top-k, then temperature, then top-p and min-p on the
// probabilities that are left.
type Sampling struct {
	Temperature float64 // 0: the most likely token
	TopK        int     // 0: all
	TopP        float64 // 0 or 1: all
	MinP        float64 // share of the most likely token's probability below which tokens are out; 0: none
	Seed        uint64

	RepetitionPenalty float64 // divides positive and multiplies negative logits of tokens seen; 0 or 1: none
	FrequencyPenalty  float64 // subtracted once per time a token was generated
	PresencePenalty   float64 // subtracted from tokens that were generated
	PenaltyWindow     int     // newest tokens of prompt and reply that the repetition penalty looks at; 0: 64
	Bias              map[int32]float32
}

// Validate names the first field outside its range.
func (s *Sampling) Validate() error {
	check := func(name string, v, lo, hi float64) error {
		if v != v || v < lo || v > hi {
			return fmt.Errorf("engine: %s %g is outside %g to %g", name, v, lo, hi)
		}
		return nil
	}
	for _, err := range []error{
		check("temperature", s.Temperature, 0, 100),
		check("top_k", float64(s.TopK), 0, 1<<30),
		check("top_p", s.TopP, 0, 1),
		check("min_p", s.MinP, 0, 1),
		check("repetition_penalty", s.RepetitionPenalty, 0, 100),
		check("frequency_penalty", s.FrequencyPenalty, -100, 100),
		check("presence_penalty", s.PresencePenalty, -100, 100),
		check("penalty window", float64(s.PenaltyWindow), 0, 1<<30),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// A sampler draws the tokens of one sequence. Its random numbers depend on the seed and on how many were drawn, never on
// neighbours or threads.
type sampler struct {
	Sampling
	random    *rand.Rand
	seen      []int32       // prompt and reply, for the repetition penalty
	generated map[int32]int // counts of the reply
	ranking   ranking       // scratch
	likely    []float64     // scratch
	work      []float32     // scratch, [Vocab]
}

func newSampler(s Sampling, prompt []int32) *sampler {
	if s.PenaltyWindow == 0 {
		s.PenaltyWindow = 64
	}
	return &sampler{Sampling: s, random: rand.New(rand.NewPCG(s.Seed, 0x9E3779B97F4A7C15)),
		seen: slices.Clone(prompt[max(0, len(prompt)-s.PenaltyWindow):]), generated: map[int32]int{}}
}

// next draws a token from a row of logits, which it leaves alone, and remembers it.
func (s *sampler) next(logits []float32) int32 {
	id := s.draw(s.adjusted(logits))
	s.seen = append(s.seen, id)
	s.generated[id]++
	return id
}

// adjusted applies bias and penalties.
func (s *sampler) adjusted(logits []float32) []float32 {
	repeats := s.RepetitionPenalty != 0 && s.RepetitionPenalty != 1
	if len(s.Bias) == 0 && !repeats && s.FrequencyPenalty == 0 && s.PresencePenalty == 0 {
		return logits
	}
	s.work = append(s.work[:0], logits...)
	for id, b := range s.Bias {
		if id >= 0 && int(id) < len(s.work) {
			s.work[id] += b
		}
	}
	if repeats {
		penalised := map[int32]bool{}
		for _, id := range s.seen[max(0, len(s.seen)-s.PenaltyWindow):] {
			if penalised[id] || int(id) >= len(s.work) {
				continue
			}
			penalised[id] = true
			if s.work[id] > 0 {
				s.work[id] /= float32(s.RepetitionPenalty)
			} else {
				s.work[id] *= float32(s.RepetitionPenalty)
			}
		}
	}
	for id, n := range s.generated {
		s.work[id] -= float32(s.PresencePenalty + float64(n)*s.FrequencyPenalty)
	}
	return s.work
}

func (s *sampler) draw(logits []float32) int32 {
	if s.Temperature == 0 {
		return argmax(logits)
	}
	k := len(logits)
	if s.TopK > 0 && s.TopK < k {
		k = s.TopK
	}
	ids := s.ranking.top(logits, k)
	s.likely = grow(s.likely, len(ids))
	p := s.likely // in proportion to probabilities, descending
	var sum float64
	for i, id := range ids {
		p[i] = math.Exp(float64(logits[id]-logits[ids[0]]) / s.Temperature)
		sum += p[i]
	}
	keep, mass, nucleus := len(p), 0.0, s.TopP > 0 && s.TopP < 1
	for i := 0; i < keep && (nucleus || s.MinP > 0); i++ {
		if s.MinP > 0 && p[i] < s.MinP*p[0] {
			keep = i
			break
		}
		if nucleus {
			if mass += p[i] / sum; mass >= s.TopP {
				keep = i + 1
			}
		}
	}
	if keep = max(keep, 1); keep < len(p) {
		sum = 0
		for _, v := range p[:keep] {
			sum += v
		}
	}
	at := s.random.Float64() * sum
	for i, v := range p[:keep] {
		if at -= v; at < 0 {
			return ids[i]
		}
	}
	return ids[keep-1]
}

// argmax returns the most likely token, the lowest id among equals.
func argmax(logits []float32) int32 {
	best, top := 0, logits[0]
	i := 0
	for ; i+4 <= len(logits); i += 4 { // a branch for four, hardly ever taken
		if l := logits[i : i+4]; l[0] > top || l[1] > top || l[2] > top || l[3] > top {
			for j, v := range l {
				if v > top {
					best, top = i+j, v
				}
			}
		}
	}
	for ; i < len(logits); i++ {
		if logits[i] > top {
			best, top = i, logits[i]
		}
	}
	return int32(best)
}

// A Candidate is one token with its log-probability.
type Candidate struct {
	ID      int32
	LogProb float64
}

// TopLogProbs returns the n most likely tokens of a row of logits, most likely first, ties by lower id.
func TopLogProbs(logits []float32, n int) []Candidate {
	norm := LogSumExp(logits)
	top := make([]Candidate, min(n, len(logits)))
	for i, id := range new(ranking).top(logits, len(top)) {
		top[i] = Candidate{id, float64(logits[id]) - norm}
	}
	return top
}

// LogSumExp is log Σ exp of a row, in float64.
func LogSumExp(logits []float32) float64 {
	m := float64(logits[argmax(logits)])
	var sum float64
	for _, l := range logits {
		sum += math.Exp(float64(l) - m)
	}
	return m + math.Log(sum)
}
