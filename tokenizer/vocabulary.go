package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Attributes of a token, one bit each.
const (
	attrNormal = 1 << iota
	attrUnknown
	attrControl
	attrUserDefined
	attrUnused
	attrByte
	attrEnd // ends a generation
)

// vocabulary maps between ids, stored texts and pieces.
type vocabulary struct {
	texts  []string           // [id] as stored in the file
	attrs  []uint8            // [id]
	ids    textIndex          // by key(text)
	spaced map[string]TokenID // SentencePiece: stored texts with a real space, which no merge can reach
	spm    bool
	bytes  []byte   // all pieces, one after the other
	starts []uint32 // [id] to [id+1]: the piece in bytes

	bos, eos, eot TokenID // -1: none
}

// metaspace is U+2581, which SentencePiece stores in place of a space.
const metaspace = "▁"

// key is the form in which a stored text is indexed. SentencePiece texts are indexed with real spaces for U+2581, so
// that text need not be escaped before it is encoded.
func (v *vocabulary) key(text string) string {
	if v.spm && strings.Contains(text, metaspace) {
		return strings.ReplaceAll(text, metaspace, " ")
	}
	return text
}

func (v *vocabulary) init(m *metadata) error {
	n := len(m.tokens)
	switch {
	case n == 0:
		return fmt.Errorf("tokenizer: tokenizer.ggml.tokens is empty")
	case n > 1<<24:
		return fmt.Errorf("tokenizer: tokenizer.ggml.tokens: %d tokens, more than %d", n, 1<<24)
	case len(m.types) > 0 && len(m.types) < n:
		return fmt.Errorf("tokenizer: tokenizer.ggml.token_type: %d entries for %d tokens", len(m.types), n)
	case m.hasScores && len(m.scores) < n:
		return fmt.Errorf("tokenizer: tokenizer.ggml.scores: %d entries for %d tokens", len(m.scores), n)
	}
	v.spm = m.model == "llama"
	v.texts = m.tokens
	v.attrs = make([]uint8, n)
	v.spaced = map[string]TokenID{}
	keys := m.tokens
	if v.spm {
		keys = make([]string, n)
	}
	v.ids = newTextIndex(keys)
	for i, text := range v.texts {
		if text == "" { // a hole in the vocabulary; the name keeps it apart from all text
			text = fmt.Sprintf("[EMPTY_%d]", i)
			v.texts[i] = text
		}
		id, other := TokenID(i), TokenID(i)
		if keys[i] = v.key(text); v.spm && strings.Contains(text, " ") {
			if first, dup := v.spaced[text]; dup {
				other = first
			}
			v.spaced[text] = id
		} else {
			other = v.ids.add(id)
		}
		if other != id {
			return fmt.Errorf("tokenizer: tokenizer.ggml.tokens: %.60q stands at %d and at %d", text, other, i)
		}
		v.attrs[i] = attrNormal
		if len(m.types) > 0 {
			v.attrs[i] = typeAttr(m.types[i])
		}
	}
	if err := v.specials(m); err != nil {
		return err
	}
	v.pieces()
	return nil
}

func typeAttr(t int32) uint8 {
	switch t {
	case typeNormal:
		return attrNormal
	case typeUnknown:
		return attrUnknown
	case typeControl:
		return attrControl
	case typeUserDefined:
		return attrUserDefined
	case typeUnused:
		return attrUnused
	case typeByte:
		return attrByte
	}
	return 0 // undefined: no piece
}

// pieces decodes every token once.
func (v *vocabulary) pieces() {
	v.starts = make([]uint32, len(v.texts)+1)
	for i, text := range v.texts {
		v.bytes = v.appendPiece(v.bytes, text, v.ids.keys[i], v.attrs[i])
		v.starts[i+1] = uint32(len(v.bytes))
	}
}

func (v *vocabulary) appendPiece(dst []byte, text, key string, attr uint8) []byte {
	switch {
	case attr&(attrControl|attrUnknown|attrUserDefined) != 0:
		return append(dst, text...) // stored as real text in both models
	case attr&attrNormal != 0 && v.spm:
		return append(dst, key...)
	case attr&attrNormal != 0:
		return appendByteLevel(dst, text)
	case attr&attrByte != 0:
		if b, ok := byteToken(text); ok {
			return append(dst, b)
		}
	}
	return dst
}

