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

// Heaviest appends the indices of the k largest masses, none of them negative, ascending; of equals the first ones are taken, and NaN never. scratch may serve
// many calls.
//
// Counting what reaches thresholds has no branches to guess, as selection has, and takes four at once. A sample tells which masses need no counting.
func Heaviest(dst []int32, masses []float32, k int, scratch *[]float32) []int32 {
	from, n := len(dst), len(masses)
	if k = min(k, n); k <= 0 {
		return dst
	}
	r, step := newBracket(n), uint32(0)
	if n > 4*sampleLen {
		var sample [sampleLen]float32
		for i := 0; i < sampleLen; i += sampleRun {
			copy(sample[i:i+sampleRun], masses[i*(n/sampleLen):])
		}
		share := k * sampleLen / n
		spread := 8 + int(3*math.Sqrt(float64(share)))
		below, above := newBracket(sampleLen), newBracket(sampleLen)
		below.close(sample[:], min(sampleLen, share+spread), 4)
		above.close(sample[:], max(1, share-spread), 4)
		r.low, step = below.low, (above.high-below.low)/4
	}
	values := (*scratch)[:0]
	dst, values = kernel.PickAtLeast(dst, values, masses, math.Float32frombits(r.low))
	if len(values) < k && r.low > 0 { // the sample is unlike the rest
		r.low = 0
		dst, values = kernel.PickAtLeast(dst[:from], values[:0], masses, 0)
	}
	*scratch = values
	if r.reach = len(values); r.reach <= k {
		return dst
	}
	if step > 0 {
		r.count(values, k, r.low+step, step)
	}
	r.close(values, k, 1)
	picked := kernel.KeepAtLeast(dst[from:], values, math.Float32frombits(r.low))
	if len(picked) == k {
		return dst[:from+k]
	}
	ties, kept := k-r.above, 0
	for _, j := range picked {
		if math.Float32bits(masses[j]) == r.low {
			if ties == 0 {
				continue
			}
			ties--
		}
		picked[kept] = j
		kept++
	}
	return dst[:from+kept]
}

const (
	sampleLen = 1024
	sampleRun = 64 // neighbours
)

// bracket is where the k-th largest of some numbers is. Bits of numbers that are not negative are ordered as the numbers are: reach of them, at least k, are not
// below low; above of them, fewer than k, are not below high.
type bracket struct {
	low, high    uint32
	reach, above int
}

func newBracket(n int) bracket {
	return bracket{high: math.Float32bits(float32(math.Inf(1))) + 1, reach: n}
}

// close narrows the bracket until it holds at most width numbers, or equal ones.
func (r *bracket) close(x []float32, k, width int) {
	for r.reach-r.above > width && r.reach > k && r.high-r.low > 1 {
		step := max(1, (r.high-r.low)/5)
		r.count(x, k, r.low+step, step)
	}
}

// count takes four thresholds, a step apart from the first on.
func (r *bracket) count(x []float32, k int, first, step uint32) {
	var bits [4]uint32
	var thresholds [4]float32
	for i := range bits {
		bits[i] = min(first+uint32(i)*step, r.high-1)
		thresholds[i] = math.Float32frombits(bits[i])
	}
	counts := kernel.CountAtLeast(x, &thresholds)
	for i := 3; i >= 0; i-- {
		if counts[i] >= k {
			r.low, r.reach = max(r.low, bits[i]), counts[i]
			return
		}
		r.high, r.above = bits[i], counts[i]
	}
}
