package tokenizer

import (
	"fmt"
	"sync"

	"pith/gguf"
)

// TokenID is an index into the vocabulary. It is an alias so that packages that only count and compute with tokens need
// not import this one.
type TokenID = int32

// Options of Encode. The zero value encodes plain text: what looks like a control token stays text.
type Options struct {
	// Special reads the text of control tokens ("<|im_end|>") as these tokens. User-defined tokens are always read.
	Special bool
	// Ends adds everything the model adds at both ends: a beginning-of-sequence token, an end-of-sequence token, both or
	// none, whatever its metadata and family say.
	Ends bool
	// Once qualifies Ends: a token is not added at an end where the text already brought it (a chat template that writes
	// its own beginning-of-sequence token).
	Once bool
}

// Tokenizer is the vocabulary of one model with its rules. It is immutable and safe for concurrent use.
type Tokenizer struct {
	vocabulary
	model  encoder
	addBOS bool
	addEOS bool
	plain  *matcher // user-defined tokens
	parsed *matcher // user-defined, control and unknown tokens
	pool   sync.Pool
}

// encoder appends the tokens of one stretch of text that holds no special token. first is true at the start of the
// text and after a special token, where SentencePiece models may add a space.
type encoder interface {
	encode(out []TokenID, text string, first bool, s *scratch) ([]TokenID, error)
}

// New reads the tokenizer of a GGUF file; the weights are not needed. The Tokenizer keeps no reference to f's mapping.
// The error names a model or pre-tokenizer that is not known, and the entry of the metadata that does not hold together.
func New(f *gguf.File) (*Tokenizer, error) {
	m, err := readMetadata(f)
	if err != nil {
		return nil, err
	}
	return build(m)
}

func build(m *metadata) (*Tokenizer, error) {
	t := &Tokenizer{}
	t.pool.New = func() any { return new(scratch) }
	var fam family
	switch m.model {
	case "gpt2":
		var err error
		if fam, err = lookupFamily(m.pre); err != nil {
			return nil, err
		}
	case "llama":
		fam = family{addBOS: true}
	default:
		return nil, fmt.Errorf("tokenizer: tokenizer.ggml.model: %q is not known (known: gpt2, llama)", m.model)
	}
	if err := t.vocabulary.init(m); err != nil {
		return nil, err
	}
	t.addBOS, t.addEOS = fam.addBOS, false
	if m.addBOS != nil {
		t.addBOS = *m.addBOS
	}
	if m.addEOS != nil {
		t.addEOS = *m.addEOS
	}
	if t.addBOS && t.bos < 0 {
		return nil, fmt.Errorf("tokenizer: a beginning-of-sequence token is to be added, but tokenizer.ggml.bos_token_id is not set")
	}
	if t.addEOS && t.eos < 0 {
		return nil, fmt.Errorf("tokenizer: an end-of-sequence token is to be added, but tokenizer.ggml.eos_token_id is not set")
	}
	var err error
	if m.model == "llama" {
		t.model, err = newSPM(m, &t.vocabulary)
	} else {
		t.model, err = newBPE(m, &t.vocabulary, fam)
	}
	if err != nil {
		return nil, err
	}
	if t.plain, t.parsed, err = newMatchers(&t.vocabulary, m.name); err != nil {
		return nil, err
	}
	return t, nil
}

// Encode gives the tokens of text, which may hold invalid UTF-8: byte-level BPE reads each bad byte as U+FFFD, a
// SentencePiece model with byte fallback keeps the bytes. The error names a byte for which the vocabulary has no token.
func (t *Tokenizer) Encode(text string, o Options) ([]TokenID, error) {
	s := t.pool.Get().(*scratch)
	defer t.release(s)
	out := make([]TokenID, 0, len(text)/4+8)
	if o.Ends && t.addBOS {
		out = append(out, t.bos)
	}
	start := len(out)
	m := t.plain
	if o.Special {
		m = t.parsed
	}
	var err error
	first, at := true, 0
	for _, sp := range m.find(text, s) {
		if at < sp.cut {
			if out, err = t.model.encode(out, text[at:sp.cut], first, s); err != nil {
				return nil, err
			}
		}
		out = append(out, sp.id)
		first, at = true, sp.resume
	}
	if at < len(text) {
		if out, err = t.model.encode(out, text[at:], first, s); err != nil {
			return nil, err
		}
	}
	if o.Ends && o.Once && t.addBOS && len(out) > start && out[start] == t.bos {
		out = out[1:]
	}
	if o.Ends && t.addEOS && !(o.Once && len(out) > 0 && out[len(out)-1] == t.eos) {
		out = append(out, t.eos)
	}
	return out, nil
}

// AddBOS reports whether Options.Ends adds a beginning-of-sequence token.
func (t *Tokenizer) AddBOS() bool { return t.addBOS }

// AddEOS reports whether Options.Ends adds an end-of-sequence token.
func (t *Tokenizer) AddEOS() bool { return t.addEOS }

// release returns scratch memory to the pool, except what one very long word has made large.
func (t *Tokenizer) release(s *scratch) {
	const keep = 1 << 15 // symbols
	if cap(s.links) > keep {
		s.links = nil
	}
	if cap(s.heap) > keep {
		s.heap = nil
	}
	if cap(s.taken) > 1<<20 {
		s.taken = nil
	}
	if cap(s.hits) > keep {
		s.hits = nil
	}
	if cap(s.buf) > 1<<20 {
		s.buf = nil
	}
	s.word = spmWord{} // holds on to the text
	t.pool.Put(s)
}
