package method_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"pith/engine"
	"pith/gguf"
	"pith/kvcache"
	"pith/policy"
)

// The conformance suite runs over every registered method by itself: a new one is covered by being registered. Parts that need a
// score are tried over SnapKV.

// conformanceSpecs returns one recipe for every registered method.
func conformanceSpecs(t *testing.T) []string {
	t.Helper()
	var specs []string
	for _, m := range policy.Methods() {
		spec := m.Name
		if _, err := policy.Parse(spec); err != nil {
			spec = "snapkv(window=16)+" + m.Name
			if _, err := policy.Parse(spec); err != nil {
				t.Errorf("%s works neither alone nor over a score: %v", m.Name, err)
				continue
			}
		}
		specs = append(specs, spec)
	}
	return append(specs, "knorm(sinks=4,recent=16)+adakv+q8", "expected+global(alpha=0.1)", "h2o+pyramid+q4", "kvzip+q4", "kvzip(plus=yes,chunk=128)", "auto(pass=2)", "kvzip+q8+bytes", "gate+q4+rounding+bytes", "gate+q4(values=q3)+match(rows=64)+bytes", "kvzip+q4+match(rows=40)+bytes", "expected+global+match(rows=32)", "kvzap+q3+rounding", "kvzip+q4(values=q3)+rounding", "knorm+pyramid(beta=3)+q4+bytes", "dynamickv+bytes", "expected+adakv+q4+bytes",
		"snapkv(window=8,kernel=13)+tsp(rate=0.5)+chunks(size=8)", "lagkv(lag=32)+critical", "tova(when=decode)", "h2o(when=decode)", "h2o(forget=0.9,kernel=5)+every(steps=6)", "streamingllm(when=decode)", "knorm(sinks=4,recent=8)+merge+think(lambda=0.25)+q8",
		"mikv(every=4)", "zipcache(window=16,every=3)", "tova+demote(bits=2,every=5)+q8")
}

// tinyModels are random models that fit in the repository: one that sees everything in each layer, one with window layers.
var tinyModels = []string{"llama-tied-f32", "gemma3-linear-f32"}

