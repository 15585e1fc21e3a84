package metric

import "math"

// ratio is twice the number of characters in matching blocks over the number of characters of both texts, in whole percents, half to
// even. Blocks are found as Ratcliff and Obershelp do: the longest one, then left and right of it (Ratcliff and Metzener, Pattern
// Matching: The Gestalt Approach, 1988). In a second text of 200 characters and more those that make up over a hundredth of it begin
// no block. Equal texts score 1, an empty one 0.
func ratio(a, b string) float64 {
	if a == b {
		return 1
	}
	if a == "" || b == "" {
		return 0
	}
	m := newMatcher([]rune(a), []rune(b))
	matches := 0
	m.blocks(0, len(m.a), 0, len(m.b), &matches)
	return math.RoundToEven(100*(2*float64(matches)/float64(len(m.a)+len(m.b)))) / 100
}

// matcher finds common blocks of two texts.
type matcher struct {
	a, b []rune
	at   map[rune][]int // places in b, ascending, without popular characters
}

// popularFrom is the length of b from which on frequent characters are passed over.
const popularFrom = 200

func newMatcher(a, b []rune) *matcher {
	m := &matcher{a: a, b: b, at: map[rune][]int{}}
	for j, r := range b {
		m.at[r] = append(m.at[r], j)
	}
	if len(b) >= popularFrom {
		for r, places := range m.at {
			if len(places) > len(b)/100+1 {
				delete(m.at, r)
			}
		}
	}
	return m
}

// blocks counts the characters in matching blocks of a[alo:ahi] and b[blo:bhi]. The stretches left and right of a block shrink, so that
// the depth is at most that of the shorter text.
func (m *matcher) blocks(alo, ahi, blo, bhi int, count *int) {
	if alo >= ahi || blo >= bhi {
		return
	}
	i, j, n := m.longest(alo, ahi, blo, bhi)
	if n == 0 {
		return
	}
	*count += n
	m.blocks(alo, i, blo, j, count)
	m.blocks(i+n, ahi, j+n, bhi, count)
}

// longest returns the longest common block, the first in a and then in b of several. Popular characters are not looked for but extend a
// block at both ends.
func (m *matcher) longest(alo, ahi, blo, bhi int) (bestI, bestJ, best int) {
	bestI, bestJ = alo, blo
	lengths := map[int]int{} // of the block that ends at place j of b, for the character before
	for i := alo; i < ahi; i++ {
		next := map[int]int{}
		for _, j := range m.at[m.a[i]] {
			if j < blo {
				continue
			}
			if j >= bhi {
				break
			}
			n := lengths[j-1] + 1
			next[j] = n
			if n > best {
				bestI, bestJ, best = i-n+1, j-n+1, n
			}
		}
		lengths = next
	}
	for bestI > alo && bestJ > blo && m.a[bestI-1] == m.b[bestJ-1] {
		bestI, bestJ, best = bestI-1, bestJ-1, best+1
	}
	for bestI+best < ahi && bestJ+best < bhi && m.a[bestI+best] == m.b[bestJ+best] {
		best++
	}
	return bestI, bestJ, best
}
