package policy

import (
	"fmt"
)

// MinBase is the smallest budget of entries per head that a recipe accepts.
const MinBase = 2

// A Run is one recipe at work on one prefill. It is told every layer once, in order.
type Run struct {
	recipe  *Recipe
	base    int
	layers  int // that will be decided
	pending []*Scored
	ruler   *Ruler      // where the budget is in bytes
	fits    map[int]Fit // of layers, where entries are fitted
	bases   []int       // entries per head of each layer, where the allocator shares unevenly; nil: base everywhere
	// Observe, if set, is called with every layer's scores once they are decided.
	Observe func(*Scored)
}

// NewRun starts a recipe on a prompt of n tokens for a model of which the recipe decides so many layers, with base entries per
// head. A base that holds no recipe is refused here, before anything is computed.
func (r *Recipe) NewRun(n, layers, base int) (*Run, error) {
	if r.Evicts() && base < n && base < MinBase {
		return nil, &BudgetError{Recipe: r.String(), Base: base, Entries: n, Least: MinBase}
	}
	return &Run{recipe: r, base: min(base, n), layers: layers}, nil
}

// fitted adds to a plan what changes the entries that it settles.
func (run *Run) fitted(plan *Plan) {
	for i := range plan.Keep {
		if k := &plan.Keep[i]; k.Final {
			k.Fit = run.fits[k.Layer]
			delete(run.fits, k.Layer)
		}
	}
}

// Recipe returns the recipe at work.
func (run *Run) Recipe() *Recipe { return run.recipe }

// Base returns the entries per head that the run works with.
func (run *Run) Base() int { return run.base }

// Layer decides what it can after a layer: the layer itself, or with a wider span provisionally how much of it may wait.
func (run *Run) Layer(l *Layer) (Plan, error) {
	if run.recipe.Fit != nil {
		fit, err := run.recipe.Fit.Fit(l)
		if err != nil {
			return Plan{}, err
		}
		if run.fits == nil {
			run.fits = map[int]Fit{}
		}
		run.fits[l.Index] = fit
	}
	plan, err := run.layer(l)
	run.fitted(&plan)
	if err != nil || run.recipe.Thin == nil {
		return plan, err
	}
	for i := range plan.Keep {
		if plan.Keep[i].Layer == l.Index {
			plan.Keep[i].Channels, err = run.recipe.Thin.Channels(l)
		}
	}
	return plan, err
}

func (run *Run) layer(l *Layer) (Plan, error) {
	if !run.recipe.Evicts() {
		return Plan{Keep: []LayerKeep{{Layer: l.Index, Heads: everything(l.KVHeads, l.Tokens), Final: true}}}, nil
	}
	l.Base = run.baseOf(l)
	if p := run.recipe.Prober(); p != nil {
		s := run.blank(l, p)
		run.pending = append(run.pending, s)
		if err := run.profile(l, s); err != nil {
			return Plan{}, err
		}
		return Plan{Keep: []LayerKeep{{Layer: l.Index, Heads: everything(l.KVHeads, l.Tokens)}}}, nil
	}
	if run.recipe.When.Block > 0 {
		return run.blockwise(l)
	}
	s, err := run.score(l)
	if err != nil {
		return Plan{}, err
	}
	if err := run.profile(l, s); err != nil {
		return Plan{}, err
	}
	var plan Plan
	if run.recipe.span() == 1 {
		plan, err = run.decide(l, s)
	} else {
		plan, err = run.postpone(s)
	}
	if err != nil {
		return Plan{}, err
	}
	if run.recipe.Propagate != nil {
		plan.Propagate, err = run.recipe.Propagate.Propagate(l, s)
	}
	return plan, err
}

// blank is a layer without scores.
func (run *Run) blank(l *Layer, score Scorer) *Scored {
	base := run.baseOf(l)
	sinks, recent := score.Pinned(l)
	sinks = min(sinks, base)
	recent = min(recent, base-sinks)
	held := make([]int, l.KVHeads)
	for h := range held {
		held[h] = l.Tokens
	}
	return &Scored{Layer: l.Index, Ordinal: l.Ordinal, Tokens: l.Tokens, Prompt: l.Prompt, Base: min(base, l.Tokens),
		Sinks: sinks, Recent: recent, Held: held, Low: l.Low}
}

func (run *Run) score(l *Layer) (*Scored, error) { return run.ScoreBy(l, run.recipe.Score) }

// ScoreBy scores a layer and refuses what is no score.
func (run *Run) ScoreBy(l *Layer, by Scorer) (*Scored, error) {
	values, err := by.Score(l)
	if err != nil {
		return nil, err
	}
	s := run.blank(l, by)
	s.Scores = values
	for h := range values {
		if len(values[h]) != l.Tokens {
			return nil, fmt.Errorf("policy: %s: layer %d head %d: %d scores for %d entries", run.recipe, l.Index, h, len(values[h]), l.Tokens)
		}
		for j, v := range values[h] {
			if v != v {
				return nil, fmt.Errorf("policy: %s: layer %d head %d entry %d: the score is not a number", run.recipe, l.Index, h, j)
			}
		}
	}
	return s, nil
}

