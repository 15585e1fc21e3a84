package acceptance

import (
	"sync"
	"testing"

	"pith/engine"
	"pith/eval"
	"pith/policy"
)

// The fidelity of all recipes that the tests below compare comes from one prefill of each seed.
var grid struct {
	sync.Once
	cells map[string]*cell
	full  *cell
}

// gridContext is 1,024 tokens, gridHalf the cap that half of the full cache's bytes make, of those and what follows.
const gridContext, gridPositions = 1024, 128

func measured(t *testing.T) map[string]*cell {
	e := real(t)
	grid.Do(func() {
		half := e.FullBytes(gridContext+gridPositions) / 2
		cells := []*cell{
			at("random", percent(50)), at("random", percent(25)), at("random", percent(10)),
			at("h2o", percent(50)), at("h2o", percent(25)), at("h2o", percent(10)),
			at("tova", percent(50)), at("tova", percent(25)), at("tova", percent(10)),
			at("snapkv(window=16,kernel=13)", percent(50)), at("snapkv(window=16,kernel=13)", percent(25)), at("snapkv(window=16,kernel=13)", percent(10)),
			at("mikv", percent(25)), at("relevance", within(half)), at("streamingllm(sinks=0)", within(half)), at("streamingllm", within(half)),
			at("tova+q4", percent(50)), at("h2o+q4", percent(50)), at("knorm(sinks=4,recent=64)", percent(50)), at("knorm(sinks=4,recent=64)+q4", percent(50)),
			at("q8", percent(0)), at("think(lambda=0.25)", percent(0)), at("h2o+think(lambda=0.25)+q8", percent(50)), at("span", percent(85)),
			at("compactor+span(exempt=0.5)", percent(60)), at("expected+span", percent(60)),
			at("streamingllm", percent(60)),
		}
		grid.full = fidelity(t, e, gridContext, gridPositions, cells...)
		grid.cells = map[string]*cell{}
		for _, c := range cells {
			grid.cells[c.spec+" "+c.budget.Keep.String()] = c
		}
	})
	if grid.cells == nil {
		t.Fatal("the grid was not measured")
	}
	return grid.cells
}

func TestSeed5RelevanceLosesLessThanRecency(t *testing.T) {
	c := measured(t)
	relevance, recency, sinks := c["relevance 0%"], c["streamingllm(sinks=0) 0%"], c["streamingllm 0%"]
	if relevance.rise(grid.full) > recency.rise(grid.full)/2 {
		t.Errorf("within half of the bytes perplexity rises by %.1f%% by relevance, by %.1f%% by recency", 100*relevance.rise(grid.full), 100*recency.rise(grid.full))
	}
	if relevance.kl > sinks.kl/2 {
		t.Errorf("KL %.4f by relevance, %.4f by recency and sinks", relevance.kl, sinks.kl)
	}
}

// MiKV holds a quarter of the entries in f16, the others in 4 bits: less than half of the bytes.
func TestSeed7MixedPrecisionDivergesLessThanEvictionAtEqualBytes(t *testing.T) {
	c := measured(t)
	mixed, evicted := c["mikv 25%"], c["h2o 50%"]
	if mixed.bytes > evicted.bytes || mixed.bytes > 0.5 || mixed.kl > evicted.kl/2 {
		t.Errorf("mixed: KL %.4f in %.1f%% of the bytes, evicted: %.4f in %.1f%%", mixed.kl, 100*mixed.bytes, evicted.kl, 100*evicted.bytes)
	}
}

// Four bits on top of pruning cost little perplexity beside pruning alone.
func TestSeed9FourBitsAddLittleToPruning(t *testing.T) {
	c := measured(t)
	for _, score := range []string{"tova", "h2o", "knorm(sinks=4,recent=64)"} {
		prune, both := c[score+" 50%"], c[score+"+q4 50%"]
		t.Logf("%s: perplexity %+.2f%% by four bits", score, 100*both.rise(prune))
		if both.rise(prune) > 0.02 {
			t.Errorf("%s: four bits raise the perplexity by %.1f%%", score, 100*both.rise(prune))
		}
	}
}

