package engine

import (
	"errors"
	"fmt"
)

// ErrQueueFull refuses a request because too many wait already.
var ErrQueueFull = errors.New("engine: the queue is full")

// ErrClosed refuses work after Close.
var ErrClosed = errors.New("engine: closed")

// A ContextError refuses a sequence that is longer than the model's context. Nothing is ever cut to fit.
type ContextError struct{ Prompt, Generate, Context int }

func (e *ContextError) Error() string {
	if e.Prompt > e.Context || e.Generate <= 1 {
		return fmt.Sprintf("engine: the prompt has %d tokens, the model's context %d", e.Prompt, e.Context)
	}
	return fmt.Sprintf("engine: the prompt has %d tokens and %d may be generated, the model's context is %d", e.Prompt, e.Generate, e.Context)
}

// A MemoryError refuses a sequence whose cache cannot fit its cap, with the figures.
type MemoryError struct {
	Recipe    string
	Prompt    int   // tokens
	Generate  int   // tokens that room is kept for
	Need, Cap int64 // bytes
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("engine: recipe %s: %d prompt tokens and room for %d more need %d bytes of cache, the cap is %d", e.Recipe, e.Prompt, e.Generate, e.Need, e.Cap)
}
