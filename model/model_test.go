package model

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pith/gguf"
	"pith/kernel"
	"pith/kvcache"
)

func equalBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// open opens a committed model on a number of threads.
func open(t testing.TB, f *gguf.File, threads int, exact bool) *Model {
	t.Helper()
	workers := kernel.NewWorkers(threads)
	t.Cleanup(workers.Close)
	m, err := Open(f, Options{Workers: workers, Exact: exact})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func logitsOf(t testing.TB, f *gguf.File, ids []int32) []float32 {
	t.Helper()
	return newRunner(t, open(t, f, 1, true), 1024).logits(t, ids, len(ids))
}

// tokens are n ids without meaning.
func tokens(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(i*i*7+i*13+5) % 320
	}
	return ids
}

// everyKind are models that together use every step: biases, norms of heads, windows, caps, experts, fused tensors, factors,
// multipliers, layers without rotation, and weights with an integer form.
var everyKind = []string{"wide-llama/q4_k", "qwen2-bias/f32", "qwen3moe/f32", "mixtral/f16", "gemma2/f32", "gemma3-linear/f32", "phi3-longrope/f32", "granite/f32", "smollm3-nope/f32"}

// TestChunksAndThreadsDoNotShow: a prompt gives the same bits in one piece or many, on one thread or several.
func TestChunksAndThreadsDoNotShow(t *testing.T) {
	ids := tokens(300)
	for _, name := range everyKind {
		f := openPacked(t, name)
		want := newRunner(t, open(t, f, 1, false), 1024).logits(t, ids, len(ids))
		for _, c := range []struct{ threads, chunk int }{{1, 64}, {2, 300}, {3, 128}, {2, 7}} {
			got := newRunner(t, open(t, f, c.threads, false), 1024).logits(t, ids, c.chunk)
			if !equalBits(want, got) {
				t.Errorf("%s: other bits with %d threads and chunks of %d", name, c.threads, c.chunk)
			}
		}
	}
}

// TestNeighboursDoNotShow: a row of a decode step has the bits it would have alone, also beside sequences of another maximal
// length.
func TestNeighboursDoNotShow(t *testing.T) {
	for _, name := range everyKind {
		m := open(t, openPacked(t, name), 2, false)
		prompts := [][]int32{tokens(20), tokens(75)[5:], tokens(3)}
		lens := []int{100, 600, 1000}
		next := []int32{7, 300, 41}

		var want []float32
		for i, ids := range prompts {
			r := newRunner(t, m, lens[i])
			r.feed(t, ids, kernel.Prefill)
			want = append(want, r.feed(t, next[i:i+1], kernel.Decode)...)
		}

		runners := make([]*runner, len(prompts))
		rows := &Rows{X: make([]float32, len(prompts)*m.config.Dim), Phase: kernel.Decode, MaxLens: lens}
		for i, ids := range prompts {
			runners[i] = newRunner(t, m, lens[i])
			runners[i].feed(t, ids, kernel.Prefill)
			runners[i].cache.rows = &Rows{Pos: []kvcache.Position{kvcache.Position(len(ids))}}
			rows.Pos = append(rows.Pos, kvcache.Position(len(ids)))
		}
		if err := m.Embed(rows.X, next); err != nil {
			t.Fatal(err)
		}
		attend := func(l int, h *Heads) error {
			q, kv := m.config.QHeads*m.config.HeadDim, m.config.KVHeads*m.config.HeadDim
			for i, r := range runners {
				one := *h
				one.Q, one.Out = h.Q[i*q:(i+1)*q], h.Out[i*q:(i+1)*q]
				one.K, one.V = h.K[i*kv:(i+1)*kv], h.V[i*kv:(i+1)*kv]
				if err := r.cache.attend(l, &one); err != nil {
					return err
				}
			}
			return nil
		}
		ws := m.NewWorkspace()
		defer ws.Close()
		for l := range m.config.Layers {
			if err := m.Layer(l, rows, attend, ws); err != nil {
				t.Fatal(err)
			}
		}
		if !equalBits(want, rows.X) {
			t.Errorf("%s: rows differ beside their neighbours", name)
		}
	}
}

