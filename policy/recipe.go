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
		if err := r.add(t.Name, p, owner); err != nil {
			return nil, fmt.Errorf("policy: recipe %q: %w", spec, err)
		}
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
		take("how scores are refined", p.Refine != nil, func() { r.Refine = p.Refine }),
		take("how the budget is distributed", p.Allocate != nil, func() { r.Allocate = p.Allocate }),
		take("in what units entries are taken", p.Select != nil, func() { r.Select = p.Select }),
		take("which rows go on", p.Propagate != nil, func() { r.Propagate = p.Propagate }),
		take("how entries are stored", p.Store.Given, func() { r.Store = p.Store }),
	)
}

// check refuses combinations that make no sense.
func (r *Recipe) check() error {
	if r.Score == nil {
		var needs []string
		for part, given := range map[string]bool{"refining": r.Refine != nil, "distributing": r.Allocate != nil,
			"selecting": r.Select != nil, "propagating": r.Propagate != nil} {
			if given {
				needs = append(needs, part)
			}
		}
		if len(needs) > 0 {
			return fmt.Errorf("nothing scores the entries; add a score such as snapkv")
		}
	}
	if r.Prober() != nil && (r.Propagate != nil || r.Refine != nil) {
		return errors.New("a score that needs a second pass knows nothing while the first one runs: it can neither propagate nor be refined")
	}
	if r.Refine != nil && r.span() != 1 {
		return errors.New("scores can be refined only where each layer is decided at once")
	}
	return nil
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
	return s
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
