package tokenizer

import (
	"fmt"
	"strings"
)

// bpe is byte-level BPE (Sennrich et al. 2016, on bytes as in GPT-2): words from the family's scanner, and in each word
// the pair of lowest rank merged first.
type bpe struct {
	v            *vocabulary
	stages       []finder
	ignoreMerges bool
	byteIDs      [256]int32
	pairs        pairTable
	// Parts and results of merges that are no tokens themselves. They take ids from the size of the vocabulary on, so
	// that merging through them still works, and are written as their bytes in the end.
	virtual []string
}

func newBPE(m *metadata, v *vocabulary, fam family) (*bpe, error) {
	if !m.hasMerge {
		return nil, fmt.Errorf("tokenizer: no tokenizer.ggml.merges of type string array")
	}
	loadClasses()
	b := &bpe{v: v, stages: fam.stages, ignoreMerges: fam.ignoreMerges}
	extra := map[string]int32{}
	id := func(text []byte) int32 {
		if id := v.ids.findBytes(text); id >= 0 {
			return id
		}
		if id, ok := extra[string(text)]; ok {
			return id
		}
		id := int32(len(v.texts) + len(b.virtual))
		extra[string(text)] = id
		b.virtual = append(b.virtual, string(text))
		return id
	}
	var buf []byte
	missing := 0
	for c := range b.byteIDs {
		buf = appendByteChars(buf[:0], string([]byte{byte(c)}))
		if v.ids.findBytes(buf) < 0 {
			missing++
		}
		b.byteIDs[c] = id(buf)
	}
	if missing == 256 {
		return nil, fmt.Errorf("tokenizer: tokenizer.ggml.tokens: no token stands for a single byte")
	}
	b.pairs.init(len(m.merges))
	for rank, text := range m.merges {
		if len(text) < 3 {
			return nil, fmt.Errorf("tokenizer: tokenizer.ggml.merges: entry %d, %q, is no pair", rank, text)
		}
		cut := strings.IndexByte(text[1:], ' ') + 1 // the first part may not be empty
		if cut == 0 || cut == len(text)-1 {
			return nil, fmt.Errorf("tokenizer: tokenizer.ggml.merges: entry %d, %.60q, is no pair", rank, text)
		}
		buf = append(append(buf[:0], text[:cut]...), text[cut+1:]...)
		b.pairs.put(id(buf[:cut]), id(buf[cut:]), uint32(rank), id(buf))
	}
	return b, nil
}

func (b *bpe) encode(out []TokenID, text string, _ bool, s *scratch) ([]TokenID, error) {
	if s.cache == nil {
		s.cache = new(wordCache)
	}
	text = characters(text)
	words(text, b.stages, func(w string) { out = b.word(out, w, s) })
	return out, nil
}

func (b *bpe) word(out []TokenID, w string, s *scratch) []TokenID {
	if len(w) > cachedBytes {
		return b.merge(out, w, s)
	}
	lo, hi := wordKey(w)
	if c := s.cache.find(lo, hi); c != nil {
		return append(out, c.ids[:c.n]...)
	}
	start := len(out)
	out = b.merge(out, w, s)
	s.cache.put(lo, hi, out[start:])
	return out
}

func (b *bpe) merge(out []TokenID, w string, s *scratch) []TokenID {
	if b.ignoreMerges {
		s.buf = appendByteChars(s.buf[:0], w)
		if id := b.v.ids.findBytes(s.buf); id >= 0 {
			return append(out, id)
		}
	}
	const short = 48 // below, looking at every pair beats a heap
	if len(w) > short {
		s.links = s.links[:0]
		for i := 0; i < len(w); i++ {
			s.links = append(s.links, link{prev: int32(i - 1), next: int32(i + 1), from: int32(i), to: int32(i + 1), id: b.byteIDs[w[i]]})
		}
		s.links[len(w)-1].next = -1
		s.merge(&b.pairs)
		for i := int32(0); i >= 0; i = s.links[i].next {
			out = b.append(out, s.links[i].id)
		}
		return out
	}

	const none = ^uint64(0)
	ids, pairs := s.ids[:0], s.pairs[:0]
	for i := 0; i < len(w); i++ {
		ids = append(ids, b.byteIDs[w[i]])
	}
	for i := 1; i < len(ids); i++ {
		pairs = append(pairs, b.pairs.get(ids[i-1], ids[i]))
	}
	for {
		best, at := none, -1
		for i, p := range pairs {
			if p < best {
				best, at = p, i
			}
		}
		if at < 0 {
			break
		}
		ids[at] = int32(uint32(best))
		ids = append(ids[:at+1], ids[at+2:]...)
		pairs = append(pairs[:at], pairs[at+1:]...)
		if at > 0 {
			pairs[at-1] = b.pairs.get(ids[at-1], ids[at])
		}
		if at < len(pairs) {
			pairs[at] = b.pairs.get(ids[at], ids[at+1])
		}
	}
	s.ids, s.pairs = ids, pairs
	for _, id := range ids {
		out = b.append(out, id)
	}
	return out
}

// append writes a token, or the bytes of what is none. A byte without a token is left out, as in llama.cpp and in the
// reference tokenizer: vocabularies that lack some (SmolLM2: six control characters, and bytes that UTF-8 hardly uses)
// were trained like that, and a stray control character must not make a document unreadable.
func (b *bpe) append(out []TokenID, id int32) []TokenID {
	n := int32(len(b.v.texts))
	if id < n {
		return append(out, id)
	}
	for _, r := range b.virtual[id-n] {
		if r < rune(len(runeBytes)) && runeBytes[r] >= 0 && b.byteIDs[runeBytes[r]] < n {
			out = append(out, b.byteIDs[runeBytes[r]])
		}
	}
	return out
}

// pairTable maps a pair of ids to its rank and result: open addressing over a table at most half full.
type pairTable struct {
	slots []pairSlot
	shift uint
}

type pairSlot struct {
	key uint64 // left<<32 | right, plus one; 0: empty
	val uint64 // rank<<32 | result
}

func (t *pairTable) init(n int) {
	size, bits := 16, uint(4)
	for size < 2*n {
		size, bits = size*2, bits+1
	}
	t.slots, t.shift = make([]pairSlot, size), 64-bits
}

func pairKey(l, r int32) uint64 { return (uint64(uint32(l))<<32 | uint64(uint32(r))) + 1 }

// at is the slot of the key, or the empty one where it belongs.
func (t *pairTable) at(key uint64) *pairSlot {
	mask := len(t.slots) - 1
	i := int(key * 0x9e3779b97f4a7c15 >> t.shift)
	for t.slots[i].key != 0 && t.slots[i].key != key {
		i = (i + 1) & mask
	}
	return &t.slots[i]
}

// put enters a pair; of several ranks the first stays.
func (t *pairTable) put(l, r int32, rank uint32, id int32) {
	key := pairKey(l, r)
	if s := t.at(key); s.key == 0 {
		*s = pairSlot{key, uint64(rank)<<32 | uint64(uint32(id))}
	}
}

// get is rank<<32 | result, all ones where the pair does not merge.
func (t *pairTable) get(l, r int32) uint64 {
	if s := t.at(pairKey(l, r)); s.key != 0 {
		return s.val
	}
	return ^uint64(0)
}

func (t *pairTable) join(l, r *link) (uint32, int32, bool) {
	v := t.get(l.id, r.id)
	return uint32(v >> 32), int32(uint32(v)), v != ^uint64(0)
}
