package tokenizer

// Both models merge the same way: of all adjacent pairs that form a token, the best one first, of equals the leftmost.
// A heap holds the pairs; a pair that has gone stale meanwhile is recognised when it comes up. n symbols take
// O(n log n), also when they are a megabyte of one character.

// link is a symbol of the chain: a span of the text and its token.
type link struct {
	prev, next int32 // -1 at the ends
	from, to   int32 // bytes of the text; to < 0: merged into its left neighbour
	id         int32 // token, or -1 where the span is none
}

// candidate is a pair that may merge. The pair is still the one that was pushed as long as its left link lives and its
// right neighbour still ends at to: links only grow to the right, by taking their neighbour whole.
type candidate struct {
	key uint64 // rank<<32 | index of the left link: lower is better
	to  int32
	id  int32
}

// joiner tells what two adjacent links make: the rank of the merge (lower is better) and the token.
type joiner interface {
	join(l, r *link) (rank uint32, id int32, ok bool)
}

// scratch is the working memory of one Encode call, and the caches that outlive it.
type scratch struct {
	links []link
	heap  []candidate
	buf   []byte
	spans []span
	hits  []hit
	taken []bool
	ids   []int32
	pairs []uint64
	cache *wordCache
	word  spmWord
}

// merge runs the chain in s.links to its end and returns the index of its first link (0).
func (s *scratch) merge(j joiner) {
	s.heap = s.heap[:0]
	for i := int32(0); int(i) < len(s.links); i++ {
		s.consider(j, i, false)
	}
	for i := len(s.heap)/2 - 1; i >= 0; i-- {
		s.down(i)
	}
	for len(s.heap) > 0 {
		c := s.heap[0]
		last := len(s.heap) - 1
		s.heap[0] = s.heap[last]
		s.heap = s.heap[:last]
		if last > 0 {
			s.down(0)
		}
		i := int32(uint32(c.key))
		l := &s.links[i]
		if l.to < 0 || l.next < 0 || s.links[l.next].to != c.to {
			continue
		}
		r := &s.links[l.next]
		l.to, l.id, l.next = r.to, c.id, r.next
		r.to = -1
		if l.next >= 0 {
			s.links[l.next].prev = i
		}
		if l.prev >= 0 {
			s.consider(j, l.prev, true)
		}
		s.consider(j, i, true)
	}
}

// consider pushes the pair of link i and its right neighbour, if it makes a token.
func (s *scratch) consider(j joiner, i int32, sift bool) {
	l := &s.links[i]
	if l.next < 0 {
		return
	}
	r := &s.links[l.next]
	rank, id, ok := j.join(l, r)
	if !ok {
		return
	}
	s.heap = append(s.heap, candidate{key: uint64(rank)<<32 | uint64(uint32(i)), to: r.to, id: id})
	if sift {
		s.up(len(s.heap) - 1)
	}
}

func (s *scratch) up(i int) {
	h := s.heap
	c := h[i]
	for i > 0 {
		p := (i - 1) / 2
		if h[p].key <= c.key {
			break
		}
		h[i] = h[p]
		i = p
	}
	h[i] = c
}

func (s *scratch) down(i int) {
	h := s.heap
	c := h[i]
	for {
		k := 2*i + 1
		if k >= len(h) {
			break
		}
		if k+1 < len(h) && h[k+1].key < h[k].key {
			k++
		}
		if c.key <= h[k].key {
			break
		}
		h[i] = h[k]
		i = k
	}
	h[i] = c
}

// wordCache remembers the tokens of short words, by their bytes. Two words share a set; a third drives out the one that
// entered first. Most words of a text are short and come again: of Newton's Opticks, 93% are found here.
type wordCache struct {
	sets [1 << 13][2]cachedWord
}

type cachedWord struct {
	lo, hi uint64 // the word, its length in the highest byte; 0: empty
	n      int32
	ids    [7]int32
}

const cachedBytes = 15 // longest word that fits a key

func wordKey(w string) (lo, hi uint64) {
	for i := min(len(w), 8) - 1; i >= 0; i-- {
		lo = lo<<8 | uint64(w[i])
	}
	for i := len(w) - 1; i >= 8; i-- {
		hi = hi<<8 | uint64(w[i])
	}
	return lo, hi | uint64(len(w))<<56
}

// find is the entry of a key, nil where there is none.
func (c *wordCache) find(lo, hi uint64) *cachedWord {
	s := &c.sets[cacheHash(lo, hi)>>(64-13)]
	for i := range s {
		if s[i].lo == lo && s[i].hi == hi {
			return &s[i]
		}
	}
	return nil
}

// put enters a word that is not there, unless it has too many tokens.
func (c *wordCache) put(lo, hi uint64, ids []TokenID) {
	s := &c.sets[cacheHash(lo, hi)>>(64-13)]
	if len(ids) > len(s[0].ids) {
		return
	}
	s[1] = s[0]
	s[0].lo, s[0].hi, s[0].n = lo, hi, int32(len(ids))
	copy(s[0].ids[:], ids)
}

func cacheHash(lo, hi uint64) uint64 { return (lo ^ hi*0x9e3779b97f4a7c15) * 0xd6e8feb86659fd93 }
