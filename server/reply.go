package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"net/http"
	"time"
	"unicode/utf8"

	"pith/engine"
	"pith/kernel"
)

// usage counts tokens as OpenAI does. cached_tokens is there even when it is zero.
type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
	Details    struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

func usageOf(s *engine.Stats) *usage {
	u := &usage{Prompt: s.CachedTokens + s.PromptTokens, Completion: s.Generated}
	u.Total = u.Prompt + u.Completion
	u.Details.Cached = s.CachedTokens
	return u
}

// figures is what only pith tells: the answer's pith field.
type figures struct {
	KV          string  `json:"kv"`
	Keep        string  `json:"keep,omitempty"`
	KVBytes     int64   `json:"kv_bytes"`        // held at the end
	KVPrompt    int64   `json:"kv_prompt_bytes"` // held after the prompt
	FullBytes   int64   `json:"full_bytes"`      // what the full cache would hold at the end
	Queued      float64 `json:"queued_seconds"`
	FirstToken  float64 `json:"first_token_seconds"`
	Decode      float64 `json:"decode_seconds"`
	TokensASec  float64 `json:"tokens_per_second"`
	PromptASec  float64 `json:"prompt_tokens_per_second"`
	Fingerprint string  `json:"-"`
}

func figuresOf(r *engine.Request, s *engine.Stats) *figures {
	f := &figures{KV: "full", KVBytes: s.KVBytes, KVPrompt: s.KVPrompt, FullBytes: s.FullBytes,
		Queued: s.Queued, FirstToken: s.FirstToken, Decode: s.Decode, TokensASec: s.TokensPerSecond()}
	if s.FirstToken > 0 {
		f.PromptASec = float64(s.PromptTokens) / s.FirstToken
	}
	if r.Recipe != nil {
		f.KV = r.Recipe.String()
	}
	if !r.Budget.Keep.IsZero() {
		f.Keep = r.Budget.Keep.String()
	}
	return f
}

// fingerprint names what the bits of an answer depend on beside the request: model, arithmetic and tier.
func fingerprint(m *Model) string {
	h := fnv.New64a()
	fmt.Fprint(h, m.ID, m.Engine.File().Size(), m.Created.Unix(), m.Engine.Config().Arch, kernel.CPU())
	return fmt.Sprintf("pith-%x", h.Sum64())
}

// newID returns an identifier that nobody can guess.
func newID(prefix string) string {
	var b [12]byte
	rand.Read(b[:])
	return prefix + hex.EncodeToString(b[:])
}

// tokenProb is one token in OpenAI's logprobs.
type tokenProb struct {
	Token   string      `json:"token"`
	LogProb float64     `json:"logprob"`
	Bytes   []int       `json:"bytes"`
	Top     []tokenProb `json:"top_logprobs,omitzero"`
}

func probOf(m *Model, id int32, logprob float64) tokenProb {
	piece := m.Engine.Tokenizer().Piece(id)
	p := tokenProb{Token: string(piece), LogProb: logprob, Bytes: make([]int, len(piece))}
	for i, b := range piece {
		p.Bytes[i] = int(b)
	}
	if !utf8.Valid(piece) {
		p.Token = string([]rune(p.Token)) // what cannot be JSON becomes U+FFFD; the bytes stand beside it
	}
	return p
}

func eventProb(m *Model, ev *engine.Event) tokenProb {
	p := probOf(m, ev.Token, ev.LogProb)
	p.Top = make([]tokenProb, 0, len(ev.Top))
	for _, c := range ev.Top {
		p.Top = append(p.Top, probOf(m, c.ID, c.LogProb))
	}
	return p
}

// outcome is how a request ended.
type outcome struct {
	result *engine.Result
	err    error
}

// generate runs a request beside its handler, so that the handler can do something else while it waits. events is closed before the
// outcome arrives. When ctx ends, so does the request, at its next step.
func generate(ctx context.Context, m *Model, r engine.Request) (events <-chan engine.Event, ended <-chan outcome) {
	out, end := make(chan engine.Event), make(chan outcome, 1)
	go func() {
		result, err := m.Engine.Generate(ctx, r, func(ev engine.Event) error {
			select {
			case out <- ev:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		close(out)
		end <- outcome{result, err}
	}()
	return out, end
}

// encoder turns an answer into the JSON of one route: whole, or in pieces.
type encoder interface {
	whole(events []engine.Event, r *engine.Result) any
	open() any                    // first piece; nil for none
	piece(ev *engine.Event) []any // pieces of a token, none while nothing may be shown
	end(r *engine.Result) []any   // last pieces, with the reason
	usage(r *engine.Result) any   // piece that carries the usage alone
}

// answer runs a request and sends what the encoder makes of it.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, m *Model, req engine.Request, c *common, enc encoder) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if c.Stream {
		s.stream(ctx, cancel, w, m, req, c, enc)
		return
	}
	var events []engine.Event
	var keep func(engine.Event) error
	if req.LogProbs != 0 {
		keep = func(ev engine.Event) error {
			events = append(events, ev)
			return nil
		}
	}
	result, err := m.Engine.Generate(ctx, req, keep)
	if err != nil {
		s.refuse(w, problemOf(err))
		return
	}
	respond(w, http.StatusOK, enc.whole(events, result))
}

// stream sends an answer as server-sent events. The status is decided by the first token or the first keep-alive, whichever comes
// first; what the engine refuses, it refuses before either.
func (s *Server) stream(ctx context.Context, cancel context.CancelFunc, w http.ResponseWriter, m *Model, req engine.Request, c *common, enc encoder) {
	progress := make(chan [2]int, 1)
	req.Progress = func(done, total int) {
		select {
		case progress <- [2]int{done, total}:
		default:
		}
	}
	events, ended := generate(ctx, m, req)
	out := &sse{w: w, control: http.NewResponseController(w)}
	alive := time.NewTicker(s.options.KeepAlive)
	defer alive.Stop()
	share, opened := "", false
	open := func() {
		if !opened {
			opened = true
			if v := enc.open(); v != nil {
				out.send(v)
			}
		}
	}
	for {
		select {
		case ev, more := <-events:
			if !more {
				events = nil
				continue
			}
			open()
			for _, v := range enc.piece(&ev) {
				out.send(v)
			}
		case p := <-progress:
			share = fmt.Sprintf("prefill %d%%", 100*p[0]/max(p[1], 1))
		case <-alive.C:
			if !opened {
				out.comment(share)
			}
		case o := <-ended:
			switch {
			case o.err != nil && !out.started:
				s.refuse(w, problemOf(o.err))
			case o.err != nil:
				out.send(problemOf(o.err))
			default:
				open()
				for _, v := range enc.end(o.result) {
					out.send(v)
				}
				if c.StreamOptions != nil && c.StreamOptions.IncludeUsage {
					out.send(enc.usage(o.result))
				}
				out.done()
			}
			return
		}
		if out.err != nil { // the client is gone
			cancel()
			<-ended
			return
		}
	}
}
