package engine

import (
	"compress/gzip"
	"io"
	"os"
	"runtime"
	"slices"
	"testing"

	"pith/gguf"
	"pith/kvcache"
	_ "pith/method"
	"pith/policy"
)

// What is kept of a long lane comes out as it lies there, and only that and a block of the lane is ever in memory.
func TestGatheringHoldsABlockOfTheLane(t *testing.T) {
	const n, d = 30000, 64
	for _, st := range []kvcache.Storage{kvcache.Uniform(kvcache.F16), kvcache.Uniform(kvcache.F32)} {
		cache := kvcache.NewPool(kvcache.PageBytes(d, st), 0).NewCache(kvcache.Shape{Layers: 1, KVHeads: 1, HeadDim: d}, st)
		lane := cache.Lane(0, 0)
		pos, keys, values := make([]kvcache.Position, n), make([]float32, n*d), make([]float32, n*d)
		for i := range keys {
			pos[i/d] = kvcache.Position(2 * (i / d))
			keys[i], values[i] = float32(i%1000), float32(i%997)
		}
		if err := lane.Append(pos, keys, values); err != nil {
			t.Fatal(err)
		}
		all := make([]int32, n)
		for i := range all {
			all[i] = int32(i)
		}
		for _, entries := range [][]int32{{}, {0}, {n - 1}, {0, 511, 512, 513, 20000, n - 1}, all[700:1900], all} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got := gather(lane, entries)
			runtime.ReadMemStats(&after)
			for i, e := range entries {
				at := int(e) * d
				if got.pos[i] != pos[e] || !slices.Equal(got.keys[i*d:(i+1)*d], keys[at:at+d]) || !slices.Equal(got.values[i*d:(i+1)*d], values[at:at+d]) {
					t.Fatalf("%v: entry %d of %d came out wrong", st, e, len(entries))
				}
			}
			const block, slack = gatherBlock * (8*d + 4), 256 << 10
			if len(got.pos) != len(entries) || int(after.TotalAlloc-before.TotalAlloc) > len(entries)*(8*d+4)+block+slack {
				t.Errorf("%v: %d bytes were taken for %d of %d entries", st, after.TotalAlloc-before.TotalAlloc, len(entries), n)
			}
		}
		cache.Free()
	}
}

// openTiny opens a random model.
func openTiny(t *testing.T) *Engine {
	t.Helper()
	f, err := os.Open("../model/testdata/llama-tied-f32.gguf.gz")
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
	file, err := gguf.OpenBytes("llama-tied-f32", data)
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(file, Options{Threads: 1, Exact: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// While a second pass lays out its layers, and while what it keeps is copied, the scratch of the first pass's layers is free.
func TestSecondPassHoldsOneLayer(t *testing.T) {
	e := openTiny(t)
	r, err := policy.Parse("kvzip(chunk=64)+q4+match(rows=16)")
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.NewSequence(r, policy.Budget{Keep: policy.Percent(10)}, 300)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, err := e.NewPrefill(slices.Repeat([]int32{5, 9, 70}, 80), PrefillOptions{Compress: true}, s)
	if err != nil {
		t.Fatal(err)
	}
	second := false
	for done := false; !done; {
		if done, err = p.Advance(background); err != nil {
			t.Fatal(err)
		}
		if p.second != nil {
			second = true
			if p.kv != nil || p.keys != nil || p.tap.allQueries != nil {
				t.Fatal("the scratch of the first pass is held")
			}
		}
	}
	if !second || s.Bytes() == 0 {
		t.Errorf("a second pass %v, %d bytes kept", second, s.Bytes())
	}
}

// A turn that is read leaves its last queries to the recipe that decides again, as if it had been fed token by token.
func TestTurnsLeaveTheirQueries(t *testing.T) {
	e := openTiny(t)
	turn := slices.Repeat([]int32{3, 80, 12, 201}, 5)
	var rows [2][]float32
	for i := range rows {
		r, err := policy.Parse("snapkv(window=8)+every(steps=1000)")
		if err != nil {
			t.Fatal(err)
		}
		s, err := e.NewSequence(r, policy.Budget{Keep: policy.Percent(100)}, 300)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		p, err := e.NewPrefill(slices.Repeat([]int32{5, 9, 70}, 30), PrefillOptions{Compress: true}, s)
		if err == nil {
			err = p.Run(background)
		}
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			_, err = e.FeedSteps(s, turn)
		} else if p, err = e.NewPrefill(turn, PrefillOptions{}, s); err == nil {
			err = p.Run(background)
		}
		if err != nil {
			t.Fatal(err)
		}
		rows[i] = s.queries.last(1)
	}
	if len(rows[0]) != len(rows[1]) {
		t.Fatalf("%d and %d values", len(rows[0]), len(rows[1]))
	}
	for i, v := range rows[0] {
		if d := v - rows[1][i]; d > 1e-3 || d < -1e-3 {
			t.Fatalf("value %d of the last queries: %g fed token by token, %g read", i, v, rows[1][i])
		}
	}
}
