package tokenizer

import "unicode/utf8"

// Stream decodes tokens one at a time into text that is always whole characters. The zero value is not usable; get one
// from Tokenizer.Stream. Not for concurrent use.
type Stream struct {
	t    *Tokenizer
	held []byte // start of a character, at most 3 bytes
}

// Stream begins a decoding.
func (t *Tokenizer) Stream() *Stream { return &Stream{t: t} }

// Next gives the text that the token completes: nothing while a character is only half there. Bytes that can no longer
// become a character give U+FFFD, one for each broken sequence, as in Unicode's recommended practice.
func (s *Stream) Next(id TokenID) string {
	return s.write(s.t.Piece(id))
}

func (s *Stream) write(piece []byte) string {
	b := append(s.held, piece...)
	keep := 0 // bytes at the end that may still become a character
	for k := 1; k <= 3 && k <= len(b); k++ {
		if c := b[len(b)-k]; c >= 0xc0 {
			if !utf8.FullRune(b[len(b)-k:]) {
				keep = k
			}
			break
		} else if c < 0x80 {
			break
		}
	}
	out := replaced(b[:len(b)-keep])
	s.held = append(s.held[:0:0], b[len(b)-keep:]...)
	return out
}

// Flush gives what is held at the end of the tokens: U+FFFD where a character is not finished.
func (s *Stream) Flush() string {
	if len(s.held) == 0 {
		return ""
	}
	s.held = s.held[:0]
	return "\uFFFD"
}

// replaced is b with U+FFFD for each maximal start of a character that does not go on, and for each other stray byte.
func replaced(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out []byte
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r != utf8.RuneError || n != 1 {
			out = append(out, b[:n]...)
			b = b[n:]
			continue
		}
		out = append(out, "\uFFFD"...)
		// FullRune is false for what one more byte could still complete: b[:n] ends as the longest such start.
		for n = 1; n < len(b) && !utf8.FullRune(b[:n+1]); n++ {
		}
		b = b[n:]
	}
	return string(out)
}
