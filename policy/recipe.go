package policy

import (
	"errors"
	"fmt"
	"strings"
)

// A Recipe is a checked combination of parts. It has no state: a Run has. The zero Recipe keeps everything.
type Recipe struct {
	Parts
	spec  string
	terms []Term

	scoreTerm Term
}

// Full is the recipe that keeps everything.
func Full() *Recipe { return &Recipe{spec: "full", terms: []Term{{Name: "full"}}} }

// Parse reads a spec string such as "snapkv(window=32)+adakv+q4" and checks that its parts make sense together.
func Parse(spec string) (*Recipe, error) {
	terms, err := ParseTerms(spec)
	if err != nil {
		return nil, err
	}
	r := &Recipe{spec: spec, terms: terms}
	owner := map[string]string{}
	for _, t := range terms {
		m := Lookup(t.Name)
		if m == nil {
			hint := ""
			if c := closest(t.Name); c != "" {
				hint = fmt.Sprintf("; %s is meant?", c)
			}
			return nil, fmt.Errorf("policy: recipe %q: no method %q%s", spec, t.Name, hint)
		}
		p, err := m.make(t)
		if err != nil {
			return nil, fmt.Errorf("policy: recipe %q: %w", spec, err)
		}
		if p.Score != nil {
			r.scoreTerm = t
		}
		if err := r.add(t.Name, p, owner); err != nil {
			return nil, fmt.Errorf("policy: recipe %q: %w", spec, err)
		}
	}
	if r.Score == nil {
		r.Score = r.Standard
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("policy: recipe %q: %w", spec, err)
	}
	return r, nil
}

// add takes over the parts of one method; a question may be answered once.
func (r *Recipe) add(name string, p Parts, owner map[string]string) error {
	take := func(part string, given bool, set func()) error {
		if !given {
			return nil
		}
		if first := owner[part]; first != "" {
			return fmt.Errorf("%s and %s both say %s", first, name, part)
		}
		owner[part] = name
		set()
		return nil
	}
	return errors.Join(
		take("how much an entry matters", p.Score != nil, func() { r.Score = p.Score }),
		take("what the score is where none is given", p.Standard != nil, func() { r.Standard = p.Standard }),
		take("how scores are refined", p.Refine != nil, func() { r.Refine = p.Refine }),
		take("how the budget is distributed", p.Allocate != nil, func() { r.Allocate = p.Allocate }),
		take("in what units entries are taken", p.Select != nil, func() { r.Select = p.Select }),
		take("which rows go on", p.Propagate != nil, func() { r.Propagate = p.Propagate }),
		take("what becomes of the rest", p.Rest != nil, func() { r.Rest = p.Rest }),
		take("how entries are fitted", p.Fit != nil, func() { r.Fit = p.Fit }),
		take("which key channels are stored", p.Thin != nil, func() { r.Thin = p.Thin }),
		take("what goes under pressure", p.Yield != nil, func() { r.Yield = p.Yield }),
		take("what a decode step reads", p.Read != nil, func() { r.Read = p.Read }),
		take("when to act again", p.When.Steps > 0, func() { r.When.Steps = p.When.Steps }),
		take("in what blocks a layer is decided", p.When.Block > 0, func() { r.When.Block = p.When.Block }),
		take("how entries are stored", p.Store.Given, func() { r.Store = p.Store }),
		take("what a share is of", p.InBytes, func() { r.InBytes = true }),
		take("which recipe a budget gets", p.Adapt != nil, func() { r.Adapt = p.Adapt }),
	)
}

// check refuses combinations that make no sense.
func (r *Recipe) check() error {
	if r.Score == nil && (r.Refine != nil || r.Allocate != nil || r.Select != nil || r.Propagate != nil || r.Rest != nil || r.InBytes || r.When != When{}) {
		return errors.New("nothing scores the entries; add a score such as snapkv")
	}
	if r.Yield != nil && (r.Score != nil || r.Fit != nil || r.Thin != nil) {
		return errors.New("what yields under pressure keeps every entry whole until then; it goes with a storage and a way of reading only")
	}
	if r.Prober() != nil && (r.Propagate != nil || r.Refine != nil || r.Rest != nil) {
		return errors.New("a score that needs a second pass knows nothing while the first one runs: it can neither propagate nor be refined, and the rest is gone")
	}
	if r.span() != 1 && (r.Refine != nil || r.Rest != nil) {
		return errors.New("scores can be refined, and the rest disposed of, only where each layer is decided at once")
	}
	if r.Adapt != nil && len(r.terms) > 1 {
		return fmt.Errorf("%s puts the whole recipe together itself; it stands alone", r.terms[0].Name)
	}
	if _, demotes := r.Rest.(Demoter); r.InBytes && demotes {
		return errors.New("what is demoted costs bytes that a share of bytes does not count")
	}
	if r.InBytes && r.Select != nil && r.Allocate != nil {
		return errors.New("whole pages and whole units do not go together where layers get different budgets")
	}
	if r.Fit != nil && (r.Rest != nil || r.Thin != nil || r.When != When{}) {
		return errors.New("entries are fitted as they are stored, once: nothing may be merged, demoted, thinned or decided again")
	}
	if r.When.Block > 0 {
		if err := r.checkBlocks(); err != nil {
			return err
		}
	}
	if even, ok := r.Allocate.(EvenHeads); r.Select != nil && r.Allocate != nil && !(ok && even.EvenHeads()) {
		return errors.New("units are taken by all heads of a layer alike; they do not go with budgets that differ between heads")
	}
	if r.When.Steps > 0 {
		return r.checkDecode()
	}
	return nil
}