// TestDecodeContinuesPrefill: a token fed alone sees what it would have seen in the prompt. Phases may sum in another order.
func TestDecodeContinuesPrefill(t *testing.T) {
	ids := tokens(90)
	for _, name := range everyKind {
		m := open(t, openPacked(t, name), 1, true)
		whole := newRunner(t, m, 1024).feed(t, ids, kernel.Prefill)
		r := newRunner(t, m, 1024)
		r.feed(t, ids[:70], kernel.Prefill)
		for i := 70; i < len(ids); i++ {
			x := r.feed(t, ids[i:i+1], kernel.Decode)
			for j, v := range x {
				if want := whole[i*m.config.Dim+j]; math.Abs(float64(v-want)) > 1e-3*(1+math.Abs(float64(want))) {
					t.Fatalf("%s: row %d channel %d is %v, %v in the prompt", name, i, j, v, want)
				}
			}
		}
	}
}

// TestDecodeAllocatesNothing: the second step of the same width.
func TestDecodeAllocatesNothing(t *testing.T) {
	for _, name := range everyKind {
		m := open(t, openPacked(t, name), 2, false)
		ws := m.NewWorkspace()
		defer ws.Close()
		rows := &Rows{X: make([]float32, 3*m.config.Dim), Pos: []kvcache.Position{5, 6, 7}, Phase: kernel.Decode, MaxLen: 100}
		ids := []int32{1, 2, 3}
		logits := make([]float32, 3*m.config.Vocab)
		attend := func(_ int, h *Heads) error { clear(h.Out); return nil }
		step := func() {
			for i := range rows.Pos {
				rows.Pos[i]++
			}
			err := m.Embed(rows.X, ids)
			for l := range m.config.Layers {
				err = errors.Join(err, m.Layer(l, rows, attend, ws))
			}
			m.Logits(logits, rows.X, 3, kernel.Decode, ws)
			if err != nil {
				t.Fatal(err)
			}
		}
		if n := testing.AllocsPerRun(20, step); n > 0 {
			t.Errorf("%s: %v allocations a step", name, n)
		}
	}
}

// TestRawHeads: the copies from before rotation become the rotated ones by the layer's Rotation, and Unrotate leads back.
func TestRawHeads(t *testing.T) {
	for _, name := range everyKind {
		m := open(t, openPacked(t, name), 1, true)
		c := m.config
		ws := m.NewWorkspace()
		defer ws.Close()
		rows := &Rows{X: make([]float32, 2*c.Dim), Pos: []kvcache.Position{3, 500}, MaxLen: 1024, Raw: true}
		if err := m.Embed(rows.X, []int32{9, 99}); err != nil {
			t.Fatal(err)
		}
		attend := func(l int, h *Heads) error {
			rot := m.Rotation(l, rows.MaxLen)
			for _, x := range []struct{ raw, turned []float32 }{{h.QRaw, h.Q}, {h.KRaw, h.K}} {
				if len(x.raw) != len(x.turned) {
					t.Fatalf("%s: %d raw channels, %d rotated", name, len(x.raw), len(x.turned))
				}
				width := len(x.raw) / 2
				for i, pos := range rows.Pos {
					turned := slices.Clone(x.raw[i*width : (i+1)*width])
					rot.Rotate(turned, pos)
					if !equalBits(turned, x.turned[i*width:(i+1)*width]) {
						t.Errorf("%s layer %d: Rotate differs from the forward pass at position %d", name, l, pos)
					}
					rot.Unrotate(turned, pos)
					for j, v := range turned {
						if raw := x.raw[i*width+j]; math.Abs(float64(v-raw)) > 1e-5*(1+math.Abs(float64(raw))) {
							t.Fatalf("%s layer %d: Unrotate gives %v, want %v", name, l, v, raw)
						}
					}
				}
			}
			if len(h.Hidden) != 2*c.Dim || len(h.Out) != len(h.Q) || len(h.V) != len(h.K) {
				t.Errorf("%s: shapes of Heads", name)
			}
			clear(h.Out)
			return nil
		}
		for l := range c.Layers {
			if err := m.Layer(l, rows, attend, ws); err != nil {
				t.Fatal(err)
			}
		}
		rows.Raw = false
		_ = m.Layer(0, rows, func(_ int, h *Heads) error {
			if h.QRaw != nil || h.KRaw != nil {
				t.Errorf("%s: raw heads that nobody asked for", name)
			}
			clear(h.Out)
			return nil
		}, ws)
	}
}