// byteToken reads the text of a byte token, "<0x0A>".
func byteToken(text string) (byte, bool) {
	if len(text) != 6 || text[:3] != "<0x" || text[5] != '>' {
		return 0, false
	}
	hi, lo := strings.IndexByte(hexDigits, text[3]), strings.IndexByte(hexDigits, text[4])
	if hi < 0 || lo < 0 {
		return 0, false
	}
	return byte(hi<<4 | lo), true
}

const hexDigits = "0123456789ABCDEF"

// Size is the number of tokens.
func (v *vocabulary) Size() int { return len(v.texts) }

func (v *vocabulary) has(id TokenID, attr uint8) bool {
	return id >= 0 && int(id) < len(v.attrs) && v.attrs[id]&attr != 0
}

// Piece is the bytes that a token stands for, borrowed and read-only; empty for an id outside the vocabulary. A control
// token gives its text: a caller that does not show these asks IsControl.
func (v *vocabulary) Piece(id TokenID) []byte {
	if id < 0 || int(id) >= len(v.texts) {
		return nil
	}
	from, to := v.starts[id], v.starts[id+1]
	return v.bytes[from:to:to]
}

// Decode is the concatenation of the pieces. Nothing is cleaned up: the space that SentencePiece models put before the
// first word stays, and the bytes need not be valid UTF-8.
func (v *vocabulary) Decode(ids []TokenID) []byte {
	var out []byte
	for _, id := range ids {
		out = append(out, v.Piece(id)...)
	}
	return out
}

// Text is the token as the file stores it: byte-level or with U+2581 for spaces. Empty outside the vocabulary.
func (v *vocabulary) Text(id TokenID) string {
	if id < 0 || int(id) >= len(v.texts) {
		return ""
	}
	return v.texts[id]
}

// Lookup finds a token by its stored text.
func (v *vocabulary) Lookup(text string) (TokenID, bool) {
	if v.spm && strings.Contains(text, " ") {
		id, ok := v.spaced[text]
		return id, ok
	}
	id := v.ids.find(v.key(text))
	return id, id >= 0
}

// IsEnd reports whether a generation ends at this token: end of sequence, of turn, of message, and the tokens of a
// family that mean the same. A model may have several.
func (v *vocabulary) IsEnd(id TokenID) bool { return v.has(id, attrEnd) }

// IsControl reports whether the token is not text: control and unknown tokens.
func (v *vocabulary) IsControl(id TokenID) bool { return v.has(id, attrControl|attrUnknown) }

// BOS is the beginning-of-sequence token, if the model names one.
func (v *vocabulary) BOS() (TokenID, bool) { return v.bos, v.bos >= 0 }

// EOS is the end-of-sequence token, if the model names one.
func (v *vocabulary) EOS() (TokenID, bool) { return v.eos, v.eos >= 0 }

// EOT is the end-of-turn token, if the model has one.
func (v *vocabulary) EOT() (TokenID, bool) { return v.eot, v.eot >= 0 }

// Byte-level BPE stores bytes as printable characters (Radford et al. 2019): the printable ones of Latin-1 stand for
// themselves, the other 68 follow from U+0100 on.
var (
	byteRunes [256]rune
	runeBytes [256 + 68]int16 // -1: not a byte
)

func init() {
	for i := range runeBytes {
		runeBytes[i] = -1
	}
	next := rune(256)
	for b := range byteRunes {
		r := rune(b)
		if !(b >= 0x21 && b <= 0x7e || b >= 0xa1 && b <= 0xac || b >= 0xae) {
			r = next
			next++
		}
		byteRunes[b] = r
		runeBytes[r] = int16(b)
	}
}

// appendByteLevel decodes a byte-level text. A text with any other character is not byte-level (an added token that the
// file calls normal) and stands for itself.
func appendByteLevel(dst []byte, text string) []byte {
	keep := len(dst)
	for _, r := range text {
		if r >= rune(len(runeBytes)) || runeBytes[r] < 0 {
			return append(dst[:keep], text...)
		}
		dst = append(dst, byte(runeBytes[r]))
	}
	return dst
}

// appendByteChars is the inverse: the byte-level text of a word.
func appendByteChars(dst []byte, word string) []byte {
	for i := 0; i < len(word); i++ {
		dst = utf8.AppendRune(dst, byteRunes[word[i]])
	}
	return dst
}
