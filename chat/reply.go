package chat

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
)

// Call is a tool call that a model made.
type Call struct {
	ID        string // nine letters and digits, which all families accept: the model's own, or made from the prompt
	Name      string
	Arguments json.RawMessage // a JSON object, keys in the model's order

	texts bool // all arguments came as text
}

// Reply is a model's reply in structure, or what one more piece of it added.
type Reply struct {
	Content   string
	Reasoning string
	Calls     []Call
}

// Empty reports that there is nothing in it.
func (r Reply) Empty() bool { return r.Content == "" && r.Reasoning == "" && len(r.Calls) == 0 }

// Parser takes a reply apart while it comes. What may yet turn out to be a marker is held back, a call until it is whole;
// a call that never becomes one comes out as content. The pieces must be whole characters.
type Parser struct {
	form  Form
	tools bool
	seed  string // of call ids
	types map[string]map[string]string

	in     place
	block  block
	raw    string // not yet decided
	blank  string // white space at the end of what was emitted last, held back
	fresh  bool   // nothing but white space since the beginning or the last block
	calls  int
	opened string // the marker that began the block
}

type place uint8

const (
	inContent place = iota
	inReasoning
	inBlock
	inObject // a bare JSON object at the start of the reply that may be a call
)

// NewParser returns a parser for the reply to prompt. tools says whether tools were offered: without them no call is looked
// for. A prompt that ends with the opening of reasoning begins the reply inside it.
func NewParser(f Form, prompt string, tools bool) *Parser {
	p := &Parser{form: f, tools: tools && f.Tools != NoTools, seed: prompt, fresh: true}
	if f.Open != "" && strings.HasSuffix(strings.TrimRight(prompt, " \t\r\n"), f.Open) {
		p.in = inReasoning
	}
	return p
}

// UseTools tells the parser what the offered tools declare, so that a form that writes arguments without types (Qwen3-Coder's)
// gives text where text is wanted.
func (p *Parser) UseTools(tools json.RawMessage) { p.types = parameterTypes(tools) }

// ParseReply takes a whole reply apart.
func ParseReply(f Form, prompt, reply string, tools bool) Reply {
	p := NewParser(f, prompt, tools)
	r := p.Write(reply)
	last := p.Close()
	r.Content += last.Content
	r.Reasoning += last.Reasoning
	r.Calls = append(r.Calls, last.Calls...)
	return r
}

// Write adds a piece and returns what it decided.
func (p *Parser) Write(piece string) Reply {
	var r Reply
	p.raw += piece
	for p.advance(&r, false) {
	}
	return r
}

// Close ends the reply and returns what was held back.
func (p *Parser) Close() Reply {
	var r Reply
	for p.advance(&r, true) {
	}
	if p.in != inReasoning {
		r.Content += p.blank
	}
	p.blank = ""
	return r
}

// advance decides some of the held text and reports whether to go on.
func (p *Parser) advance(r *Reply, end bool) bool {
	if p.raw == "" {
		return false
	}
	switch p.in {
	case inReasoning:
		return p.reasoning(r, end)
	case inBlock:
		return p.inside(r, end)
	case inObject:
		return p.object(r, end)
	}
	return p.content(r, end)
}

// emit adds text to one of the streams. White space at the end waits for what follows; at the start it is dropped.
func (p *Parser) emit(to *string, text string) {
	if p.fresh {
		if text = strings.TrimLeft(text, " \t\r\n"); text == "" {
			return
		}
		p.fresh = false
	}
	text = p.blank + text
	solid := strings.TrimRight(text, " \t\r\n")
	p.blank = text[len(solid):]
	*to += solid
}

// turn goes to another place; white space around a marker belongs to no stream.
func (p *Parser) turn(to place, rest string) bool {
	p.in, p.raw, p.blank, p.fresh = to, rest, "", true
	return true
}

// first finds the earliest of the markers in s, the longest of those at one place; without one, it returns how much of s
// cannot be the beginning of any.
func first(s string, markers []string) (at, which int) {
	at, which = len(s), -1
	for i, m := range markers {
		if k := strings.Index(s, m); k >= 0 && (k < at || k == at && which >= 0 && len(m) > len(markers[which])) {
			at, which = k, i
		}
	}
	if which >= 0 {
		return at, which
	}
	for _, m := range markers {
		for k := min(len(m)-1, len(s)); k > 0; k-- {
			if strings.HasSuffix(s, m[:k]) {
				at = min(at, len(s)-k)
				break
			}
		}
	}
	return at, -1
}

