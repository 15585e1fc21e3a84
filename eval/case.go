package eval

import (
	"fmt"

	"pith/policy"
)

// A Case is one recipe at one budget, as they were written on the command line.
type Case struct {
	KV     string
	Keep   string // "" where the recipe has no use for a budget, or only a cap is given
	Memory string // cap on the cache's bytes; "" for none

	recipe *policy.Recipe
	budget policy.Budget
}

// Recipe returns the parsed recipe.
func (c Case) Recipe() *policy.Recipe { return c.recipe }

// Budget returns the parsed budget.
func (c Case) Budget() policy.Budget { return c.budget }

func (c Case) String() string {
	return c.KV + atBudget(c.Keep, c.Memory)
}

// atBudget writes a budget behind a recipe's name.
func atBudget(keep, memory string) string {
	switch {
	case keep != "" && memory != "":
		return " at " + keep + " within " + memory
	case keep != "":
		return " at " + keep
	case memory != "":
		return " within " + memory
	}
	return ""
}

// key begins the key of one of the case's rows.
func (c Case) key(task string) Key { return Key{Task: task, KV: c.KV, Keep: c.Keep, Memory: c.Memory} }

// Cases pairs every recipe with every budget; a recipe that has no use for one appears once and without a cap. A pair that is given
// twice counts once. Without a share a recipe keeps policy.DefaultShare, or what the cap allows.
func Cases(specs, keeps []string, memory string) ([]Case, error) {
	var limit int64
	if memory != "" {
		var err error
		if limit, err = policy.ParseBytes(memory); err != nil {
			return nil, err
		}
		if limit == 0 {
			return nil, fmt.Errorf("eval: a cap of 0 bytes leaves no room for a cache")
		}
	}
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
		if !r.HasBudget() {
			add(Case{KV: spec, recipe: r})
			continue
		}
		budgets := keeps
		if len(budgets) == 0 && limit == 0 {
			budgets = []string{policy.DefaultShare.String()}
		}
		if len(budgets) == 0 {
			add(Case{KV: spec, Memory: memory, recipe: r, budget: policy.Budget{Bytes: limit}})
		}
		for _, keep := range budgets {
			share, err := policy.ParseShare(keep)
			if err != nil {
				return nil, err
			}
			add(Case{KV: spec, Keep: keep, Memory: memory, recipe: r, budget: policy.Budget{Keep: share, Bytes: limit}})
		}
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("eval: no recipe given")
	}
	return cases, nil
}

// fullCase is the full cache, against which the others are measured.
func fullCase() Case { return Case{KV: "full", recipe: policy.Full()} }
