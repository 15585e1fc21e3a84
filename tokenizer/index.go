package tokenizer

import "hash/maphash"

// textIndex finds tokens by text. A slot carries half of the hash beside the id, so that a text that is no token, the
// usual case while merging, costs one memory access. The hash is seeded: nobody can choose tokens that collide.
type textIndex struct {
	seed  maphash.Seed
	keys  []string // [id]
	slots []uint64 // upper half of the hash | id + 1; 0: empty; at most half full
	shift uint
}

func newTextIndex(keys []string) textIndex {
	t := textIndex{seed: maphash.MakeSeed(), keys: keys}
	size, bits := 16, uint(4)
	for size < 2*len(keys) {
		size, bits = size*2, bits+1
	}
	t.slots, t.shift = make([]uint64, size), 64-bits
	return t
}

const upperHalf = 0xffffffff << 32

// add enters keys[id]; of equal keys the first stays, and is returned.
func (t *textIndex) add(id TokenID) TokenID {
	h, key := maphash.String(t.seed, t.keys[id]), t.keys[id]
	for i := h >> t.shift; ; i = (i + 1) & uint64(len(t.slots)-1) {
		s := t.slots[i]
		if s == 0 {
			t.slots[i] = h&upperHalf | uint64(id+1)
			return id
		}
		if (s^h)>>32 == 0 && t.keys[uint32(s)-1] == key {
			return TokenID(uint32(s) - 1)
		}
	}
}

// find is the token of a text, -1 where there is none.
func (t *textIndex) find(text string) TokenID {
	h := maphash.String(t.seed, text)
	for i := h >> t.shift; ; i = (i + 1) & uint64(len(t.slots)-1) {
		s := t.slots[i]
		if s == 0 {
			return -1
		}
		if (s^h)>>32 == 0 && t.keys[uint32(s)-1] == text {
			return TokenID(uint32(s) - 1)
		}
	}
}

// findBytes is find without making a string.
func (t *textIndex) findBytes(text []byte) TokenID {
	h := maphash.Bytes(t.seed, text)
	for i := h >> t.shift; ; i = (i + 1) & uint64(len(t.slots)-1) {
		s := t.slots[i]
		if s == 0 {
			return -1
		}
		if (s^h)>>32 == 0 && t.keys[uint32(s)-1] == string(text) {
			return TokenID(uint32(s) - 1)
		}
	}
}