// checkDecode refuses what cannot be decided again while tokens are generated.
func (r *Recipe) checkDecode() error {
	s := r.Signals()
	switch {
	case r.Prober() != nil:
		return errors.New("a score that needs a second pass cannot act while tokens are generated")
	case s.Moments || s.OutputNorms || s.Hidden || s.Queries && r.When.Block == 0 || s.Positions:
		return errors.New("the score needs statistics of the prompt that do not exist while tokens are generated")
	case r.Allocate != nil:
		return errors.New("budgets that differ between heads or layers cannot be distributed again while tokens are generated")
	case r.Rest != nil && !r.Reclassifies():
		return errors.New("while tokens are generated the rest is dropped or demoted; it cannot be merged")
	case r.Reclassifies() && (r.Select != nil || r.Thin != nil):
		return errors.New("what is classified again while tokens are generated are single entries with all their channels; it goes with neither units nor think")
	}
	return nil
}

// Reclassifies reports whether the recipe moves entries to fewer bits while tokens are generated.
func (r *Recipe) Reclassifies() bool {
	_, demotes := r.Rest.(Demoter)
	return demotes && r.When.Steps > 0
}

// String returns the spec as it was given.
func (r *Recipe) String() string { return r.spec }

// Canonical returns the spec in one spelling: lower-case names, no spaces, arguments as given.
func (r *Recipe) Canonical() string {
	words := make([]string, len(r.terms))
	for i, t := range r.terms {
		words[i] = t.String()
	}
	return strings.Join(words, "+")
}

// Terms returns the methods of the spec.
func (r *Recipe) Terms() []Term { return r.terms }

// Evicts reports whether the recipe drops entries, so that it has a use for a budget.
func (r *Recipe) Evicts() bool { return r.Score != nil }

// HasBudget reports whether a share or a cap means anything to the recipe: entries that are kept, or that a step reads, or that are
// kept at least.
func (r *Recipe) HasBudget() bool { return r.Evicts() || r.Read != nil || r.Yield != nil }

// ActsInDecode reports whether a decode step does more than read every entry and add one: such a recipe must be fed token by token
// to be seen at work.
func (r *Recipe) ActsInDecode() bool { return r.Read != nil || r.When.Steps > 0 || r.Yield != nil }

// Shrinks reports whether the recipe can make a cache smaller than its entries: by dropping some at once, or when it must.
func (r *Recipe) Shrinks() bool { return r.Evicts() || r.Yield != nil }

// Lossless reports whether whatever the recipe keeps comes back bit for bit.
func (r *Recipe) Lossless() bool {
	return r.Thin == nil && (!r.Store.Given || r.Store.Storage.Lossless())
}

// Restricts reports whether the recipe changes what deeper layers see, so that its prefill serves no other recipe.
func (r *Recipe) Restricts(layers int) bool {
	return r.Propagate != nil && r.Propagate.Restricts(layers)
}

// Signals returns what the parts ask for.
func (r *Recipe) Signals() Signals {
	var s Signals
	if r.Score != nil {
		s = s.Union(r.Score.Signals())
	}
	if r.Refine != nil {
		s = s.Union(r.Refine.Signals())
	}
	if p := r.profiler(); p != nil {
		s = s.Union(p.Signals())
	}
	if r.Rest != nil {
		s = s.Union(r.Rest.Signals())
	}
	if r.Fit != nil {
		s = s.Union(r.Fit.Signals())
	}
	if r.Thin != nil {
		s = s.Union(r.Thin.Signals())
	}
	if r.Yield != nil {
		s = s.Union(r.Yield.Signals())
	}
	s.Queries = s.Queries || r.When.Block > 0 && s.Window > 0 // every block ends in a window
	return s
}

// Forget is how much a row counts beside the next in the sums of attention that the recipe keeps.
func (r *Recipe) Forget() float64 {
	if f, ok := r.Score.(Forgetter); ok {
		return f.Forget()
	}
	return 1
}

// span is the number of layers decided together.
func (r *Recipe) span() int {
	if r.Allocate == nil {
		return 1
	}
	return r.Allocate.Span()
}

// Span returns the number of layers decided together, All for the whole model.
func (r *Recipe) Span() int { return r.span() }