func (p *Parser) reasoning(r *Reply, end bool) bool {
	at, which := first(p.raw, []string{p.form.Close})
	if which >= 0 {
		p.emit(&r.Reasoning, p.raw[:at])
		return p.turn(inContent, p.raw[at+len(p.form.Close):])
	}
	if end {
		at = len(p.raw)
	}
	p.emit(&r.Reasoning, p.raw[:at])
	p.raw = p.raw[at:]
	return false
}

func (p *Parser) content(r *Reply, end bool) bool {
	if p.fresh && p.tools && (p.form.Tools == Llama3 || p.form.Tools == Gemma) {
		if s := strings.TrimLeft(p.raw, " \t\r\n"); s != "" && s[0] == '{' {
			p.in = inObject
			return true
		}
	}
	// Reasoning begins a reply; later on its marker is text that speaks of it.
	var markers []string
	if p.form.Open != "" && p.fresh {
		markers = append(markers, p.form.Open)
	}
	if p.tools {
		for _, b := range blocks[p.form.Tools] {
			markers = append(markers, b.open)
		}
	}
	at, which := first(p.raw, markers)
	if which < 0 {
		if end {
			at = len(p.raw)
		}
		p.emit(&r.Content, p.raw[:at])
		p.raw = p.raw[at:]
		return false
	}
	before, rest := p.raw[:at], p.raw[at+len(markers[which]):]
	p.emit(&r.Content, before)
	if markers[which] == p.form.Open {
		if p.fresh {
			return p.turn(inReasoning, rest)
		}
		p.emit(&r.Content, p.form.Open)
		p.raw = rest
		return true
	}
	i := slices.IndexFunc(blocks[p.form.Tools], func(b block) bool { return b.open == markers[which] })
	p.block, p.opened = blocks[p.form.Tools][i], p.blank+markers[which]
	return p.turn(inBlock, rest)
}

// inside waits for the end of a block, or for calls that are whole where the block has no end.
func (p *Parser) inside(r *Reply, end bool) bool {
	if p.block.close == "" {
		calls, rest, st := p.block.read(p.raw)
		switch {
		case st == whole && (rest != "" || end):
			p.add(r, calls)
			return p.turn(inContent, rest)
		case st == broken, end:
			return p.giveUp(r, p.raw, "")
		}
		return false
	}
	for from := 0; ; {
		at := strings.Index(p.raw[from:], p.block.close)
		if at < 0 {
			break
		}
		at += from
		body, rest := p.raw[:at], p.raw[at+len(p.block.close):]
		calls, left, st := p.block.read(body)
		switch {
		case st == whole && strings.TrimSpace(left) == "":
			p.add(r, calls)
			return p.turn(inContent, rest)
		case st != partly:
			return p.giveUp(r, body+p.block.close, rest)
		}
		from = at + len(p.block.close) // the marker stood inside a string of the call
	}
	if !end {
		return false
	}
	// A reply cut off before the closing marker still made its call.
	if calls, left, st := p.block.read(p.raw); st == whole && strings.TrimSpace(left) == "" {
		p.add(r, calls)
		return p.turn(inContent, "")
	}
	return p.giveUp(r, p.raw, "")
}

// object waits for the end of a JSON object at the start of a reply.
func (p *Parser) object(r *Reply, end bool) bool {
	calls, rest, st := readJSONCalls(p.raw)
	switch {
	case st == whole && (rest != "" || end):
		if s := strings.TrimLeft(rest, " \t\r\n"); strings.HasPrefix(s, ";") { // Llama separates calls so
			rest = s[1:]
		}
		p.add(r, calls)
		return p.turn(inContent, rest)
	case st == broken, end:
		text := p.raw
		p.raw, p.in = "", inContent
		p.fresh = true
		p.emit(&r.Content, text)
	}
	return false
}

// giveUp turns a block that held no calls into content.
func (p *Parser) giveUp(r *Reply, body, rest string) bool {
	p.in, p.fresh = inContent, false
	p.emit(&r.Content, p.opened+body)
	p.raw = rest
	return true
}

// add gives calls their ids.
func (p *Parser) add(r *Reply, calls []Call) {
	for _, c := range calls {
		if c.ID == "" {
			c.ID = callID(p.seed, p.calls)
		}
		if c.texts {
			c.Arguments, c.texts = typed(c.Arguments, p.types[c.Name]), false
		}
		p.calls++
		r.Calls = append(r.Calls, c)
	}
}

// callID makes the id of the n-th call in the reply to a prompt: the same run gives the same ids, another turn others.
func callID(prompt string, n int) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	h := sha256.New()
	h.Write([]byte(prompt))
	sum := h.Sum(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	sum2 := sha256.Sum256(sum)
	out := make([]byte, 9)
	for i := range out {
		out[i] = digits[int(sum2[i])%len(digits)]
	}
	return string(out)
}
