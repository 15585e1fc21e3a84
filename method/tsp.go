package method

import (
	"fmt"
	"slices"
	"strconv"

	"pith/policy"
)

// propagation is FastKV's token-selective propagation (arXiv 2502.01068, section 4.2): after one layer only the rows that its
// scores call salient, and the window, go on to deeper layers. Rows keep their original positions and their order, so that a plain
// causal mask stays right; the last row always goes on.
//
//	u[j] = Σ_heads s[h,j];   rows = top(⌊n·max(rate, keep)⌋ - W) of u, and the last W
//
// Saves (L-T-1)/L·(1-rate) of the linear work of a prefill and more of its attention.
type propagation struct {
	layer int // -1: the calibrated one, else the middle
	rate  float64
}

// at is the layer (0-based) after which rows are lost: the one that was given, the one that calibration found, or the middle one.
func (p propagation) at(l *policy.Layer) int {
	switch {
	case p.layer >= 0:
		return p.layer
	case l.Calibration != nil && l.Calibration.PropagationLayer >= 0:
		return l.Calibration.PropagationLayer
	}
	return l.Layers/2 - 1
}

// Restricts implements policy.Propagator.
func (p propagation) Restricts(layers int) bool { return p.rate < 1 && p.layer < layers-1 }

// Propagate implements policy.Propagator.
func (p propagation) Propagate(l *policy.Layer, s *policy.Scored) ([]int32, error) {
	if p.layer >= l.Layers {
		return nil, fmt.Errorf("policy: propagation after layer %d: the model has %d layers", p.layer, l.Layers)
	}
	if l.Index != p.at(l) {
		return nil, nil
	}
	// Layers below keep base entries of the rows that reach them, so no fewer rows than that may go on.
	rows := max(int(float64(l.Tokens)*p.rate+1e-9), l.Base)
	if rows >= l.Tokens || rows <= s.Recent {
		return nil, nil
	}
	total := make([]float32, l.Tokens)
	for _, head := range s.Scores {
		for j, v := range head {
			total[j] += v
		}
	}
	pinned := func(j int) bool { return s.IsPinned(j) }
	sinks := s.Sinks
	keep := policy.Largest(total, rows-s.Recent-sinks, pinned)
	for j := range l.Tokens {
		if pinned(j) {
			keep = append(keep, int32(j))
		}
	}
	slices.Sort(keep)
	return keep, nil
}

// propagationParams are the parameters of token-selective propagation.
func propagationParams() []policy.Param {
	return []policy.Param{
		{Name: "layer", Default: "", Min: 0, Max: 1023, Whole: true, Meaning: "layer (0-based) after which only salient rows go on; the calibrated one, else the middle"},
		{Name: "rate", Default: "0.2", Min: 0.001, Max: 1, Meaning: "share of the rows that goes on; raised to the share kept"},
	}
}

func newPropagation(a policy.Args) propagation {
	p := propagation{layer: -1, rate: a.Float("rate")}
	if a.Given("layer") {
		p.layer, _ = strconv.Atoi(a.Word("layer"))
	}
	return p
}

func init() {
	policy.Register(policy.Method{
		Name:   "tsp",
		Title:  "Token-selective propagation",
		Paper:  "Jo et al., FastKV, arXiv 2502.01068, section 4.2, over any score",
		Good:   "time to the first token of long prompts",
		Bad:    "what a row lost at this layer could have told deeper layers is gone",
		Params: propagationParams(),
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Propagate: newPropagation(a)}, nil
		},
	})
}
