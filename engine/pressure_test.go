package engine_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pith/engine"
	"pith/kvcache"
	"pith/policy"
)

// Requests of all kinds and sizes share a pool that holds a fraction of what they want, some are cancelled, some have caps of their own:
// nobody is refused for good, the cap holds, and nothing is left behind.
func TestRelevanceKeepsTheCapUnderAnyLoad(t *testing.T) {
	specs := []string{"relevance", "relevance(block=1)", "relevance+q8", "relevance+q4", "relevance+quest", "full", "snapkv(window=8)", "h2o(when=decode)"}
	for _, model := range []string{"llama-rope3-untied-f32", "gemma3-linear-f32"} {
		for seed := range uint64(3) {
			const limit = 3 << 19
			e := open(t, model, engine.Options{Threads: 2, Memory: limit})
			r := rand.New(rand.NewPCG(seed, 5))
			var wg sync.WaitGroup
			var served atomic.Int32
			for i := range 24 {
				request := engine.Request{Tokens: prompt(20+r.IntN(380), i), MaxTokens: 1 + r.IntN(120), IgnoreEnd: true,
					Recipe: recipe(t, specs[r.IntN(len(specs))]), Budget: policy.Budget{Keep: policy.Percent(20 + r.IntN(40))}}
				if request.Recipe.Evicts() && r.IntN(3) == 0 || request.Recipe.Yield != nil && r.IntN(3) == 0 {
					request.Budget.Bytes = 400 << 10
				}
				again, stop := r.IntN(3) == 0, errors.New("enough")
				quits := r.IntN(8) == 0
				wg.Go(func() {
					request.Keep = again
					var res *engine.Result
					err := kvcache.ErrBudget
					// While a neighbour's caller holds on to a sequence after its reply, the answer may be "not now".
					for tries := 0; errors.Is(err, kvcache.ErrBudget) && tries < 1000; tries++ {
						if tries > 0 {
							time.Sleep(time.Millisecond) // on one processor that caller would not get a turn
						}
						res, err = e.Generate(context.Background(), request, func(engine.Event) error {
							if quits {
								return stop
							}
							return nil
						})
					}
					if err != nil {
						if !errors.Is(err, stop) && !errors.As(err, new(*engine.MemoryError)) {
							t.Errorf("%s seed %d, request %d (%s): %v", model, seed, i, request.Recipe, err)
						}
						return
					}
					served.Add(1)
					if again {
						defer res.Sequence.Close()
						if b := request.Budget.Bytes; b > 0 && res.Sequence.Bytes() > b {
							t.Errorf("request %d (%s): %d bytes, its cap is %d", i, request.Recipe, res.Sequence.Bytes(), b)
						}
					}
				})
			}
			wg.Wait()
			used, peak, _ := e.PoolUse()
			if peak > limit || used != 0 || served.Load() < 16 {
				t.Errorf("%s seed %d: %d of 24 served, peak %d of %d bytes, %d left behind", model, seed, served.Load(), peak, limit, used)
			}
		}
	}
}

// together counts how many replies a bounded pool holds at the same time.
func together(t *testing.T, spec string, keep policy.Share) int {
	e := open(t, "llama-rope3-untied-f32", engine.Options{Threads: 2, Memory: 2 << 20})
	var wg sync.WaitGroup
	var most, first atomic.Int32
	for i := range 16 {
		wg.Go(func() {
			_, err := e.Generate(context.Background(), engine.Request{Tokens: prompt(400, i), MaxTokens: 60, IgnoreEnd: true, Recipe: recipe(t, spec),
				Budget: policy.Budget{Keep: keep}}, func(engine.Event) error {
				_, decoding := e.Load()
				most.Store(max(most.Load(), int32(decoding)))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			first.Add(1)
		})
	}
	wg.Wait()
	return int(most.Load())
}

func TestRelevanceServesMoreSequencesTogether(t *testing.T) {
	full, half := together(t, "full", policy.Share{}), together(t, "relevance", policy.Percent(50))
	t.Logf("%d sequences in full, %d that may yield half", full, half)
	if full < 2 || 2*half < 3*full {
		t.Errorf("%d sequences that may yield half share the pool, %d in full", half, full)
	}
}

// held copies the positions of every lane.
func held(e *engine.Engine, s *engine.Sequence) (lanes [][]kvcache.Position, entries int) {
	for l := range e.Config().Layers {
		for h := range e.Config().KVHeads {
			at := s.Positions(l, h)
			lanes, entries = append(lanes, at), entries+len(at)
		}
	}
	return lanes, entries
}

// A newcomer takes from a sequence what that holds beyond its promise, and nothing at all where that is not enough.
func TestRelevanceYieldsOnlyToWhoFits(t *testing.T) {
	const n = 400
	for _, spec := range []string{"full", "relevance"} {
		served, refused := 0, 0
		for tokens := 40; tokens <= 480; tokens += 20 {
			e := open(t, "llama-rope3-untied-f32", engine.Options{Threads: 1, Memory: 700 << 10})
			kept, err := e.Generate(context.Background(), engine.Request{Tokens: prompt(n, 1), MaxTokens: 2, IgnoreEnd: true, Keep: true,
				Recipe: recipe(t, "relevance"), Budget: policy.Budget{Keep: policy.Percent(50)}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			before, all := held(e, kept.Sequence)
			newcomer := engine.Request{Tokens: prompt(tokens, 2), MaxTokens: 20, IgnoreEnd: true, Recipe: recipe(t, spec)}
			if newcomer.Recipe.Yield != nil {
				newcomer.Budget.Keep = policy.Percent(100)
			}
			_, err = e.Generate(context.Background(), newcomer, nil)
			after, left := held(e, kept.Sequence)
			switch {
			case errors.Is(err, kvcache.ErrBudget):
				refused++
				if !slices.EqualFunc(before, after, slices.Equal) {
					t.Errorf("%s, %d tokens: refused, and %d of %d entries are left", spec, tokens, left, all)
				}
			case err != nil:
				t.Errorf("%s, %d tokens: %v", spec, tokens, err)
			default:
				if left < all {
					served++
				}
				if promised := len(before) * n / 2; left < promised {
					t.Errorf("%s, %d tokens: %d entries are left of %d, %d are promised", spec, tokens, left, all, promised)
				}
			}
			kept.Sequence.Close()
		}
		t.Logf("%s: %d newcomers made room, %d refused", spec, served, refused)
		if served == 0 || refused == 0 {
			t.Errorf("%s: %d newcomers made room, %d refused: want some of both", spec, served, refused)
		}
	}
}