// decide settles one layer for good.
func (run *Run) decide(l *Layer, s *Scored) (Plan, error) {
	a := &Allocation{Scored: []*Scored{s}, Layers: run.layers, Base: run.base}
	counts := run.allocate(a)[0]
	if run.recipe.Refine != nil {
		if err := run.recipe.Refine.Refine(l, s, counts); err != nil {
			return Plan{}, err
		}
	}
	heads, err := run.selection(s, counts)
	if err != nil {
		return Plan{}, err
	}
	if run.Observe != nil {
		run.Observe(s)
	}
	keep := LayerKeep{Layer: s.Layer, Heads: heads, Final: true}
	if run.recipe.Rest != nil {
		if err := run.recipe.Rest.Dispose(l, s, &keep); err != nil {
			return Plan{}, err
		}
	}
	return Plan{Keep: []LayerKeep{keep}}, nil
}

// Again decides a layer anew while tokens are generated: l shows what its lanes hold. Where the recipe demotes, Heads of the answer are those that
// stay in more bits, Demoted those that go down now.
func (run *Run) Again(l *Layer) (LayerKeep, error) {
	l.Base = run.base
	s, err := run.score(l)
	if err != nil {
		return LayerKeep{}, err
	}
	plan, err := run.decide(l, s)
	if err != nil {
		return LayerKeep{}, err
	}
	return plan.Keep[0], nil
}

// postpone takes in one more layer of a wider span: it holds what may still be needed and, at the end of each span, cuts every
// layer seen so far. Budgets only shrink, so an entry dropped once is never wanted again.
func (run *Run) postpone(s *Scored) (Plan, error) {
	run.pending = append(run.pending, s)
	seen, span, last := len(run.pending), run.recipe.span(), len(run.pending) == run.layers
	hold := min(run.recipe.Allocate.Hold(s), s.Tokens)
	for h := range s.Held {
		s.Held[h] = hold
	}
	if !last && (span == All || seen%span != 0) {
		counts := make([]int, len(s.Scores))
		for h := range counts {
			counts[h] = hold
		}
		heads, err := run.selection(s, counts)
		return Plan{Keep: []LayerKeep{{Layer: s.Layer, Heads: heads}}}, err
	}
	var plan Plan
	counts := run.allocate(&Allocation{Scored: run.pending, Layers: run.layers, Base: run.base})
	for i, p := range run.pending {
		heads, err := run.selection(p, counts[i])
		if err != nil {
			return Plan{}, err
		}
		copy(p.Held, counts[i])
		plan.Keep = append(plan.Keep, LayerKeep{Layer: p.Layer, Heads: heads, Final: last})
		if last && run.Observe != nil {
			run.Observe(p)
		}
	}
	return plan, nil
}

func (run *Run) allocate(a *Allocation) [][]int {
	if run.recipe.Allocate != nil {
		return run.fill(a, run.recipe.Allocate.Allocate(a))
	}
	counts := make([][]int, len(a.Scored))
	for i, s := range a.Scored {
		counts[i] = uniform(s, a.Base)
	}
	return counts
}

func (run *Run) selection(s *Scored, counts []int) ([][]int32, error) {
	if run.recipe.Select != nil {
		return run.recipe.Select.Select(s, counts)
	}
	heads := make([][]int32, len(s.Scores))
	for h := range heads {
		heads[h] = s.Top(h, counts[h])
	}
	return heads, nil
}

// uniform gives every head of a layer the same count.
func uniform(s *Scored, base int) []int {
	counts := make([]int, len(s.Scores))
	for h := range counts {
		counts[h] = min(base, s.Tokens)
	}
	return counts
}

func everything(heads, n int) [][]int32 {
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	list := make([][]int32, heads)
	for h := range list {
		list[h] = all
	}
	return list
}

// A LayerSharer is an Allocator that knows, before it has seen any score, what share of the budget each layer gets. It decides inside one layer at
// a time.
type LayerSharer interface {
	Allocator
	// LayerShares returns what each layer gets where the whole model keeps the given share, adding up to 1; nil: the same for all.
	LayerShares(c *Calibration, kept float64) []float64
}

// baseOf is the number of entries per head that the budget allows in a layer.
func (run *Run) baseOf(l *Layer) int {
	sharer, ok := run.recipe.Allocate.(LayerSharer)
	if !ok || run.base >= l.Prompt {
		return run.base
	}
	if run.bases == nil {
		run.bases = run.share(sharer, l)
	}
	return run.bases[l.Ordinal]
}

// share distributes base entries per head and layer over the layers: whole entries, all of them.
func (run *Run) share(sharer LayerSharer, l *Layer) []int {
	total := run.base * run.layers
	shares := sharer.LayerShares(l.Calibration, float64(run.base)/float64(l.Prompt))
	sinks, recent := run.recipe.Score.Pinned(l)
	least := min(run.base, max(MinBase, sinks+recent+leastChosen))
	bases, room, wanted := make([]int, run.layers), make([]int, run.layers), make([]float64, run.layers)
	sum := 0.0
	for i := range wanted {
		share := 1 / float64(run.layers)
		if len(shares) == run.layers {
			share = shares[i]
		}
		wanted[i] = max(0, share*float64(total)-float64(least))
		room[i] = l.Prompt - least
		sum += wanted[i]
	}
	free := total - least*run.layers
	for i := range wanted {
		if sum > 0 {
			wanted[i] *= float64(free) / sum
		}
	}
	for i, n := range LargestRemainder(wanted, free, room) {
		bases[i] = least + n
	}
	return bases
}

// leastChosen is the number of entries beside the pins that every head of every layer may choose.
const leastChosen = 8
