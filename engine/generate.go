package engine

import (
	"context"
	"time"

	"pith/policy"
	"pith/tokenizer"
)

var background = context.Background()

// A Request asks for a reply to a prompt.
type Request struct {
	Tokens []int32
	// Boundary, if positive, is the number of leading tokens (a document, say) that the recipe compresses on their own, before it has
	// seen what follows; the rest is read against the compressed cache and kept whole. Otherwise the recipe compresses the whole prompt.
	Boundary  int
	Recipe    *policy.Recipe // nil: full
	Budget    policy.Budget
	MaxTokens int // 0: as many as the context holds
	Sampling  Sampling
	Stop      []string
	IgnoreEnd bool // go on after end tokens
	LogProbs  int  // most likely tokens reported with each token; -1 reports the token's own only
	Progress  func(done, total int)

	// Sequence, if set, is extended: Tokens come after what it holds and are not compressed. The caller keeps it and closes it; recipe
	// and budget are the sequence's own. Keep leaves a new sequence open in the Result instead of closing it.
	Sequence *Sequence
	Keep     bool
}

// An Event is one generated token. Text may be empty: characters and possible stop strings are held back until they are whole.
type Event struct {
	Token   int32
	Text    string
	LogProb float64     // of the token, if Request.LogProbs is not 0
	Top     []Candidate // Request.LogProbs of them
}

// Reasons for which a reply ends.
const (
	ReasonStop   = "stop"   // an end token or a stop string
	ReasonLength = "length" // MaxTokens, the context or the memory cap is reached
)

// A Result is a finished reply.
type Result struct {
	Text     string
	Tokens   []int32
	Reason   string
	Stats    Stats
	Sequence *Sequence // if Request.Keep
}

// Stats are the figures of one reply. Times are in seconds.
type Stats struct {
	PromptTokens int     `json:"prompt_tokens"` // read for this reply
	CachedTokens int     `json:"cached_tokens"` // of the sequence before it
	Generated    int     `json:"generated_tokens"`
	Queued       float64 `json:"queued_seconds"`
	FirstToken   float64 `json:"first_token_seconds"` // from the start of the prefill
	Decode       float64 `json:"decode_seconds"`      // after the first token
	KVBytes      int64   `json:"kv_bytes"`            // held by the pool for this sequence at the end
	KVPrompt     int64   `json:"kv_prompt_bytes"`     // after the prefill
	FullBytes    int64   `json:"full_bytes"`          // what the full cache would take at the end
}

// TokensPerSecond is the speed of generation after the first token, 0 where there was none.
func (s Stats) TokensPerSecond() float64 {
	if s.Decode <= 0 || s.Generated < 2 {
		return 0
	}
	return float64(s.Generated-1) / s.Decode
}

