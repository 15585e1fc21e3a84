//go:build unix

package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"pith/gguf"
	"pith/internal/realmodel"
	_ "pith/method"
	"pith/policy"

	"pith/kvcache"
)

// These benchmarks go beyond the context of SmolLM2: times and bytes do not depend on what the tokens mean. Run them with -benchtime 1x.

func smollm2(b *testing.B, threads int) *Engine {
	b.Helper()
	f, err := gguf.Open(realmodel.Path(b, "smol"))
	if err != nil {
		b.Fatal(err)
	}
	e, err := New(f, Options{Threads: threads})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close() })
	return e
}

// long is a sequence for more tokens than the model's context.
func long(b *testing.B, e *Engine, spec, keep string, n int) *Sequence {
	b.Helper()
	r, budget, err := policy.ParseCaching(spec, keep, "")
	if err != nil {
		b.Fatal(err)
	}
	s, err := e.NewSequence(r, budget, e.Config().Context)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	s.maxLen = n
	return s
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Nano()) / 1e9
}

// BenchmarkFirstToken16K is the processor time to the first token of 16,384 tokens, which a busy machine disturbs little.
func BenchmarkFirstToken16K(b *testing.B) {
	const n = 16384
	e := smollm2(b, 1)
	random := rand.New(rand.NewPCG(1, 2))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = random.Int32N(int32(e.Config().Vocab))
	}
	seconds := map[string]float64{}
	for b.Loop() {
		for _, c := range [][2]string{{"full", ""}, {"fastkv", "10%"}} {
			s := long(b, e, c[0], c[1], n+1)
			p, err := e.NewPrefill(ids, PrefillOptions{Compress: true}, s)
			if err != nil {
				b.Fatal(err)
			}
			start := cpuSeconds()
			if err := p.Run(context.Background()); err != nil {
				b.Fatal(err)
			}
			seconds[c[0]] += cpuSeconds() - start
			b.ReportMetric(float64(s.Bytes())/(1<<20), c[0]+"-MiB")
			s.Close()
		}
	}
	b.ReportMetric(seconds["full"]/seconds["fastkv"], "times-sooner")
	b.ReportMetric(seconds["full"]/float64(b.N), "full-s")
}

// BenchmarkDecodeAtDepth32K is the time of a decode step behind 32,768 entries, which are random and were not read by a prefill: all of them in f16, the
// share of them that a span leaves, and all of them read by bounds or by a sketch. Recipes take turns, step by step, and medians are reported: a machine that is
// slow for a while is slow for all. It takes 7 GB.
func BenchmarkDecodeAtDepth32K(b *testing.B) {
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) { decodeAtDepth(b, threads, 32768) })
	}
}

func decodeAtDepth(b *testing.B, threads, depth int) {
	e := smollm2(b, threads)
	type run struct {
		name, spec, keep string
		held             int
		s                *Sequence
		ms               []float64
	}
	runs := []*run{{name: "full", spec: "full", held: depth}, {name: "span60", spec: "full", held: depth * 60 / 100}, {name: "span30", spec: "full", held: depth * 30 / 100},
		{name: "span10", spec: "full", held: depth / 10}, {name: "quest", spec: "quest", keep: "12.5%", held: depth}, {name: "hierarchy", spec: "hierarchy", keep: "12.5%", held: depth},
		{name: "hierarchy8", spec: "hierarchy(pages=8)", keep: "12.5%", held: depth}, {name: "sketch", spec: "sketch", keep: "12.5%", held: depth}}
	c := e.Config()
	random := rand.New(rand.NewPCG(3, 4))
	values := make([]float32, depth*c.HeadDim)
	for i := range values {
		values[i] = float32(random.NormFloat64())
	}
	pos := make([]kvcache.Position, depth)
	for i := range pos {
		pos[i] = kvcache.Position(i)
	}
	for _, r := range runs {
		r.s = long(b, e, r.spec, r.keep, depth+1024)
		for l := range c.Layers {
			for h := range c.KVHeads {
				if err := r.s.cache.Lane(l, h).Append(pos[depth-r.held:], values[:r.held*c.HeadDim], values[:r.held*c.HeadDim]); err != nil {
					b.Fatal(err)
				}
			}
		}
		r.s.next = kvcache.Position(depth)
	}
	step := 0
	for b.Loop() {
		for range 41 {
			for _, r := range runs {
				start := time.Now()
				if err := e.Step([]*Sequence{r.s}, []int32{int32(step)}); err != nil {
					b.Fatal(err)
				}
				r.ms = append(r.ms, 1000*time.Since(start).Seconds())
			}
			step++
		}
	}
	median := func(x []float64) float64 {
		x = slices.Clone(x)
		slices.Sort(x)
		return x[len(x)/2]
	}
	for i, r := range runs {
		b.ReportMetric(median(r.ms), r.name+"-ms")
		if i > 3 {
			times := make([]float64, len(r.ms))
			for k, ms := range r.ms {
				times[k] = runs[0].ms[k] / ms
			}
			b.ReportMetric(median(times), r.name+"-times")
		}
	}
}
