package tokenizer

import (
	"fmt"
	"slices"
	"strings"
)

// matcher finds special tokens in raw text, before anything is normalised. As in llama.cpp, longer tokens go first over
// the whole text, of equal length the lower id, and each takes its leftmost places; so "leftmost-longest" is not the
// rule: with tokens "ab" and "bcd", "abcd" is "a" + "bcd".
type matcher struct {
	lengths []int32         // [id], 0: not sought
	strip   []bool          // [id]: whitespace after the token belongs to it; nil: for none
	pairs   [1 << 10]uint64 // bit of each pair of bytes that a token starts with
	single  [4]uint64       // bit of each byte that is a token by itself
	edges   edgeTable
	ends    []TokenID // [node]: token that ends there, -1
	any     bool
}

// span is an accepted token: the text before it ends at cut, and goes on at resume.
type span struct {
	cut, resume int
	id          TokenID
}

// hit is a place where a token may stand.
type hit struct {
	at, n int32
	id    TokenID
}

// longestSpecial bounds the time that one place of the text can take; real special tokens have less than 100 bytes.
const longestSpecial = 512

// newMatchers makes the matcher of user-defined tokens, and the one of user-defined, control and unknown tokens.
func newMatchers(v *vocabulary, name string) (plain, parsed *matcher, err error) {
	var user, all []TokenID
	for i := range v.texts {
		id := TokenID(i)
		if v.has(id, attrUserDefined|attrControl|attrUnknown) {
			if n := len(v.texts[i]); n > longestSpecial {
				return nil, nil, fmt.Errorf("tokenizer: token %d: special with %d bytes, more than %d", i, n, longestSpecial)
			}
			all = append(all, id)
			if !v.IsControl(id) {
				user = append(user, id)
			}
		}
	}
	// GGUF has no attribute for it: the special tokens of Phi-3 swallow the whitespace after them, save three.
	var strip []bool
	if n := strings.ToLower(name); strings.Contains(n, "phi-3") || strings.Contains(n, "phi3") {
		strip = make([]bool, len(v.texts))
		for _, id := range all {
			strip[id] = true
		}
		if id, ok := v.Lookup("</s>"); ok {
			strip[id] = true
		}
		for _, text := range []string{"<unk>", "<s>", "<|endoftext|>"} {
			if id, ok := v.Lookup(text); ok {
				strip[id] = false
			}
		}
	}
	return newMatcher(v, user, strip), newMatcher(v, all, strip), nil
}

func newMatcher(v *vocabulary, ids []TokenID, strip []bool) *matcher {
	m := &matcher{strip: strip, ends: []TokenID{-1}}
	bytes := 0
	for _, id := range ids {
		bytes += len(v.texts[id])
	}
	m.edges.init(bytes)
	for _, id := range ids {
		text := v.texts[id]
		m.any = true
		if len(text) == 1 {
			m.single[text[0]>>6] |= 1 << (text[0] & 63)
		} else {
			k := uint(text[0])<<8 | uint(text[1])
			m.pairs[k>>6] |= 1 << (k & 63)
		}
		node := int32(0)
		for i := 0; i < len(text); i++ {
			next := m.edges.get(node, text[i])
			if next < 0 {
				next = int32(len(m.ends))
				m.ends = append(m.ends, -1)
				m.edges.put(node, text[i], next)
			}
			node = next
		}
		m.ends[node] = id
	}
	return m
}

// longest is the longest token at text[at] of at most limit bytes.
func (m *matcher) longest(text string, at, limit int) (n int, id TokenID) {
	node := int32(0)
	id = -1
	for i := 0; i < limit && at+i < len(text); i++ {
		if node = m.edges.get(node, text[at+i]); node < 0 {
			break
		}
		if m.ends[node] >= 0 {
			n, id = i+1, m.ends[node]
		}
	}
	return n, id
}

// find gives the special tokens of text in order. The result is borrowed from s until the next call.
//
// Every place where a token may stand enters with its longest token. Places are settled by falling length; one that
// finds part of its text taken comes back with its next shorter token. A place is looked at again only when it lies
// within one token's length before a taken one, so the work is linear in the text for a given vocabulary.
func (m *matcher) find(text string, s *scratch) []span {
	s.spans, s.hits = s.spans[:0], s.hits[:0]
	if !m.any {
		return nil
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		if m.single[c>>6]&(1<<(c&63)) == 0 {
			if i+1 == len(text) {
				break
			}
			k := uint(c)<<8 | uint(text[i+1])
			if m.pairs[k>>6]&(1<<(k&63)) == 0 {
				continue
			}
		}
		if n, id := m.longest(text, i, len(text)); n > 0 {
			s.hits = append(s.hits, hit{int32(i), int32(n), id})
		}
	}
	if len(s.hits) == 0 {
		return nil
	}
	s.settle(m, text)
	slices.SortFunc(s.spans, func(a, b span) int { return a.cut - b.cut })
	return s.spans
}

// settle accepts hits in order of length, id and place.
func (s *scratch) settle(m *matcher, text string) {
	s.taken = append(s.taken[:0], make([]bool, len(text))...)
	order := func(a, b hit) int {
		switch {
		case a.n != b.n:
			return int(b.n - a.n)
		case a.id != b.id:
			return int(a.id - b.id)
		}
		return int(a.at - b.at)
	}
	for pending := s.hits; len(pending) > 0; {
		slices.SortFunc(pending, order)
		n, later := pending[0].n, 0
		for _, h := range pending {
			if h.n < n {
				pending[later] = h
				later++
				continue
			}
			free := int32(0)
			for free < n && !s.taken[h.at+free] {
				free++
			}
			if free < n { // something longer or earlier stands in the way
				if k, id := m.longest(text, int(h.at), int(free)); k > 0 {
					pending[later] = hit{h.at, int32(k), id}
					later++
				}
				continue
			}
			end := int(h.at + n)
			for i := int(h.at); i < end; i++ {
				s.taken[i] = true
			}
			if m.strip != nil && m.strip[h.id] {
				for end < len(text) && !s.taken[end] && (text[end] == ' ' || text[end] >= '\t' && text[end] <= '\r') {
					s.taken[end] = true
					end++
				}
			}
			s.spans = append(s.spans, span{int(h.at), end, h.id})
		}
		pending = pending[:later]
	}
}

// edgeTable maps a node of the trie and a byte to the next node.
type edgeTable struct {
	keys  []uint64 // (node<<8 | byte) + 1; 0: empty
	next  []int32
	shift uint
}

func (t *edgeTable) init(n int) {
	size, bits := 16, uint(4)
	for size < 2*n {
		size, bits = size*2, bits+1
	}
	t.keys, t.next, t.shift = make([]uint64, size), make([]int32, size), 64-bits
}

func (t *edgeTable) at(key uint64) int {
	mask := len(t.keys) - 1
	i := int(key * 0x9e3779b97f4a7c15 >> t.shift)
	for t.keys[i] != 0 && t.keys[i] != key {
		i = (i + 1) & mask
	}
	return i
}

func (t *edgeTable) put(node int32, c byte, next int32) {
	key := uint64(node)<<8 + uint64(c) + 1
	i := t.at(key)
	t.keys[i], t.next[i] = key, next
}

func (t *edgeTable) get(node int32, c byte) int32 {
	if i := t.at(uint64(node)<<8 + uint64(c) + 1); t.keys[i] != 0 {
		return t.next[i]
	}
	return -1
}
