package model

import (
	"fmt"

	"pith/kernel"
)

// experts is a feed-forward part of which every row uses a few experts (Mixtral of Experts, arXiv 2401.04088, section 2.1).
type experts struct {
	router *kernel.Matrix // ffn_gate_inp [experts, dim]
	each   []feedForward  // [experts], of inner width ExpertFFN
}

// experts binds stacked tensors (ffn_gate_exps), or one tensor an expert (ffn_gate.7) as early Mixtral files have them.
func (b *binder) experts(c *Config) experts {
	e := experts{router: b.matrix("ffn_gate_inp.weight", c.Experts, c.Dim)}
	if b.err != nil {
		return e // the number of experts is only believed when the router has that many rows
	}
	e.each = make([]feedForward, c.Experts)
	if !b.has("ffn_gate_exps.weight") && b.has("ffn_gate.0.weight") {
		for i := range e.each {
			e.each[i] = feedForward{
				gate: b.projection(fmt.Sprintf("ffn_gate.%d", i), c.ExpertFFN, c.Dim),
				up:   b.projection(fmt.Sprintf("ffn_up.%d", i), c.ExpertFFN, c.Dim),
				down: b.projection(fmt.Sprintf("ffn_down.%d", i), c.Dim, c.ExpertFFN),
			}
		}
		return e
	}
	gate := b.stack("ffn_gate_exps.weight", c.Experts, c.ExpertFFN, c.Dim)
	up := b.stack("ffn_up_exps.weight", c.Experts, c.ExpertFFN, c.Dim)
	down := b.stack("ffn_down_exps.weight", c.Experts, c.Dim, c.ExpertFFN)
	if b.err == nil {
		for i := range e.each {
			e.each[i].gate.weight, e.each[i].up.weight, e.each[i].down.weight = gate[i], up[i], down[i]
		}
	}
	return e
}

// experts returns the block's output for the normed rows x, [n, dim]. Each expert sees all of its rows in one product. What
// the experts say is added up in ascending order of the experts, whatever the other rows have chosen, so a row's sum is the
// same alone and in any company.
func (p *pass) experts(x []float32, e *experts, act activation) []float32 {
	c, ws, d := p.c, p.ws, p.c.Dim
	router := ws.router[:p.n*c.Experts]
	p.matmul(router, x, e.router)
	for i := range p.n {
		used := c.ExpertsUsed
		route(ws.chosen[i*used:(i+1)*used], ws.weights[i*used:(i+1)*used], router[i*c.Experts:(i+1)*c.Experts])
	}
	y := ws.y[:p.n*d]
	clear(y)
	for i := range e.each {
		members, shares := p.membersOf(i)
		if len(members) == 0 {
			continue
		}
		in, out := ws.gather[:len(members)*d], ws.part[:len(members)*d]
		for j, row := range members {
			copy(in[j*d:(j+1)*d], x[int(row)*d:])
		}
		p.gated(out, in, &e.each[i], c.ExpertFFN, act)
		for j, row := range members {
			kernel.AddScaled(y[int(row)*d:(int(row)+1)*d], out[j*d:(j+1)*d], shares[j])
		}
	}
	return y
}

// membersOf lists the rows that chose an expert, ascending, and the weights that they gave it.
func (p *pass) membersOf(expert int) (rows []int32, shares []float32) {
	ws, used := p.ws, p.c.ExpertsUsed
	rows, shares = ws.members[:0], ws.shares[:0]
	for i, chosen := range ws.chosen[:p.n*used] {
		if int(chosen) == expert {
			rows, shares = append(rows, int32(i/used)), append(shares, ws.weights[i])
		}
	}
	return rows, shares
}

// route picks a row's experts: softmax over all router logits, the largest probabilities, ties to the lower index, scaled to
// sum to one. logits is overwritten.
func route(chosen []int32, weights, logits []float32) {
	kernel.Softmax(logits)
	const taken = -1 // no probability
	var sum float32
	for j := range chosen {
		best := -1
		for i, v := range logits {
			if v != taken && (best < 0 || v > logits[best]) {
				best = i
			}
		}
		chosen[j], weights[j] = int32(best), logits[best]
		sum += logits[best]
		logits[best] = taken
	}
	for j := range weights {
		weights[j] /= sum
	}
}
