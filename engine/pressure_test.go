package engine_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

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

// A neighbour that needs more than there is to give leaves a sequence what it is promised.
func TestRelevanceKeepsWhatIsPromised(t *testing.T) {
	const n = 400
	e := open(t, "llama-rope3-untied-f32", engine.Options{Threads: 2, Memory: 700 << 10})
	kept, err := e.Generate(context.Background(), engine.Request{Tokens: prompt(n, 1), MaxTokens: 2, IgnoreEnd: true, Keep: true,
		Recipe: recipe(t, "relevance"), Budget: policy.Budget{Keep: policy.Percent(50)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Sequence.Close()
	before := kept.Sequence.Bytes()
	_, err = e.Generate(context.Background(), engine.Request{Tokens: prompt(480, 2), MaxTokens: 20, IgnoreEnd: true, Recipe: recipe(t, "full")}, nil)
	if !errors.Is(err, kvcache.ErrBudget) {
		t.Fatalf("the neighbour is not refused: %v", err)
	}
	c := e.Config()
	entries := 0
	for l := range c.Layers {
		for h := range c.KVHeads {
			held, _ := kept.Sequence.Held(l, h)
			entries += held
		}
	}
	if mean := entries / (c.Layers * c.KVHeads); mean < n/2 {
		t.Errorf("%d entries a lane are left of %d in %d bytes, half is promised", mean, n, before)
	}
}
