package policy

import (
	"cmp"
	"slices"
)

// IsPinned reports whether entry j is kept by every head whatever its score.
func (s *Scored) IsPinned(j int) bool { return j < s.Sinks || j >= s.Tokens-s.Recent }

// Top returns the entries that head h keeps: the pinned ones and, of the others, those with the highest scores, count in all;
// ties go to the lower index. Entries that lie in fewer bits already are none of them. Ascending.
func (s *Scored) Top(h, count int) []int32 {
	if count >= s.Tokens && s.Low == nil {
		return everything(1, s.Tokens)[0]
	}
	low := func(j int) bool { return s.Low != nil && s.Low[h][j] }
	pins := s.PinsOf(h)
	pinned := func(j int) bool { return j < pins.Sinks || j >= s.Tokens-pins.Recent }
	kept, sinks := make([]int32, 0, count), 0
	for j := range s.Tokens {
		if pinned(j) && !low(j) {
			kept = append(kept, int32(j))
			if j < pins.Sinks {
				sinks++
			}
		}
	}
	if len(kept) >= count {
		// The pins alone are too many for this head: the first sinks and the newest entries share what there is.
		sinks = min(sinks, count)
		recent := count - sinks
		return append(kept[:sinks], kept[len(kept)-recent:]...)
	}
	kept = append(kept, Largest(s.Scores[h], count-len(kept), func(j int) bool { return pinned(j) || low(j) })...)
	slices.Sort(kept)
	return kept
}

// Largest returns the indices of the k largest values among those that skip does not exclude, in no particular order; ties go to
// the lower index. It takes O(n) on average: a selection, not a sort.
func Largest(values []float32, k int, skip func(int) bool) []int32 {
	index := make([]int32, 0, len(values))
	for j := range values {
		if skip == nil || !skip(j) {
			index = append(index, int32(j))
		}
	}
	if k >= len(index) {
		return index
	}
	if k <= 0 {
		return nil
	}
	before := func(a, b int32) int {
		if c := cmp.Compare(values[b], values[a]); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	}
	lo, hi := 0, len(index)
	for hi-lo > 32 {
		// Median of three as pivot; the order is total, so equal scores do not degrade it.
		mid, last := lo+(hi-lo)/2, hi-1
		if before(index[mid], index[lo]) < 0 {
			index[mid], index[lo] = index[lo], index[mid]
		}
		if before(index[last], index[lo]) < 0 {
			index[last], index[lo] = index[lo], index[last]
		}
		if before(index[last], index[mid]) < 0 {
			index[last], index[mid] = index[mid], index[last]
		}
		pivot := index[mid]
		i, j := lo, last
		for i <= j {
			for before(index[i], pivot) < 0 {
				i++
			}
			for before(index[j], pivot) > 0 {
				j--
			}
			if i <= j {
				index[i], index[j] = index[j], index[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case k <= j:
			hi = j + 1
		case k >= i:
			lo = i
		default:
			return index[:k]
		}
	}
	slices.SortFunc(index[lo:hi], before)
	return index[:k]
}
