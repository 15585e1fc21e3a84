package policy

import (
	"math"
	"slices"

	"pith/kernel"
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

// Largest returns the indices of the k largest values among those that skip does not exclude, ascending; ties go to the lower index, and NaN counts as
// -Inf. It takes O(n) on average: the k-th largest value is selected, and what reaches it is taken.
func Largest(values []float32, k int, skip func(int) bool) []int32 {
	index := make([]int32, 0, len(values))
	ordered := make([]float32, 0, len(values))
	for j, v := range values {
		if skip == nil || !skip(j) {
			if v != v {
				v = float32(math.Inf(-1))
			}
			index, ordered = append(index, int32(j)), append(ordered, v)
		}
	}
	if k >= len(index) {
		return index
	}
	if k <= 0 {
		return nil
	}
	least, ties := KthLargest(slices.Clone(ordered), k)
	largest := index[:0]
	for i, v := range ordered {
		if v == least {
			ties--
		}
		if v > least || v == least && ties >= 0 {
			largest = append(largest, index[i])
		}
	}
	return largest
}

// KthLargest returns the k-th largest value, none of them NaN, and how many of the k equal it: the smallest one where there are fewer than k, infinity and
// none where k or values are nothing. Values are reordered.
func KthLargest(values []float32, k int) (least float32, ties int) {
	if k <= 0 || len(values) == 0 {
		return float32(math.Inf(1)), 0
	}
	k = min(k, len(values))
	values, k = narrow(values, k)
	lo, hi := 0, len(values)-1
	for lo < hi {
		a, b, c := values[lo], values[lo+(hi-lo)/2], values[hi]
		pivot := max(min(a, b), min(max(a, b), c))
		i, j := lo, hi
		for i <= j {
			for values[i] > pivot {
				i++
			}
			for values[j] < pivot {
				j--
			}
			if i <= j {
				values[i], values[j] = values[j], values[i]
				i++
				j--
			}
		}
		switch {
		case k-1 <= j:
			hi = j
		case k-1 >= i:
			lo = i
		default:
			lo, hi = k-1, k-1
		}
	}
	least = values[k-1]
	for _, v := range values[:k] {
		if v == least {
			ties++
		}
	}
	return least, ties
}

// narrow returns values among which the k-th largest of the given ones is, and the how-manieth largest of these it is: one of many equal bins between
// the smallest and the largest value. Counting into bins has no branches to guess, as selection has.
func narrow(values []float32, k int) ([]float32, int) {
	var counts [512]int32
	if len(values) < len(counts) {
		return values, k
	}
	lo, hi := values[0], values[0]
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	scale := float32(len(counts)-1) / (hi - lo)
	if !(scale > 0) || math.IsInf(float64(scale), 1) { // all equal, or infinity among them
		return values, k
	}
	for _, v := range values {
		counts[uint(int32((v-lo)*scale))%uint(len(counts))]++ // never above the last bin: a product of rounded numbers grows with them
	}
	bin := len(counts) - 1
	for ; k > int(counts[bin]); bin-- {
		k -= int(counts[bin])
	}
	n := 0
	for i, v := range values {
		if int((v-lo)*scale) == bin {
			values[n], values[i] = v, values[n]
			n++
		}
	}
	return values[:n], k
}

// Heaviest appends the indices of the k largest masses, from 0 to most, ascending. Masses whose exponents and first seven bits are the same may count as
// equal, and so do all below 2^-32 of the most; of equals the first ones are taken.
func Heaviest(dst []int32, masses []float32, k int, most float32) []int32 {
	k = min(k, len(masses))
	// Bits of numbers that are not negative are ordered as the numbers are. reach of the masses, at least k, are not below low; above of them, fewer than k, not below high.
	const fine, lowest = 1 << 16, 32 << 23
	low, high := uint32(0), math.Float32bits(most)+1
	reach, above := len(masses), 0
	for step := min(lowest, high) / 4; reach > k && step > 0; {
		var bits [4]uint32
		var thresholds [4]float32
		for i := range bits {
			bits[i] = high - uint32(4-i)*step
			thresholds[i] = math.Float32frombits(bits[i])
		}
		counts := kernel.CountAtLeast(masses, &thresholds)
		for i := 3; i >= 0; i-- {
			if counts[i] >= k {
				low, reach = bits[i], counts[i]
				break
			}
			high, above = bits[i], counts[i]
		}
		if step = (high - low) / 5; low == 0 || high-low <= fine {
			break
		}
	}
	from := len(dst)
	dst = kernel.PickAtLeast(dst, masses, math.Float32frombits(low))
	if reach == k {
		return dst
	}
	ties, kept := k-above, from
	for _, i := range dst[from:] {
		if math.Float32bits(masses[i]) < high {
			if ties == 0 {
				continue
			}
			ties--
		}
		dst[kept] = i
		kept++
	}
	return dst[:kept]
}