func TestSeed10AttentionBeatsChanceAtEveryRate(t *testing.T) {
	c := measured(t)
	for _, keep := range []string{"50%", "25%", "10%"} {
		chance := c["random "+keep]
		for _, score := range []string{"h2o", "tova", "snapkv(window=16,kernel=13)"} {
			got := c[score+" "+keep]
			if got.kl <= 0 || got.kl >= chance.kl || got.top1 > 1 || got.top1 <= chance.top1 || got.nll >= chance.nll {
				t.Errorf("%s at %s: KL %.4f, top-1 %.3f; chance: %.4f, %.3f", score, keep, got.kl, got.top1, chance.kl, chance.top1)
			}
		}
	}
}

// A composition loses no more of the tokens than its parts together, and a point.
func TestSeed4ACompositionLosesNoMoreThanItsParts(t *testing.T) {
	c := measured(t)
	sum := 0.01
	for _, part := range []string{"h2o 50%", "think(lambda=0.25) 0%", "q8 0%"} {
		sum += 1 - c[part].top1
	}
	if lost := 1 - c["h2o+think(lambda=0.25)+q8 50%"].top1; lost > sum {
		t.Errorf("%.3f of the tokens are lost, %.3f by the parts and a point", lost, sum)
	}
}

// Three fifths of the entries, handed out by spans and by expected attention beyond them, keep more of the perplexity than the same share of the
// newest. One per cent, the target, is missed on this model: see docs/acceptance.md.
func TestSeed6SpansKeepMoreOfThePerplexityThanRecency(t *testing.T) {
	c := measured(t)
	for _, spec := range []string{"span 85%", "compactor+span(exempt=0.5) 60%", "expected+span 60%", "streamingllm 60%"} {
		t.Logf("%s: perplexity %+.2f%%", spec, 100*c[spec].rise(grid.full))
	}
	if spans, recency := c["expected+span 60%"], c["streamingllm 60%"]; spans.rise(grid.full) > recency.rise(grid.full) || spans.kl > recency.kl {
		t.Errorf("perplexity rises by %.1f%% (KL %.4f), of the newest by %.1f%% (%.4f)", 100*spans.rise(grid.full), spans.kl, 100*recency.rise(grid.full), recency.kl)
	}
}

// What is generated joins the two precisions every hundred tokens: the cache keeps to its share of the bytes while it grows, and still diverges less than
// eviction that acts as often within as many bytes.
func TestSeed7ClassifyingAgainHoldsTheShareAsTheCacheGrows(t *testing.T) {
	const context, positions = 512, 400
	e := real(t)
	prompt, feed, _ := window(t, e, 1, context, positions)
	full, again, evicted, once := at("full", policy.Budget{}), at("mikv(every=100)", percent(25)),
		at("h2o+every(steps=100)", entries(464)), at("mikv", percent(25))
	cells := []*cell{full, again, evicted, once}
	read(t, e, prompt, engine.PrefillOptions{}, positions, cells...)
	var want [][]float32
	for _, c := range cells {
		got, err := e.Feed(c.seq, feed)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		for i := range got {
			c.kl += eval.Divergence(want[i], got[i], engine.LogSumExp(want[i]), engine.LogSumExp(got[i])) / positions
		}
		c.bytes = float64(c.seq.Bytes()) / float64(c.seq.FullBytes())
		t.Logf("%-24s %5.1f%% of the bytes of %d tokens: KL %.4f", c.spec, 100*c.bytes, context+positions, c.kl)
	}
	if again.bytes > 0.53 || evicted.bytes < again.bytes-0.005 || again.kl > evicted.kl/2 {
		t.Errorf("classified again: KL %.4f in %.1f%% of the bytes, evicted: %.4f in %.1f%%", again.kl, 100*again.bytes, evicted.kl, 100*evicted.bytes)
	}
	for _, layer := range e.Config().GlobalLayers() {
		for h := range e.Config().KVHeads {
			if n, low := again.seq.Held(layer, h); n != context+positions || n-low != n/4 {
				t.Fatalf("layer %d head %d: %d of %d entries in more bits after the fourth classification", layer, h, n-low, n)
			}
		}
	}
}