// Generate answers a request. emit, if not nil, is called for each token in order, from the caller's goroutine; its error cancels
// the rest. Requests of several goroutines share the engine: prefills take turns, decoding sequences go together.
func (e *Engine) Generate(ctx context.Context, r Request, emit func(Event) error) (*Result, error) {
	j, err := e.newJob(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := e.loop.submit(j); err != nil {
		j.free()
		return nil, err
	}
	var failed error
	for ev := range j.events {
		if emit != nil && failed == nil {
			if failed = emit(ev); failed != nil {
				j.cancel(failed)
			}
		}
	}
	if failed == nil {
		failed = j.err
	}
	if failed != nil {
		j.free()
		return nil, failed
	}
	j.result.Text = string(j.text)
	if j.kept() {
		j.result.Sequence = j.seq
	}
	return &j.result, nil
}

// job is one request on its way through the scheduler.
type job struct {
	e       *Engine
	request Request
	ctx     context.Context
	cancel  context.CancelCauseFunc
	seq     *Sequence
	prefill *Prefill
	rest    []int32 // tokens after the boundary
	sampler *sampler
	stream  *tokenizer.Stream
	stop    stopper
	limit   int   // tokens to generate
	need    int64 // pool bytes to reserve
	next    int32
	text    []byte
	events  chan Event // closed at the end; never full
	err     error
	result  Result
	queued  time.Time
	started time.Time
	first   time.Time
}

// newJob refuses everything that can be refused before it is queued.
func (e *Engine) newJob(ctx context.Context, r Request) (*job, error) {
	if err := r.Sampling.Validate(); err != nil {
		return nil, err
	}
	context_ := e.model.Config().Context
	held := 0
	if r.Sequence != nil {
		held = r.Sequence.Len()
		context_ = r.Sequence.maxLen
	}
	limit := r.MaxTokens
	if limit <= 0 {
		limit = context_ - held - len(r.Tokens)
	}
	if len(r.Tokens) == 0 || held+len(r.Tokens)+limit > context_ || limit <= 0 {
		return nil, &ContextError{Prompt: held + len(r.Tokens), Generate: max(limit, 1), Context: context_}
	}
	j := &job{e: e, request: r, limit: limit, stop: stopper{stops: r.Stop}, stream: e.tok.Stream(),
		sampler: newSampler(r.Sampling, r.Tokens), events: make(chan Event, limit+1), queued: time.Now()}
	j.ctx, j.cancel = context.WithCancelCause(ctx)
	var err error
	head, options := r.Tokens, PrefillOptions{Compress: r.Sequence == nil, Extra: limit, Progress: r.Progress}
	if j.seq = r.Sequence; j.seq == nil {
		maxLen := len(r.Tokens) + limit
		if r.Keep {
			maxLen = context_
		}
		if j.seq, err = e.NewSequence(r.Recipe, r.Budget, maxLen); err != nil {
			return nil, err
		}
		if r.Boundary > 0 && r.Boundary < len(r.Tokens) {
			head, j.rest = r.Tokens[:r.Boundary], r.Tokens[r.Boundary:]
			options.Rest = len(j.rest)
		}
	}
	if j.need, err = j.seq.need(len(head), room{options.Rest, options.Extra}, options.Compress); err != nil {
		j.free()
		return nil, err
	}
	j.result.Stats.CachedTokens = held
	j.result.Stats.PromptTokens = len(r.Tokens)
	if j.prefill, err = e.NewPrefill(head, options, j.seq); err != nil {
		j.free()
		return nil, err
	}
	return j, nil
}

// free gives up the job's sequence, unless it is the caller's.
func (j *job) free() {
	if j.request.Sequence == nil && j.seq != nil {
		j.seq.Close()
	}
}

// advancePrefill takes one step of the prefill and says whether the reply can start.
func (j *job) advancePrefill() (done bool, err error) {
	if j.started.IsZero() {
		j.started = time.Now()
		j.result.Stats.Queued = j.started.Sub(j.queued).Seconds()
	}
	done, err = j.prefill.Advance(j.ctx)
	if !done || err != nil {
		return false, err
	}
	if j.rest != nil {
		j.prefill, err = j.e.NewPrefill(j.rest, PrefillOptions{Progress: j.request.Progress}, j.seq)
		j.rest = nil
		return false, err
	}
	j.prefill = nil
	j.result.Stats.KVPrompt = j.seq.Bytes()
	return true, nil
}

// take samples the next token from the sequence's logits and says whether it was the last.
func (j *job) take() (last bool) {
	id := j.sampler.next(j.seq.logits)
	now := time.Now()
	if j.first.IsZero() {
		j.first = now
		j.result.Stats.FirstToken = now.Sub(j.started).Seconds()
	}
	j.result.Stats.Decode = now.Sub(j.first).Seconds()
	j.result.Tokens = append(j.result.Tokens, id)
	j.result.Stats.Generated++
	j.next = id
	ev := Event{Token: id}
	if n := j.request.LogProbs; n != 0 {
		ev.LogProb = float64(j.seq.logits[id]) - LogSumExp(j.seq.logits)
		ev.Top = TopLogProbs(j.seq.logits, max(n, 0))
	}
	ended := !j.request.IgnoreEnd && j.e.tok.IsEnd(id)
	stopped := false
	if !ended {
		ev.Text, stopped = j.stop.push(j.stream.Next(id))
	}
	last = ended || stopped || len(j.result.Tokens) >= j.limit
	if last {
		j.result.Reason = ReasonLength
		if ended || stopped {
			j.result.Reason = ReasonStop
		}
		if !stopped {
			more, hit := j.stop.push(j.stream.Flush())
			ev.Text += more
			if !hit {
				ev.Text += j.stop.flush()
			}
		}
		j.result.Stats.KVBytes = j.seq.Bytes()
		j.result.Stats.FullBytes = j.seq.FullBytes()
	}
	j.text = append(j.text, ev.Text...)
	j.events <- ev
	return last
}

// kept says whether the caller keeps the sequence of a reply that succeeds.
func (j *job) kept() bool { return j.request.Keep || j.request.Sequence != nil }

// finish ends the job; its goroutine takes over. A sequence that nobody keeps is freed here and not there: a neighbour that waits for room
// is admitted, or refused for good, in the scheduler's next step.
func (j *job) finish(err error) {
	if err != nil || !j.kept() {
		j.free()
	}
	j.err = err
	j.cancel(nil)
	close(j.events)
}
