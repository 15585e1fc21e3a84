package engine_test

import (
	"context"
	"errors"
	"testing"

	"pith/engine"
	"pith/policy"
)

// capped are recipes of every kind that takes memory in a way of its own.
var capped = []string{
	"full", "q8", "q4", "q2(values=f16)", "f16(values=q4)",
	"snapkv(window=8)", "snapkv(window=8)+adakv", "dynamickv", "kvzip+q4", "streamingllm+q4", "knorm+chunks(size=8)+q4",
	"mikv", "mikv(bits=2)", "zipcache", "zipcache(high=8,bits=2)", "snapkv(window=8)+demote(bits=2)", "snapkv(window=8)+adakv+demote+q8", "snapkv(window=8)+demote(bits=8)+q4",
	"h2o(when=decode)", "h2o(when=decode)+q4", "knorm+every(steps=7)+q4", "tova(when=decode)+q2", "knorm(sinks=2,recent=8)+every(steps=40)+q3(values=q8)",
	"snapkv(window=8)+think(lambda=0.1)", "think(lambda=0)+q4", "knorm+think(lambda=0.5)+demote",
	"mikv(every=7)", "zipcache(every=40)", "snapkv(window=8)+demote(bits=2,every=1)", "knorm+demote(bits=8)+every(steps=9)+q4", "tova+demote(every=3)+q8",
	"mikv(every=20)+quest(page=8)", "h2o+demote(every=30)+tsp(rate=0.5)",
	"quest", "quest+q4", "hierarchy(page=4,pages=4)+q4", "snapkv(window=8)+adakv+quest", "mikv+quest(page=8)", "knorm+every(steps=5)+q4+quest",
}

// A cap holds in every step of the prefill, of the decoding and of a second turn, whatever the recipe. The pool is given no more than the
// cap, so that what is held for a moment inside a step counts too: it would be refused.
func TestACapIsNeverExceeded(t *testing.T) {
	for _, model := range []string{"llama-rope3-untied-f32", "gemma3-linear-f32"} {
		for _, spec := range capped {
			for _, size := range [][2]int{{500, 60}, {130, 210}} {
				limit := int64(30 << 10)
				for !underCap(t, model, spec, size[0], size[1], limit) {
					limit = limit * 6 / 5 // until the recipe can be served
				}
				underCap(t, model, spec, size[0], size[1], limit+limit/3)
			}
		}
	}
}

// underCap serves a prompt and a second turn within a cap, and reports whether the first was not refused.
func underCap(t *testing.T, model, spec string, tokens, replies int, limit int64) bool {
	t.Helper()
	e := open(t, model, engine.Options{Threads: 1, Memory: limit})
	defer e.Close()
	turn := func(r engine.Request) *engine.Result {
		r.IgnoreEnd = true
		res, err := e.Generate(context.Background(), r, nil)
		var refused *engine.MemoryError
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("%s %s, %d and %d tokens within %d: %v", model, spec, tokens, replies, limit, err)
		}
		if _, peak, _ := e.PoolUse(); peak > limit {
			t.Fatalf("%s %s, %d and %d tokens: %d bytes held, the cap is %d", model, spec, tokens, replies, peak, limit)
		}
		return res
	}
	first := turn(engine.Request{Tokens: prompt(tokens, 6), MaxTokens: replies, Recipe: recipe(t, spec), Budget: policy.Budget{Bytes: limit}, Keep: true})
	if first == nil {
		return false
	}
	defer first.Sequence.Close()
	turn(engine.Request{Sequence: first.Sequence, Tokens: prompt(30, 7), MaxTokens: 70})
	return true
}
