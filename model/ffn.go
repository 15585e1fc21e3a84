package model

import "pith/kernel"

// feedForward is the gated feed-forward part, W_down(act(W_gate x) * W_up x).
type feedForward struct {
	gate projection // ffn_gate [ffn, dim]
	up   projection // ffn_up   [ffn, dim]
	down projection // ffn_down [dim, ffn]
}

func (b *binder) feedForward(c *Config) feedForward {
	return feedForward{
		gate: b.projection("ffn_gate", c.FFN, c.Dim),
		up:   b.projection("ffn_up", c.FFN, c.Dim),
		down: b.projection("ffn_down", c.Dim, c.FFN),
	}
}

// fusedFeedForward binds an ffn_up whose first half of rows is the gate.
func (b *binder) fusedFeedForward(c *Config) feedForward {
	w := b.split("ffn_up.weight", c.Dim, c.FFN, c.FFN)
	return feedForward{
		gate: projection{weight: w[0]},
		up:   projection{weight: w[1]},
		down: b.projection("ffn_down", c.Dim, c.FFN),
	}
}

// activation multiplies up by the activated gate: dst = act(gate)*up, one row.
type activation func(t *rowTask, i int)

func siluRow(t *rowTask, i int) { kernel.SiLUMul(t.row(t.dst, i), t.row(t.dst, i), t.row(t.src, i)) }

// geluRow takes gelu in its tanh form, as the Gemma models were trained with; the exact form differs by up to 1e-3.
func geluRow(t *rowTask, i int) { kernel.GELUMul(t.row(t.dst, i), t.row(t.dst, i), t.row(t.src, i)) }

// feedForward returns the block's output for the normed rows x, [n, dim].
func (p *pass) feedForward(x []float32, f *feedForward, act activation) []float32 {
	y := p.ws.y[:p.n*p.c.Dim]
	p.gated(y, x, f, p.c.FFN, act)
	return y
}

// gated runs a gated block of inner width ffn over the rows of x into y.
func (p *pass) gated(y, x []float32, f *feedForward, ffn int, act activation) {
	n := len(x) / p.c.Dim
	gate, up := p.ws.gate[:n*ffn], p.ws.up[:n*ffn]
	p.matmuls(x, n, kernel.Product{Dst: gate, M: f.gate.weight}, kernel.Product{Dst: up, M: f.up.weight})
	p.bias(gate, &f.gate)
	p.bias(up, &f.up)
	p.each(rowTask{do: act, dst: gate, src: up, width: ffn})
	p.linear(y, gate, &f.down)
}
