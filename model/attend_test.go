package model

import (
	"math"
	"runtime"
	"sync"
	"testing"

	"pith/kernel"
	"pith/kvcache"
)

// denseCache is attention at its most naive: one sequence, everything kept in f32, sums in f64.
type denseCache struct {
	m    *Model
	k, v [][]float32 // [layer][n, kvHeads*headDim]
	pos  [][]kvcache.Position
	rows *Rows // the rows under way
}

func newDenseCache(m *Model) *denseCache {
	n := m.config.Layers
	return &denseCache{m: m, k: make([][]float32, n), v: make([][]float32, n), pos: make([][]kvcache.Position, n)}
}

func (d *denseCache) attend(l int, h *Heads) error {
	d.k[l] = append(d.k[l], h.K...)
	d.v[l] = append(d.v[l], h.V...)
	d.pos[l] = append(d.pos[l], d.rows.Pos...)
	var wg sync.WaitGroup
	threads := runtime.GOMAXPROCS(0)
	for first := range threads {
		wg.Go(func() {
			for i := first; i < len(d.rows.Pos); i += threads {
				d.attendRow(l, h, i, d.rows.Pos[i])
			}
		})
	}
	wg.Wait()
	return nil
}

func (d *denseCache) attendRow(l int, h *Heads, i int, pos kvcache.Position) {
	c := d.m.config
	n, width := c.HeadDim, c.KVHeads*c.HeadDim
	for head := range c.QHeads {
		q := h.Q[(i*c.QHeads+head)*n:][:n]
		out := h.Out[(i*c.QHeads+head)*n:][:n]
		kv := head / c.Group() * n
		scores := make([]float64, len(d.pos[l]))
		top := math.Inf(-1)
		for j, at := range d.pos[l] {
			scores[j] = math.Inf(-1)
			if at > pos || c.Window[l] > 0 && int(pos-at) >= c.Window[l] {
				continue
			}
			var dot float64
			for e, k := range d.k[l][j*width+kv:][:n] {
				dot += float64(q[e]) * float64(k)
			}
			scores[j] = dot * float64(h.Scale)
			if s := float64(h.SoftCap); s > 0 {
				scores[j] = s * math.Tanh(scores[j]/s)
			}
			top = max(top, scores[j])
		}
		var sum float64
		mixed := make([]float64, n)
		for j, s := range scores {
			w := math.Exp(s - top)
			if w == 0 {
				continue
			}
			sum += w
			for e, v := range d.v[l][j*width+kv:][:n] {
				mixed[e] += w * float64(v)
			}
		}
		for e := range out {
			out[e] = float32(mixed[e] / sum)
		}
	}
}

// runner takes one sequence through a model, chunk by chunk or token by token.
type runner struct {
	m      *Model
	ws     *Workspace
	cache  *denseCache
	maxLen int
}

func newRunner(t testing.TB, m *Model, maxLen int) *runner {
	ws := m.NewWorkspace()
	t.Cleanup(ws.Close)
	return &runner{m: m, ws: ws, cache: newDenseCache(m), maxLen: maxLen}
}

// feed returns the residual stream after the last layer, [len(ids), Dim].
func (r *runner) feed(t testing.TB, ids []int32, phase kernel.Phase) []float32 {
	t.Helper()
	rows := &Rows{X: make([]float32, len(ids)*r.m.config.Dim), Phase: phase, MaxLen: r.maxLen}
	from := len(r.cache.pos[0])
	for i := range ids {
		rows.Pos = append(rows.Pos, kvcache.Position(from+i))
	}
	if err := r.m.Embed(rows.X, ids); err != nil {
		t.Fatal(err)
	}
	r.cache.rows = rows
	for l := range r.m.config.Layers {
		if err := r.m.Layer(l, rows, r.cache.attend, r.ws); err != nil {
			t.Fatal(err)
		}
	}
	return rows.X
}

// logits returns the logits after every one of ids, [len(ids), Vocab], prefilled in pieces of chunk rows.
func (r *runner) logits(t testing.TB, ids []int32, chunk int) []float32 {
	t.Helper()
	var all []float32
	for len(ids) > 0 {
		n := min(chunk, len(ids))
		x := r.feed(t, ids[:n], kernel.Prefill)
		out := make([]float32, n*r.m.config.Vocab)
		r.m.Logits(out, x, n, kernel.Prefill, r.ws)
		all, ids = append(all, out...), ids[n:]
	}
	return all
}

func logSumExp(x []float32) float64 {
	top := math.Inf(-1)
	for _, v := range x {
		top = max(top, float64(v))
	}
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(v) - top)
	}
	return top + math.Log(sum)
}
