package eval

import (
	"fmt"

	"pith/policy"
)

// A Case is one recipe at one budget, as they were written on the command line.
type Case struct {
	KV   string
	Keep string // "" where the recipe has no use for a budget

	recipe *policy.Recipe
	budget policy.Budget
}

// Recipe returns the parsed recipe.
func (c Case) Recipe() *policy.Recipe { return c.recipe }

// Budget returns the parsed budget.
func (c Case) Budget() policy.Budget { return c.budget }

func (c Case) String() string {
	if c.Keep == "" {
		return c.KV
	}
	return c.KV + " at " + c.Keep
}

// Cases pairs every recipe with every budget; a recipe that evicts nothing appears once. A pair that is given twice counts once.
func Cases(specs, keeps []string) ([]Case, error) {
	var cases []Case
	seen := map[string]bool{}
	add := func(c Case) {
		if !seen[c.String()] {
			seen[c.String()] = true
			cases = append(cases, c)
		}
	}
	for _, spec := range specs {
		r, err := policy.Parse(spec)
		if err != nil {
			return nil, err
		}
		if !r.Evicts() {
			add(Case{KV: spec, recipe: r})
			continue
		}
		budgets := keeps
		if len(budgets) == 0 {
			budgets = []string{policy.DefaultShare.String()}
		}
		for _, keep := range budgets {
			share, err := policy.ParseShare(keep)
			if err != nil {
				return nil, err
			}
			add(Case{KV: spec, Keep: keep, recipe: r, budget: policy.Budget{Keep: share}})
		}
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("eval: no recipe given")
	}
	return cases, nil
}

// fullCase is the full cache, against which the others are measured.
func fullCase() Case { return Case{KV: "full", recipe: policy.Full()} }

// isFull reports whether the case keeps everything in the engine's default storage.
func (c Case) isFull() bool { return !c.recipe.Evicts() && c.recipe.Canonical() == "full" }