// TestOutputNorms compares with the definition.
func TestOutputNorms(t *testing.T) {
	for _, name := range []string{"wide-llama/q4_k", "phi3-longrope/f32", "gemma3-linear/f32"} {
		m := open(t, openPacked(t, name), 2, false)
		c := m.config
		const n = 70
		v := make([]float32, n*c.HeadDim)
		for i := range v {
			v[i] = float32(math.Sin(float64(i)))
		}
		row := make([]float32, c.QHeads*c.HeadDim)
		for _, l := range []int{1, 0} {
			for kv := range c.KVHeads {
				dst := make([][]float32, c.Group())
				want := make([][]float64, c.Group())
				for g := range dst {
					dst[g], want[g] = make([]float32, n), make([]float64, n)
				}
				m.OutputNorms(dst, l, kv, v)
				for r := range c.Dim {
					m.layers[l].outputProjection().Row(row, r)
					for g := range dst {
						for i := range n {
							var dot float64
							for e, w := range row[(kv*c.Group()+g)*c.HeadDim:][:c.HeadDim] {
								dot += float64(w) * float64(v[i*c.HeadDim+e])
							}
							want[g][i] += math.Abs(dot)
						}
					}
				}
				for g := range dst {
					for i, got := range dst[g] {
						if math.Abs(float64(got)-want[g][i]) > 1e-5*want[g][i] {
							t.Fatalf("%s layer %d head %d.%d row %d: %v, want %v", name, l, kv, g, i, got, want[g][i])
						}
					}
				}
			}
		}
	}
}

// TestAttendErrorLeavesRows: a layer whose attention fails has changed nothing.
func TestAttendErrorLeavesRows(t *testing.T) {
	m := open(t, openPacked(t, "gemma2/f32"), 1, false)
	ws := m.NewWorkspace()
	defer ws.Close()
	rows := &Rows{X: make([]float32, m.config.Dim), Pos: []kvcache.Position{0}}
	if err := m.Embed(rows.X, []int32{4}); err != nil {
		t.Fatal(err)
	}
	before, full := slices.Clone(rows.X), errors.New("full")
	if err := m.Layer(0, rows, func(int, *Heads) error { return full }, ws); err != full {
		t.Errorf("error %v, want the one of attention", err)
	}
	if !equalBits(before, rows.X) {
		t.Error("the residual stream has changed")
	}
}

func TestEmbedRefusesUnknownTokens(t *testing.T) {
	m := open(t, openPacked(t, "llama-tied/f32"), 1, false)
	for _, id := range []int32{-1, 320, math.MaxInt32} {
		err := m.Embed(make([]float32, m.config.Dim), []int32{id})
		if err == nil || !strings.Contains(err.Error(), "outside the vocabulary of 320") {
			t.Errorf("token %d: %v", id, err)
		}
	}
}

func TestConfigTellsWindowsFromGlobalLayers(t *testing.T) {
	for _, c := range []struct {
		model   string
		global  []int
		window  int
		windows int
	}{
		{"gemma3-linear/f32", []int{5}, 48, 6},
		{"gemma2/f32", []int{1, 3}, 48, 2},
		{"phi3-longrope/f32", []int{0, 1, 2, 3}, 0, 0}, // its window is ignored
	} {
		cfg, err := ReadConfig(openPacked(t, c.model))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(cfg.GlobalLayers(), c.global) || len(cfg.WindowLayers()) != c.windows || slices.Max(cfg.Window) != c.window {
			t.Errorf("%s: windows %v", c.model, cfg.Window)
		}
	}
}

// TestRoute: the largest probabilities, ties to the lower index, weights that sum to one; and never one expert twice, even
// when a broken model's logits are no numbers.
func TestRoute(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		logits []float32
		want   []int32
	}{
		{[]float32{0, 2, 1, 2}, []int32{1, 3}},
		{[]float32{1, 1, 1, 1}, []int32{0, 1}},
		{[]float32{nan, nan, nan, nan}, []int32{0, 1}},
	} {
		chosen, weights := make([]int32, 2), make([]float32, 2)
		route(chosen, weights, c.logits)
		if !slices.Equal(chosen, c.want) {
			t.Errorf("chose %v, want %v", chosen, c.want)
		}
		if sum := float64(weights[0] + weights[1]); math.Abs(sum-1) > 1e-6 {
			t.Errorf("weights %v", weights)
		}
	}
}

// TestWorkspaceBytes: what is announced is what is mapped.
func TestWorkspaceBytes(t *testing.T) {
	m := open(t, openPacked(t, "mixtral/f16"), 1, false)
	ws := m.NewWorkspace()
	defer ws.Close()
	rows := &Rows{X: make([]float32, 100*m.config.Dim), Pos: make([]kvcache.Position, 100), Raw: true}
	_ = m.Layer(0, rows, func(_ int, h *Heads) error { clear(h.Out); return nil }, ws)
	if want := m.config.WorkspaceBytes(100, true); ws.Bytes() < want || ws.Bytes() > want+1<<16 {
		t.Errorf("%d bytes mapped, %d announced", ws.Bytes(), want)
	}
}
