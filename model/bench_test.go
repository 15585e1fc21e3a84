package model

import (
	"testing"

	"pith/kernel"
	"pith/kvcache"
)

// BenchmarkLayers measures everything but attention: a decode step of one sequence, and a chunk of a prompt.
func BenchmarkLayers(b *testing.B) {
	for _, c := range []struct {
		name  string
		rows  int
		phase kernel.Phase
	}{{"decode", 1, kernel.Decode}, {"prefill512", 512, kernel.Prefill}} {
		b.Run(c.name, func(b *testing.B) {
			m := open(b, findModel(b, "smol"), 0, false)
			ws := m.NewWorkspace()
			defer ws.Close()
			rows := &Rows{X: make([]float32, c.rows*m.config.Dim), Pos: make([]kvcache.Position, c.rows), Phase: c.phase}
			ids := make([]int32, c.rows)
			logits := make([]float32, m.config.Vocab)
			next := kvcache.Position(0)
			attend := func(_ int, h *Heads) error { copy(h.Out, h.Q); return nil }
			for b.Loop() {
				for i := range rows.Pos {
					rows.Pos[i], ids[i] = next, int32(next%1000)
					next++
				}
				if err := m.Embed(rows.X, ids); err != nil {
					b.Fatal(err)
				}
				for l := range m.config.Layers {
					if err := m.Layer(l, rows, attend, ws); err != nil {
						b.Fatal(err)
					}
				}
				m.Logits(logits, rows.X[(c.rows-1)*m.config.Dim:], 1, c.phase, ws)
			}
			b.ReportMetric(float64(c.rows)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
