package method

import (
	"slices"

	"pith/policy"
)

// quota gives every chunk of the prompt its share of each head's entries, in proportion to its length, the best within the chunk first: no
// part of a long text is forgotten because another one scores higher. Pinned entries come out of their chunk's share; where a chunk holds
// more of them than that, the other chunks get less. Shares are rounded by largest remainder, so the whole budget is used.
// Cost: one selection over n per head.
type quota struct{ size int }

// Select implements policy.Selector.
func (q quota) Select(s *policy.Scored, counts []int) ([][]int32, error) {
	n := s.Tokens
	heads := make([][]int32, len(counts))
	chunks := (n + q.size - 1) / q.size
	for h, count := range counts {
		pins := min(s.Sinks, n) + min(s.Recent, max(0, n-s.Sinks))
		if count >= n || count <= pins {
			heads[h] = s.Top(h, count)
			continue
		}
		shares, free, taken := make([]float64, chunks), make([]int, chunks), make([]float64, chunks)
		for c := range free {
			for j := c * q.size; j < min((c+1)*q.size, n); j++ {
				if s.IsPinned(j) {
					taken[c]++
					heads[h] = append(heads[h], int32(j))
				} else {
					free[c]++
				}
			}
			shares[c] = max(0, float64(count)*(taken[c]+float64(free[c]))/float64(n)-taken[c])
		}
		shrink(shares, float64(count-pins))
		for c, k := range policy.LargestRemainder(shares, count-pins, free) {
			from, to := c*q.size, min((c+1)*q.size, n)
			for _, j := range policy.Largest(s.Scores[h][from:to], k, func(j int) bool { return s.IsPinned(from + j) }) {
				heads[h] = append(heads[h], int32(from)+j)
			}
		}
		slices.Sort(heads[h])
	}
	return heads, nil
}

// shrink scales shares down so that they sum to at most total.
func shrink(shares []float64, total float64) {
	var sum float64
	for _, s := range shares {
		sum += s
	}
	if sum > total {
		for i := range shares {
			shares[i] *= total / sum
		}
	}
}

func init() {
	policy.Register(policy.Method{
		Name:  "quota",
		Title: "Quota per chunk",
		Paper: "ChunkPress of kvpress: every chunk of the prompt compressed by the same rate, over any score",
		Good:  "retrieval from anywhere in a long text with scores that drift along it",
		Bad:   "spends as much on dull chunks as on those that matter",
		Params: []policy.Param{
			{Name: "size", Default: "1024", Min: 2, Max: 1 << 20, Whole: true, Meaning: "entries of a chunk"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Select: quota{a.Int("size")}}, nil
		},
	})
}