func openTiny(t testing.TB, name string, o engine.Options) *engine.Engine {
	t.Helper()
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
	open := func(o engine.Options) (*engine.Engine, error) {
		file, err := gguf.OpenBytes(name, data)
		if err != nil {
			return nil, err
		}
		return engine.New(file, o)
	}
	if o.Calibration == nil {
		o.Calibration = tinyCalibration(t, name, open)
	}
	e, err := open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

var tinyCalibrations sync.Map // by the model's name

// tinyCalibration is what calibration learns of a tiny model, so that methods that need it are tried as well.
func tinyCalibration(t testing.TB, name string, open func(engine.Options) (*engine.Engine, error)) *policy.Calibration {
	t.Helper()
	if c, ok := tinyCalibrations.Load(name); ok {
		return c.(*policy.Calibration)
	}
	e, err := open(engine.Options{Exact: true, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c := &policy.Calibration{Version: policy.CalibrationVersion, Model: name, Layers: e.Config().Layers, PropagationLayer: -1}
	ids := text(900)
	if err := e.Learn(context.Background(), c, [][]int32{ids[:300], ids[300:600], ids[600:]}, nil); err != nil {
		t.Fatal(err)
	}
	tinyCalibrations.Store(name, c)
	return c
}

// text is a prompt with structure: repeated phrases among noise, so that scores differ.
func text(n int) []int32 {
	ids := make([]int32, n)
	state := uint32(12345)
	for i := range ids {
		state = state*1664525 + 1013904223
		ids[i] = int32(state>>16) % 300
		if i >= 40 && i%7 < 3 {
			ids[i] = ids[i-40]
		}
	}
	return ids
}

// outcome is what a recipe made of a prompt: lanes, and the logits that follow.
type outcome struct {
	kept   [][][]kvcache.Position // [layer][head]
	seen   [][]kvcache.Position   // [layer], of the rows that reached it
	scored []*policy.Scored       // by layer; nil where nothing was scored
	high   int                    // entries of deciding layers that are not demoted
	bytes  int64
	logits [][]float32
}

// run prefills under a recipe, feeds a continuation and frees everything again.
func run(t *testing.T, e *engine.Engine, spec, keep string, ids, feed []int32) outcome {
	t.Helper()
	r, err := policy.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	b := policy.Budget{}
	if keep != "" {
		if b.Keep, err = policy.ParseShare(keep); err != nil {
			t.Fatal(err)
		}
	}
	before, _, _ := e.PoolUse()
	s, err := e.NewSequence(r, b, len(ids)+len(feed)+8)
	if err != nil {
		t.Fatal(err)
	}
	c := e.Config()
	o := outcome{scored: make([]*policy.Scored, c.Layers)}
	p, err := e.NewPrefill(ids, engine.PrefillOptions{Compress: true, Extra: len(feed),
		Seen:   func(_ int, pos []kvcache.Position) { o.seen = append(o.seen, slices.Clone(pos)) },
		Scores: func(s *policy.Scored) { o.scored[s.Layer] = s }}, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	for l := range c.Layers {
		var heads [][]kvcache.Position
		for h := range c.KVHeads {
			heads = append(heads, s.Positions(l, h))
			if entries, demoted := s.Held(l, h); c.Window[l] == 0 {
				o.high += entries - demoted
			}
		}
		o.kept = append(o.kept, heads)
	}
	o.bytes = s.Bytes()
	if o.logits, err = e.Feed(s, feed); err != nil {
		t.Fatal(err)
	}
	next := int32(7)
	for range 3 { // and through the decode path
		if err := e.Step([]*engine.Sequence{s}, []int32{next}); err != nil {
			t.Fatal(err)
		}
		o.logits = append(o.logits, slices.Clone(s.Logits()))
	}
	s.Close()
	used, _, _ := e.PoolUse()
	if used != before {
		t.Errorf("%s: %d bytes of the pool are not returned", spec, used-before)
	}
	if left := e.PoolResident() - used; left > 1<<20 { // free pages go back a mebibyte at a time
		t.Errorf("%s: %d bytes are not returned to the operating system", spec, left)
	}
	return o
}

// stepwise prefills under a recipe and feeds a continuation token by token.
func stepwise(t *testing.T, e *engine.Engine, spec, keep string, ids, feed []int32) [][]float32 {
	t.Helper()
	s := prefilled(t, e, spec, keep, ids, len(feed))
	defer s.Close()
	var logits [][]float32
	for _, id := range feed {
		if err := e.Step([]*engine.Sequence{s}, []int32{id}); err != nil {
			t.Fatal(err)
		}
		logits = append(logits, slices.Clone(s.Logits()))
	}
	return logits
}

// prefilled is a sequence that has read a prompt under a recipe, with room for so many tokens.
func prefilled(t *testing.T, e *engine.Engine, spec, keep string, ids []int32, room int) *engine.Sequence {
	t.Helper()
	r, err := policy.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	b := policy.Budget{}
	if keep != "" {
		if b.Keep, err = policy.ParseShare(keep); err != nil {
			t.Fatal(err)
		}
	}
	s, err := e.NewSequence(r, b, len(ids)+room)
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.NewPrefill(ids, engine.PrefillOptions{Compress: true, Extra: room}, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

func sameLogits(a, b [][]float32) bool {
	return slices.EqualFunc(a, b, func(x, y []float32) bool { return slices.Equal(x, y) })
}

func TestEveryMethodKeepsItsBudget(t *testing.T) {
	for _, model := range tinyModels {
		e := openTiny(t, model, engine.Options{Exact: true, Threads: 2})
		c := e.Config()
		global := c.GlobalLayers()
		ids, feed := text(300), text(20)
		for _, spec := range conformanceSpecs(t) {
			r, _ := policy.Parse(spec)
			for _, keep := range []string{"50%", "10%", "37"} {
				o := run(t, e, spec, keep, ids, feed)
				share, _ := policy.ParseShare(keep)
				base := len(ids)
				if r.Evicts() {
					base = share.Of(len(ids))
				}
				total := o.high
				for _, l := range global {
					for h, kept := range o.kept[l] {
						if r.Rest != nil && len(kept) > base && len(kept) != len(ids) {
							t.Errorf("%s %s %s: layer %d head %d: %d entries with the demoted ones, %d came in", model, spec, keep, l, h, len(kept), len(ids))
						}
						checkPins(t, spec+" "+keep, o, l, h)
						for i, p := range kept {
							if i > 0 && p <= kept[i-1] || p < 0 || int(p) >= len(ids) {
								t.Fatalf("%s %s %s: layer %d head %d: position %d at %d after %v", model, spec, keep, l, h, p, i, kept[max(0, i-1)])
							}
						}
					}
				}
				if r.InBytes {
					checkBytes(t, e, spec, share, len(ids), total, o)
					continue
				}
				budget := base * len(global) * c.KVHeads
				unit := 1
				if r.Select != nil {
					unit = 20 * len(global) * c.KVHeads // whole units may leave less than one per head
				}
				if total > budget || total <= budget-unit {
					t.Errorf("%s %s %s: %d entries kept, the budget is %d", model, spec, keep, total, budget)
				}
			}
		}
	}
}

// checkPins demands that a head holds the sinks and the newest entries that the score, or the allocator for this head, has declared; where
// they alone exceed the head's count, the first come first.
func checkPins(t *testing.T, what string, o outcome, layer, head int) {
	t.Helper()
	s := o.scored[layer]
	if s == nil {
		return
	}
	sinks, recent := s.Sinks, s.Recent
	if s.Pins != nil {
		sinks, recent = s.Pins[head].Sinks, s.Pins[head].Recent
	}
	kept, n := o.kept[layer][head], len(o.seen[layer])
	sinks = min(sinks, len(kept))
	recent = min(recent, len(kept)-sinks)
	for j, p := range o.seen[layer] {
		if _, held := slices.BinarySearch(kept, p); !held && (j < sinks || j >= n-recent) {
			t.Errorf("%s: layer %d head %d: entry %d of %d is dropped, %d sinks and the newest %d are pinned", what, layer, head, j, n, sinks, recent)
			return
		}
	}
}

// checkBytes demands that a share of bytes is one of what f16 takes, and that pages are used as far as lanes of whole pages can.
func checkBytes(t *testing.T, e *engine.Engine, spec string, share policy.Share, n, total int, o outcome) {
	t.Helper()
	if e.Config().Window[0] > 0 {
		return // window layers stand outside, and their bytes are not told apart here
	}
	limit := share.Scale(run(t, e, "f16", "", text(n), text(1)).bytes, n)
	least := run(t, e, "full", "", text(1), text(1)).bytes // a page or two in every lane
	if o.bytes > max(limit, least) || o.bytes <= limit-least && total < n*e.Config().Layers*e.Config().KVHeads {
		t.Errorf("%s %s: %d bytes kept, the share is %d", spec, share, o.bytes, limit)
	}
}

// Keeping all is the full cache in the same storage, bit for bit. Recipes that act while tokens are generated are fed token by token; of
// those that then cut back to what the prompt had, the first row is compared.
func TestEveryMethodThatKeepsAllIsTheFullCache(t *testing.T) {
	for _, model := range tinyModels {
		e := openTiny(t, model, engine.Options{Exact: true, Threads: 2})
		ids, feed := text(200), text(20)
		whole, steps := map[string][][]float32{}, map[string][][]float32{} // by plain storage
		for _, spec := range conformanceSpecs(t) {
			r, _ := policy.Parse(spec)
			if r.InBytes || r.Fit != nil || r.Thin != nil || r.Adapt != nil { // these change what is stored, whatever is kept
				continue
			}
			plain := "full"
			if st := r.Store; st.Given {
				plain = fmt.Sprintf("%v(values=%v)", st.Storage.Keys, st.Storage.Values)
			}
			if whole[plain] == nil {
				whole[plain], steps[plain] = run(t, e, plain, "", ids, feed).logits[:len(feed)], stepwise(t, e, plain, "", ids, feed)
			}
			got, want := [][]float32(nil), whole[plain]
			if r.ActsInDecode() {
				got, want = stepwise(t, e, spec, "100%", ids, feed), steps[plain]
				if r.When.Steps > 0 {
					got, want = got[:1], want[:1]
				}
			} else {
				got = run(t, e, spec, "100%", ids, feed).logits[:len(feed)]
			}
			if !sameLogits(got, want) {
				t.Errorf("%s %s: keeping all changes the logits of %s", model, spec, plain)
			}
		}
	}
}

func TestChannelPruningOfNothingIsTheFullCache(t *testing.T) {
	e := openTiny(t, "llama-tied-f32", engine.Options{Exact: true, Threads: 2})
	ids, feed := text(200), text(20)
	if !sameLogits(run(t, e, "think(lambda=0)", "", ids, feed).logits, run(t, e, "full", "", ids, feed).logits) {
		t.Error("pruning no channel changes the logits")
	}
}

// Reading every page must be reading everything, and a recipe that reads less still holds everything.
func TestReadingAllPagesIsTheFullCache(t *testing.T) {
	for _, model := range tinyModels {
		e := openTiny(t, model, engine.Options{Exact: true, Threads: 2})
		ids, feed := text(400), []int32{5}
		full := stepped(t, e, "knorm(sinks=1,recent=1)+every(steps=1000)", "100%", ids, feed)
		for _, spec := range []string{"quest(dense=0)", "hierarchy(dense=0,pages=4)"} {
			if o := stepped(t, e, spec, "100%", ids, feed); !sameLogits(o, full) {
				t.Errorf("%s %s: reading everything changes the logits", model, spec)
			}
			if o := stepped(t, e, spec, "20%", ids, feed); sameLogits(o, full) {
				t.Errorf("%s %s: reading a fifth changes nothing", model, spec)
			}
		}
	}
}

// stepped feeds token by token.
func stepped(t *testing.T, e *engine.Engine, spec, keep string, ids, feed []int32) [][]float32 {
	t.Helper()
	return run(t, e, spec, keep, ids, feed).logits
}

// Every recipe that evicts while tokens are generated holds at most what its budget and its number of steps allow, in every lane after every
// step.
func TestDecodeTimeEvictionKeepsMemoryFlat(t *testing.T) {
	e := openTiny(t, "llama-tied-f32", engine.Options{Exact: true, Threads: 2})
	specs := []string{"snapkv(window=8)+every(steps=10)", "knorm(sinks=2,recent=8)+every(steps=5)+q8", "h2o(when=decode)+q4"}
	for _, spec := range append(specs, conformanceSpecs(t)...) {
		r, err := policy.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		steps := r.When.Steps
		if steps == 0 || r.Reclassifies() { // see TestClassifyingAgainKeepsTheShareAtEveryStep
			continue
		}
		s := prefilled(t, e, spec, "40", text(200), 500)
		most := s.Bytes()
		for i := range 300 {
			if err := e.Step([]*engine.Sequence{s}, []int32{int32(i*7) % 300}); err != nil {
				t.Fatal(err)
			}
			for l := range e.Config().Layers {
				for h := range e.Config().KVHeads {
					if n, _ := s.Held(l, h); n > 40+steps-1 {
						t.Fatalf("%s: step %d, layer %d: %d entries held, the budget is 40", spec, i, l, n)
					}
				}
			}
			if i == 2*steps {
				most = s.Bytes()
			}
		}
		if s.Bytes() > most+64<<10 {
			t.Errorf("%s: memory grew from %d to %d bytes over 300 tokens", spec, most, s.Bytes())
		}
		s.Close()
	}
}

// Attention sums go on while tokens are generated, old rows forgotten as in a prompt: what is cut after some steps is what a prefill of all those
// tokens cuts.
func TestSumsGoOnWhileTokensAreGenerated(t *testing.T) {
	e := openTiny(t, "llama-tied-f32", engine.Options{Exact: true, Threads: 2})
	ids := text(230)
	for _, forget := range []string{"1", "0.9"} {
		score := "h2o(recent=0,kernel=3,forget=" + forget + ")+f32"
		steps := prefilled(t, e, score+"+every(steps=30)", "200", ids[:200], 30)
		for _, id := range ids[200:] {
			if err := e.Step([]*engine.Sequence{steps}, []int32{id}); err != nil {
				t.Fatal(err)
			}
		}
		whole := prefilled(t, e, score, "200", ids, 1)
		for l := range e.Config().Layers {
			for h := range e.Config().KVHeads {
				got, want := steps.Positions(l, h), whole.Positions(l, h)
				if len(got) != 200 || !slices.Equal(got, want) {
					t.Errorf("forget=%s, layer %d, head %d: %d kept, %v; a prefill keeps %v", forget, l, h, len(got), got, want)
				}
			}
		}
		steps.Close()
		whole.Close()
	}
}

// Lossy storage is bounded entry by entry in package kvcache; here the loss that reaches the logits must grow as bits fall.
func TestLossyStorageLosesMoreWithFewerBits(t *testing.T) {
	for _, model := range tinyModels {
		e := openTiny(t, model, engine.Options{Exact: true, Threads: 2})
		ids, feed := text(200), text(20)
		full := run(t, e, "full", "", ids, feed)
		last, lastBytes := 0.0, int64(math.MaxInt64)
		for _, spec := range []string{"f16", "q8", "q4", "q2"} {
			o := run(t, e, spec, "", ids, feed)
			loss := meanDifference(o.logits, full.logits)
			if !(loss > last) || math.IsInf(loss, 0) || o.bytes > lastBytes {
				t.Errorf("%s %s: mean difference %g after %g, %d bytes after %d", model, spec, loss, last, o.bytes, lastBytes)
			}
			last, lastBytes = loss, o.bytes
		}
	}
}

func meanDifference(a, b [][]float32) float64 {
	var sum float64
	for i := range a {
		for j := range a[i] {
			sum += math.Abs(float64(a[i][j]-b[i][j])) / float64(len(a)*len(a[i]))
		}
	}
	return sum
}

func TestEveryMethodIsTheSameForAnyChunkAndThreads(t *testing.T) {
	for _, model := range tinyModels {
		for _, exact := range []bool{true, false} {
			one := openTiny(t, model, engine.Options{Exact: exact, Threads: 1, Chunk: 64})
			two := openTiny(t, model, engine.Options{Exact: exact, Threads: 3, Chunk: 192})
			ids, feed := text(330), text(10)
			for _, spec := range conformanceSpecs(t) {
				a, b := run(t, one, spec, "20%", ids, feed), run(t, two, spec, "20%", ids, feed)
				if !slices.EqualFunc(a.kept, b.kept, func(x, y [][]kvcache.Position) bool {
					return slices.EqualFunc(x, y, func(p, q []kvcache.Position) bool { return slices.Equal(p, q) })
				}) {
					t.Errorf("%s %s exact=%v: other entries are kept", model, spec, exact)
				} else if !sameLogits(a.logits, b.logits) {
					t.Errorf("%s %s exact=%v: logits differ", model, spec, exact)
				}
			}
		}
	}
}

// One prefill for all and one batch of decode steps give each sequence the bits that it would have alone.
func TestSharedPrefillEqualsSingle(t *testing.T) {
	e := openTiny(t, "llama-tied-f32", engine.Options{Exact: true, Threads: 2})
	ids, feed := text(260), text(10)
	var seqs []*engine.Sequence
	var specs []string
	for _, spec := range conformanceSpecs(t) {
		r, _ := policy.Parse(spec)
		if r.Restricts(e.Config().Layers) {
			continue
		}
		s, err := e.NewSequence(r, policy.Budget{Keep: policy.Percent(30)}, 400)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		seqs, specs = append(seqs, s), append(specs, spec)
	}
	p, err := e.NewPrefill(ids, engine.PrefillOptions{Compress: true}, seqs...)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	single := make([]outcome, len(seqs))
	for i, s := range seqs {
		got, err := e.Feed(s, feed)
		if err != nil {
			t.Fatal(err)
		}
		single[i] = run(t, e, specs[i], "30%", ids, feed)
		if !sameLogits(got, single[i].logits[:len(feed)]) {
			t.Errorf("%s: sharing a prefill changes the logits", specs[i])
		}
	}
	next := slices.Repeat([]int32{7}, len(seqs)) // what run feeds
	for step := range 3 {
		if err := e.Step(seqs, next); err != nil {
			t.Fatal(err)
		}
		for i, s := range seqs {
			if !slices.Equal(s.Logits(), single[i].logits[len(feed)+step]) {
				t.Errorf("%s: decoding in a batch changes the logits of step %d", specs[i], step)
			}
		}
	}
}

func TestSpecStringsRoundTrip(t *testing.T) {
	for _, m := range policy.Methods() {
		var args []string
		for _, p := range m.Params {
			if p.Default != "" {
				args = append(args, p.Name+"="+p.Default)
			}
		}
		spec := m.Name
		if len(args) > 0 {
			spec += "(" + strings.Join(args, ",") + ")"
		}
		terms, err := policy.ParseTerms(spec)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		if got := terms[0].String(); got != spec {
			t.Errorf("%s reads back as %s", spec, got)
		}
	}
	for _, spec := range conformanceSpecs(t) {
		r, _ := policy.Parse(spec)
		again, err := policy.Parse(r.Canonical())
		if err != nil || again.Canonical() != r.Canonical() || again.Span() != r.Span() || again.Signals() != r.Signals() {
			t.Errorf("%s reads back as another recipe: %v", spec, err)
		}
	}
}

func TestCombinationsWithoutSenseAreRefused(t *testing.T) {
	for spec, reason := range map[string]string{
		"adakv":                     "score",
		"snapkv+knorm":              "how much an entry matters",
		"snapkv+q4+q8":              "how entries are stored",
		"snapkv+adakv+pyramid":      "distributed",
		"snapkv+adakv+chunks":       "alike",
		"kvzip+chunks":              "alike",
		"dynamickv+critical":        "decided at once",
		"kvzip+tsp":                 "second pass",
		"snapkv(window=0)":          "outside",
		"snapkv(window=64":          "parenthesis",
		"snapkv(kernel=4)":          "odd",
		"snapkv(windows=64)":        "no parameter",
		"snapvk":                    "snapkv is meant",
		"snapkv(window=8,window=9)": "twice",
		"":                          "no method name",
		"relevance+snapkv":          "whole until then",
		"relevance+think":           "whole until then",
	} {
		_, err := policy.Parse(spec)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %v; want a refusal that speaks of %q", spec, err, reason)
		}
	}
}
