package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"pith/engine"
)

// talk is one or more turns with a model.
type talk struct {
	o            *runOptions
	e            *engine.Engine
	meter        *residentMeter
	out, log     io.Writer
	model        string
	conversation conversation

	sequence *engine.Sequence // after the first turn of a chat
	unread   []int32          // sampled last and not in the sequence's cache
	last     *engine.Stats
}

// clear frees the cache; the next turn is a first one.
func (t *talk) clear() {
	if t.sequence != nil {
		t.sequence.Close()
	}
	t.sequence, t.unread = nil, nil
	t.conversation.reset()
}

// turn asks one question and prints the answer while it comes. keep leaves the sequence open for the next one.
func (t *talk) turn(ctx context.Context, question string, keep bool) error {
	r := engine.Request{MaxTokens: t.o.tokens, Sampling: t.o.sampling, Recipe: t.o.recipe, Budget: t.o.budget, Keep: keep}
	held := 0
	var err error
	if t.sequence != nil {
		held = t.sequence.Len()
		r.Sequence = t.sequence
		if r.Tokens, err = t.conversation.next(question); err != nil {
			return err
		}
		r.Tokens = append(t.unread, r.Tokens...)
	} else {
		var boundary int
		if r.Tokens, boundary, err = t.conversation.opening(question); err != nil {
			return err
		}
		if independent(t.o.recipe) {
			r.Boundary = boundary
		}
	}
	bar := newProgressBar(fmt.Sprintf("reading %s tokens", thousands(len(r.Tokens))))
	r.Progress = bar.prefill
	started := false
	result, err := t.e.Generate(ctx, r, func(ev engine.Event) error {
		if !started {
			started = true
			bar.clear()
			t.meter.rest()
		}
		if t.o.json || ev.Text == "" {
			return nil
		}
		_, err := io.WriteString(t.out, ev.Text)
		return err
	})
	bar.clear()
	t.meter.wake()
	if err != nil {
		if started && !t.o.json {
			fmt.Fprintln(t.out)
		}
		return err
	}
	t.last = &result.Stats
	t.conversation.replied(result.Text)
	if keep {
		t.sequence = result.Sequence
		fed := t.sequence.Len() - held - len(r.Tokens)
		t.unread = nil
		for _, id := range result.Tokens[fed:] {
			if !t.e.Tokenizer().IsEnd(id) { // the template writes the end of the turn
				t.unread = append(t.unread, id)
			}
		}
	}
	return t.finish(result)
}

// answerInfo is the JSON of one answer.
type answerInfo struct {
	Model  string `json:"model"`
	Text   string `json:"text"`
	Reason string `json:"finish_reason"`
	KV     string `json:"kv"`
	Keep   string `json:"keep,omitempty"`
	engine.Stats
	TokensPerSecond float64        `json:"tokens_per_second"`
	Peak            *residentBytes `json:"peak_resident_bytes,omitempty"`
}

func (t *talk) finish(r *engine.Result) error {
	if t.o.json {
		b, err := marshal(answerInfo{Model: t.model, Text: r.Text, Reason: r.Reason, KV: recipeName(t.o.recipe), Keep: t.o.share(), Stats: r.Stats,
			TokensPerSecond: r.Stats.TokensPerSecond(), Peak: t.meter.Peak()})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(t.out, "%s\n", b)
		return err
	}
	if !strings.HasSuffix(r.Text, "\n") {
		fmt.Fprintln(t.out)
	}
	if t.o.stats {
		t.stats()
	}
	return nil
}

// stats prints the figures of the last answer.
func (t *talk) stats() {
	s := t.last
	if s == nil {
		fmt.Fprintln(t.log, "no answer yet")
		return
	}
	fmt.Fprintf(t.log, "prompt      %s tokens", thousands(s.PromptTokens))
	if s.CachedTokens > 0 {
		fmt.Fprintf(t.log, " after %s in the cache", thousands(s.CachedTokens))
	}
	fmt.Fprintf(t.log, ", first token after %.2f s (%.0f tokens/s)\n", s.FirstToken, float64(s.PromptTokens)/max(s.FirstToken, 1e-9))
	fmt.Fprintf(t.log, "generation  %s tokens, %.1f tokens/s\n", thousands(s.Generated), s.TokensPerSecond())
	fmt.Fprintf(t.log, "cache       %s kept, the full cache takes %s (%.1f%%); recipe %s%s\n", bytesText(s.KVBytes), bytesText(s.FullBytes),
		100*float64(s.KVBytes)/float64(max(s.FullBytes, 1)), recipeName(t.o.recipe), t.o.bounds())
	if p := t.meter.Peak(); p != nil {
		weights := ""
		if n := t.e.PackedBytes(); n > 0 {
			weights = fmt.Sprintf(", of it %s packed weights", bytesText(n))
		}
		if n := t.e.UnpackedBytes(); n > 0 {
			weights += fmt.Sprintf(" (no room for %s more)", bytesText(n))
		}
		if weights != "" {
			weights += ","
		}
		fmt.Fprintf(t.log, "memory      %s anonymous%s and %s file-backed at the peak\n", bytesText(p.Anonymous), weights, bytesText(p.File))
	}
}

// chat takes questions until the input ends.
func (t *talk) chat(ctx context.Context, in io.Reader) error {
	lines := newLineReader(in)
	for {
		line, err := lines.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch line = strings.TrimSpace(line); {
		case line == "":
		case line == "/bye":
			return nil
		case line == "/clear":
			t.clear()
		case line == "/stats":
			t.stats()
		case strings.HasPrefix(line, "/"):
			fmt.Fprintln(t.log, "/bye ends, /clear starts anew (documents stay), /stats shows the last answer's figures")
		default:
			var long *engine.ContextError
			if err := t.turn(ctx, line, true); errors.As(err, &long) && t.sequence != nil {
				fmt.Fprintf(t.log, "%v; /clear starts anew\n", err)
			} else if err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// A lineReader reads questions: with editing and history on a terminal, plain otherwise.
type lineReader struct {
	plain    *bufio.Reader
	terminal *terminalLines
}

func newLineReader(in io.Reader) *lineReader {
	if f, ok := in.(*os.File); ok && isTerminal(f) && isTerminal(os.Stderr) {
		return &lineReader{terminal: newTerminalLines(f)}
	}
	return &lineReader{plain: bufio.NewReader(in)}
}

// Read returns the next line without its end, or io.EOF.
func (l *lineReader) Read() (string, error) {
	if l.terminal != nil {
		return l.terminal.read()
	}
	line, err := l.plain.ReadString('\n')
	if err == io.EOF && line != "" {
		err = nil
	}
	return line, err
}
