package method

import (
	"fmt"

	"pith/policy"
)

// chunks takes entries in runs of equal length, the same for all heads of a layer (ChunkKV, arXiv 2502.00299, section 3): scores are
// added over heads and averaged over the run, the last one possibly short; pinned entries count as the layer's highest score.
// ⌊#chunks·B/n⌋ whole chunks are kept, so a little less than the budget is used.
type chunks struct{ size int }

// Select implements policy.Selector.
func (c chunks) Select(s *policy.Scored, counts []int) ([][]int32, error) {
	for _, n := range counts {
		if n != counts[0] {
			return nil, fmt.Errorf("policy: chunks: heads with %d and %d entries; whole chunks need equal heads", counts[0], n)
		}
	}
	n, keep := s.Tokens, counts[0]
	if n < c.size || keep >= n {
		heads := make([][]int32, len(counts))
		for h := range heads {
			heads[h] = s.Top(h, keep)
		}
		return heads, nil
	}
	var top float32
	for h := range s.Scores {
		for j, v := range s.Scores[h] {
			if !s.IsPinned(j) {
				top = max(top, v)
			}
		}
	}
	runs := (n + c.size - 1) / c.size
	scores := make([]float32, runs)
	for r := range scores {
		lo, hi := r*c.size, min((r+1)*c.size, n)
		var sum float32
		for h := range s.Scores {
			for j := lo; j < hi; j++ {
				if s.IsPinned(j) {
					sum += top + 1
				} else {
					sum += s.Scores[h][j]
				}
			}
		}
		scores[r] = sum / float32(hi-lo)
	}
	var kept []int32
	chosen := map[int32]bool{}
	for _, r := range policy.Largest(scores, max(1, runs*keep/n), nil) {
		chosen[r] = true
	}
	for j := range n {
		if chosen[int32(j/c.size)] && len(kept) < keep {
			kept = append(kept, int32(j))
		}
	}
	heads := make([][]int32, len(counts))
	for h := range heads {
		heads[h] = kept
	}
	return heads, nil
}

func init() {
	policy.Register(policy.Method{
		Name:  "chunks",
		Title: "ChunkKV",
		Paper: "Liu et al., ChunkKV: Semantic-Preserving KV Cache Compression, arXiv 2502.00299, section 3",
		Good:  "whole phrases survive: facts of several tokens are found with any pooling kernel",
		Bad:   "coarse at small budgets; up to one chunk of the budget is unused",
		Params: []policy.Param{
			{Name: "size", Default: "20", Min: 2, Max: 4096, Whole: true, Meaning: "entries of a chunk"},
		},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Select: chunks{a.Int("size")}}, nil
		},
	})
}
