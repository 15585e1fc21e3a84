package tokenizer

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// spm is SentencePiece BPE: adjacent symbols whose joined text is a token merge, the highest score first. Symbols are
// characters at first; what is no token in the end is written as bytes.
//
// The model merges over the whole text at once. It is cut here where no token has the two neighbouring characters
// inside: no merge can cross such a place, so the pieces merge independently, are short, and repeat.
type spm struct {
	v        *vocabulary
	ranks    []uint32 // [id], ascending with descending score
	unknown  TokenID  // -1: none
	byteID   [256]int32
	longest  int            // bytes of the longest token
	joined   [256][4]uint64 // bit [last byte of a character][first byte of the next]: some token has them adjacent
	addSpace bool
}

func newSPM(m *metadata, v *vocabulary) (*spm, error) {
	if !m.hasScores {
		return nil, fmt.Errorf("tokenizer: no tokenizer.ggml.scores of type float array")
	}
	p := &spm{v: v, addSpace: true}
	if m.addSpacePrefix != nil {
		p.addSpace = *m.addSpacePrefix
	}
	p.unknown = TokenID(slices.IndexFunc(v.attrs, func(a uint8) bool { return a&attrUnknown != 0 }))
	p.ranks = make([]uint32, len(v.texts))
	for i := range p.ranks {
		p.ranks[i] = descending(m.scores[i])
	}
	for id, text := range v.ids.keys {
		if strings.Contains(v.texts[id], " ") {
			continue // no merge reaches it
		}
		p.longest = max(p.longest, len(text))
		for i, last := 0, -1; i < len(text); {
			n := min(leadLength(text[i]), len(text)-i)
			if last >= 0 {
				p.joined[last][text[i]>>6] |= 1 << (text[i] & 63)
			}
			i += n
			last = int(text[i-1])
		}
	}
	for c := range p.byteID {
		if p.byteID[c] = v.ids.find(fmt.Sprintf("<0x%02X>", c)); p.byteID[c] < 0 {
			p.byteID[c] = v.ids.find(string([]byte{byte(c)}))
		}
	}
	return p, nil
}

// descending maps scores to integers that order the other way round. NaN, which no model has, comes last.
func descending(f float32) uint32 {
	if f != f {
		return math.MaxUint32
	}
	b := math.Float32bits(f + 0) // -0 is 0
	if b>>31 == 0 {
		b |= 1 << 31
	} else {
		b = ^b
	}
	return ^b
}

// leadLength is the length that a lead byte announces; 1 for a continuation byte.
func leadLength(c byte) int {
	switch {
	case c < 0xc0:
		return 1
	case c < 0xe0:
		return 2
	case c < 0xf0:
		return 3
	}
	return 4
}

func (p *spm) encode(out []TokenID, text string, first bool, s *scratch) ([]TokenID, error) {
	if s.cache == nil {
		s.cache = new(wordCache)
	}
	if first && p.addSpace {
		text = " " + text
	}
	if utf8.ValidString(text) {
		return p.valid(out, strings.ReplaceAll(text, metaspace, " "), s)
	}
	return p.invalid(out, text, s)
}

// valid encodes text with real spaces for U+2581.
func (p *spm) valid(out []TokenID, text string, s *scratch) ([]TokenID, error) {
	var err error
	for i := 0; i < len(text) && err == nil; {
		j := i + leadLength(text[i])
		for j < len(text) && p.joined[text[j-1]][text[j]>>6]&(1<<(text[j]&63)) != 0 {
			j += leadLength(text[j])
		}
		out, err = p.word(out, text[i:j], s)
		i = j
	}
	return out, err
}

// invalid encodes text that is not UTF-8 as llama.cpp does: spaces are escaped first, then each lead byte takes as many
// bytes as it announces, whatever they are. What that gives beside characters is no token and joins none; it comes out
// byte by byte, and the characters between are encoded as if they stood alone.
func (p *spm) invalid(out []TokenID, text string, s *scratch) ([]TokenID, error) {
	text = strings.ReplaceAll(text, " ", metaspace)
	var err error
	start := 0
	flush := func(end int) {
		if err == nil && start < end {
			out, err = p.valid(out, strings.ReplaceAll(text[start:end], metaspace, " "), s)
		}
	}
	for i := 0; i < len(text); {
		n := min(leadLength(text[i]), len(text)-i)
		if !utf8.ValidString(text[i : i+n]) {
			flush(i)
			for j := i; j < i+n && err == nil; j++ {
				out, err = p.byte(out, text[j])
			}
			start = i + n
		}
		i += n
	}
	flush(len(text))
	return out, err
}

// byte writes a byte token. A vocabulary without byte fallback writes its unknown token, once for a stretch of them, as
// SentencePiece does.
func (p *spm) byte(out []TokenID, c byte) ([]TokenID, error) {
	if p.byteID[c] < 0 && p.unknown >= 0 {
		if len(out) == 0 || out[len(out)-1] != p.unknown {
			out = append(out, p.unknown)
		}
		return out, nil
	}
	if p.byteID[c] < 0 {
		return out, fmt.Errorf("tokenizer: byte 0x%02X: the vocabulary has no token for it", c)
	}
	return append(out, p.byteID[c]), nil
}

func (p *spm) word(out []TokenID, w string, s *scratch) ([]TokenID, error) {
	if len(w) > cachedBytes {
		return p.merge(out, w, s)
	}
	lo, hi := wordKey(w)
	if c := s.cache.find(lo, hi); c != nil {
		return append(out, c.ids[:c.n]...), nil
	}
	start := len(out)
	out, err := p.merge(out, w, s)
	if err == nil {
		s.cache.put(lo, hi, out[start:])
	}
	return out, err
}

func (p *spm) merge(out []TokenID, w string, s *scratch) ([]TokenID, error) {
	s.links = s.links[:0]
	for i := 0; i < len(w); {
		n := leadLength(w[i])
		k := int32(len(s.links))
		s.links = append(s.links, link{prev: k - 1, next: k + 1, from: int32(i), to: int32(i + n), id: p.v.ids.find(w[i : i+n])})
		i += n
	}
	s.links[len(s.links)-1].next = -1
	s.word = spmWord{p, w}
	s.merge(&s.word)
	var err error
	for i := int32(0); i >= 0 && err == nil; i = s.links[i].next {
		l := &s.links[i]
		if l.id >= 0 {
			out = append(out, l.id)
			continue
		}
		text := w[l.from:l.to]
		if text == " " {
			text = metaspace // its bytes are those of the stored form
		}
		for j := 0; j < len(text) && err == nil; j++ {
			out, err = p.byte(out, text[j])
		}
	}
	return out, err
}

// spmWord joins the links of one word by their text.
type spmWord struct {
	p    *spm
	text string
}

func (w *spmWord) join(l, r *link) (uint32, int32, bool) {
	if int(r.to-l.from) > w.p.longest {
		return 0, 0, false
	}
	id := w.p.v.ids.find(w.text[l.from:r.to])
	if id < 0 {
		return 0, 0, false
	}
	return w.p.ranks[id], id, true
}
