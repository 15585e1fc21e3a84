package engine_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"pith/engine"
	"pith/gguf"
	_ "pith/method"
	"pith/policy"
)

var images sync.Map // of model files, by name: unpacking one takes longer than most of what is done with it

func image(t testing.TB, name string) []byte {
	t.Helper()
	if data, ok := images.Load(name); ok {
		return data.([]byte)
	}
	f, err := os.Open("../model/testdata/" + name + ".gguf.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	images.Store(name, data)
	return data
}

func open(t testing.TB, name string, o engine.Options) *engine.Engine {
	t.Helper()
	file, err := gguf.OpenBytes(name, image(t, name))
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(file, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func prompt(n, salt int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32((i*i*7 + i*13 + salt*31) % 311)
	}
	return ids
}

func recipe(t testing.TB, spec string) *policy.Recipe {
	t.Helper()
	r, err := policy.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func generate(t testing.TB, e *engine.Engine, r engine.Request) *engine.Result {
	t.Helper()
	r.IgnoreEnd = true
	res, err := e.Generate(context.Background(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestNeighboursDoNotChangeAReply(t *testing.T) {
	e := open(t, "llama-tied-f32", engine.Options{Threads: 2})
	request := func(i int) engine.Request {
		specs := []string{"full", "snapkv(window=8)", "fastkv", "knorm(sinks=2,recent=8)+q8"}
		return engine.Request{Tokens: prompt(60+37*i, i), MaxTokens: 20, Recipe: recipe(t, specs[i%len(specs)]),
			Sampling: engine.Sampling{Temperature: 1, Seed: uint64(i), TopP: 0.95}}
	}
	var alone [8]*engine.Result
	for i := range alone {
		alone[i] = generate(t, e, request(i))
	}
	var together [8]*engine.Result
	var wg sync.WaitGroup
	for i := range together {
		wg.Go(func() { together[i] = generate(t, e, request(i)) })
	}
	wg.Wait()
	for i := range alone {
		if !slices.Equal(alone[i].Tokens, together[i].Tokens) {
			t.Errorf("request %d: %v alone, %v among neighbours", i, alone[i].Tokens, together[i].Tokens)
		}
	}
	if used, _, _ := e.PoolUse(); used != 0 {
		t.Errorf("%d bytes are still held", used)
	}
}

func TestADroppedPrefillLeavesNothingBehind(t *testing.T) {
	e := open(t, "llama-tied-f32", engine.Options{Exact: true, Threads: 2, Chunk: 64})
	for _, spec := range []string{"full", "fastkv", "dynamickv", "kvzip"} {
		for steps := 0; ; steps++ {
			s, err := e.NewSequence(recipe(t, spec), policy.Budget{}, 400)
			if err != nil {
				t.Fatal(err)
			}
			p, err := e.NewPrefill(prompt(150, 1), engine.PrefillOptions{Compress: true}, s)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := false
			for range steps {
				if done, err = p.Advance(ctx); err != nil || done {
					break
				}
			}
			cancel()
			if !done {
				if _, err := p.Advance(ctx); !errors.Is(err, context.Canceled) {
					t.Fatalf("%s after %d steps: %v", spec, steps, err)
				}
				if _, err := e.Feed(s, []int32{1}); err == nil {
					t.Fatalf("%s after %d steps: a half-read sequence goes on", spec, steps)
				}
			}
			s.Close()
			if used, _, _ := e.PoolUse(); used != 0 {
				t.Fatalf("%s after %d steps: %d bytes are still held", spec, steps, used)
			}
			if done {
				break
			}
		}
	}
}

func TestASecondTurnExtendsTheCache(t *testing.T) {
	e := open(t, "gemma3-linear-f32", engine.Options{Exact: true, Threads: 2})
	ids := prompt(200, 3)
	whole := generate(t, e, engine.Request{Tokens: ids, MaxTokens: 5, LogProbs: -1})
	first := generate(t, e, engine.Request{Tokens: ids[:120], MaxTokens: 1, Keep: true})
	defer first.Sequence.Close()
	// The sampled token was not fed, so the next turn starts where the prompt ended.
	second := generate(t, e, engine.Request{Sequence: first.Sequence, Tokens: ids[120:], MaxTokens: 5})
	if !slices.Equal(whole.Tokens, second.Tokens) {
		t.Errorf("in two turns %v, at once %v", second.Tokens, whole.Tokens)
	}
	if second.Stats.CachedTokens != 120 || second.Stats.PromptTokens != 80 {
		t.Errorf("cached %d and read %d, want 120 and 80", second.Stats.CachedTokens, second.Stats.PromptTokens)
	}
}

func TestABoundaryCompressesTheDocumentAlone(t *testing.T) {
	e := open(t, "llama-tied-f32", engine.Options{Exact: true, Threads: 2})
	document, question := prompt(150, 4), prompt(30, 5)
	r := recipe(t, "keydiff")
	res := generate(t, e, engine.Request{Tokens: append(slices.Clone(document), question...), Boundary: len(document), Recipe: r,
		Budget: policy.Budget{Keep: policy.Percent(20)}, MaxTokens: 1, Keep: true})
	defer res.Sequence.Close()
	c := e.Config()
	for l := range c.Layers {
		for h := range c.KVHeads {
			if kept := res.Sequence.Positions(l, h); len(kept) != 30+30 || int(kept[30]) != 150 {
				t.Fatalf("layer %d head %d keeps %d entries: %v", l, h, len(kept), kept)
			}
		}
	}
}

func TestMemoryCapHoldsAtEveryMoment(t *testing.T) {
	e := open(t, "llama-rope3-untied-f32", engine.Options{Exact: true, Threads: 2})
	for _, spec := range []string{"snapkv(window=8)", "snapkv(window=8)+adakv", "dynamickv", "kvzip", "streamingllm+q4", "mikv", "snapkv(window=8)+demote(bits=2)", "h2o(when=decode)"} {
		limit := int64(640 << 10)
		s, err := e.NewSequence(recipe(t, spec), policy.Budget{Bytes: limit}, 900)
		if err != nil {
			t.Fatal(err)
		}
		p, err := e.NewPrefill(prompt(500, 6), engine.PrefillOptions{Compress: true, Extra: 50}, s)
		if err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		check := func(when string) {
			if s.Bytes() > limit {
				t.Fatalf("%s %s: %d bytes held, the cap is %d", spec, when, s.Bytes(), limit)
			}
		}
		for done := false; !done; {
			if done, err = p.Advance(context.Background()); err != nil {
				t.Fatal(err)
			}
			check("in the prefill")
		}
		if entries := len(s.Positions(0, 0)); s.Bytes() < limit/2 && entries < 500 {
			t.Errorf("%s: %d bytes used of a cap of %d", spec, s.Bytes(), limit)
		}
		for i := range 50 {
			if err := e.Step([]*engine.Sequence{s}, []int32{int32(i)}); err != nil {
				t.Fatal(err)
			}
			check("in decode")
		}
		s.Close()
	}
}

func TestWhatCannotBeServedIsRefusedWithItsFigures(t *testing.T) {
	e := open(t, "llama-tied-f32", engine.Options{Threads: 1, Memory: 64 << 10})
	context_ := e.Config().Context
	for name, c := range map[string]struct {
		request engine.Request
		want    string
	}{
		"too long":        {engine.Request{Tokens: prompt(context_+1, 0), MaxTokens: 1}, "context"},
		"no room":         {engine.Request{Tokens: prompt(context_-1, 0), MaxTokens: 5}, "context"},
		"full over a cap": {engine.Request{Tokens: prompt(500, 0), MaxTokens: 5, Budget: policy.Budget{Bytes: 8192}}, "8192"},
		"tiny cap":        {engine.Request{Tokens: prompt(500, 0), MaxTokens: 5, Recipe: recipe(t, "knorm"), Budget: policy.Budget{Bytes: 8192}}, "8192"},
		"one entry":       {engine.Request{Tokens: prompt(100, 0), MaxTokens: 5, Recipe: recipe(t, "knorm"), Budget: policy.Budget{Keep: policy.Entries(1)}}, "at least 2"},
		"empty":           {engine.Request{MaxTokens: 5}, "engine"},
		"temperature":     {engine.Request{Tokens: prompt(5, 0), MaxTokens: 5, Sampling: engine.Sampling{Temperature: -1}}, "temperature"},
		"pool":            {engine.Request{Tokens: prompt(1000, 0), MaxTokens: 5, Budget: policy.Budget{}}, "cap"},
	} {
		_, err := e.Generate(context.Background(), c.request, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want a refusal that speaks of %q", name, err, c.want)
		}
	}
	if used, _, _ := e.PoolUse(); used != 0 {
		t.Errorf("refusals hold %d bytes", used)
	}
}

func TestRequestsShareABoundedPool(t *testing.T) {
	e := open(t, "llama-tied-f32", engine.Options{Threads: 2, Memory: 1 << 20})
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() { generate(t, e, engine.Request{Tokens: prompt(300, i), MaxTokens: 30}) })
	}
	wg.Wait()
	if _, peak, budget := e.PoolUse(); peak > budget {
		t.Errorf("the pool held %d bytes, its cap is %d", peak, budget)
	}
}

func TestCancellingARequestFreesIt(t *testing.T) {
	e := open(t, "llama-tied-f32", engine.Options{Threads: 1})
	stop := errors.New("enough")
	n := 0
	_, err := e.Generate(context.Background(), engine.Request{Tokens: prompt(100, 1), MaxTokens: 300, IgnoreEnd: true}, func(engine.Event) error {
		if n++; n == 5 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Errorf("the reply ended with %v", err)
	}
	if used, _, _ := e.PoolUse(); used != 0 {
		t.Errorf("%d bytes are still held", used)
	}
}

func TestDecodeStepAllocatesNothing(t *testing.T) {
	e := open(t, "llama-tied-f32", engine.Options{Threads: 1})
	s, err := e.NewSequence(nil, policy.Budget{}, 2000)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, err := e.NewPrefill(prompt(600, 1), engine.PrefillOptions{}, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	seqs, ids := []*engine.Sequence{s}, []int32{3}
	step := func() {
		if err := e.Step(seqs, ids); err != nil {
			t.Fatal(err)
		}
	}
	for range 40 {
		step() // buffers grow
	}
	if n := testing.AllocsPerRun(100, step); n > 0.5 { // a lane's page table grows once in a while
		t.Errorf("%g allocations a step", n)
	}
}
