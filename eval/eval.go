// Package eval measures what compression costs and saves: quality, bytes and time in one row, for a model, recipes and texts.
//
// What is scored is what is served: every figure comes from the engine's own sequences, whose bytes are those that the pool holds.
// One prefill feeds every recipe and budget for which that is exact; recipes that restrict what deeper layers see get their own.
// Samples are paired: every recipe sees the same ones, and a row names its sample, so that runs can be resumed, merged and compared.
package eval

import (
	"context"
	"fmt"
	"time"

	"pith/engine"
	"pith/policy"
)

// A Case is one recipe at one budget, as they were written on the command line.
type Case struct {
	KV   string
	Keep string // "" where the recipe has no use for a budget

	recipe *policy.Recipe
	budget policy.Budget
}

// Cases pairs every recipe with every budget; a recipe that evicts nothing appears once.
func Cases(specs, keeps []string) ([]Case, error) {
	var cases []Case
	for _, spec := range specs {
		r, err := policy.Parse(spec)
		if err != nil {
			return nil, err
		}
		if !r.Evicts() {
			cases = append(cases, Case{KV: spec, recipe: r})
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
			cases = append(cases, Case{KV: spec, Keep: keep, recipe: r, budget: policy.Budget{Keep: share}})
		}
	}
	return cases, nil
}

// compressed is one case's sequence after its prefill.
type compressed struct {
	Case
	seq     *engine.Sequence
	prefill float64 // seconds of the prefill that made it, whoever shared it
}

// prefillAll reads tokens once for every group of cases that can share the pass and hands each finished sequence to use, then closes
// it. The first one handed out is the full cache. room is how many tokens will be fed on top.
func prefillAll(ctx context.Context, e *engine.Engine, tokens []int32, prompt policy.Prompt, room int, cases []Case, use func(full, c *compressed) error) error {
	layers := e.Config().Layers
	full := &compressed{Case: Case{KV: "full", recipe: policy.Full()}}
	shared := []*compressed{full}
	var alone []*compressed
	for _, c := range cases {
		if c.recipe.Restricts(layers) {
			alone = append(alone, &compressed{Case: c})
		} else {
			shared = append(shared, &compressed{Case: c})
		}
	}
	groups := [][]*compressed{shared}
	for _, c := range alone {
		groups = append(groups, []*compressed{c})
	}
	defer func() {
		if full.seq != nil {
			full.seq.Close()
		}
	}()
	for _, group := range groups {
		if err := prefillGroup(ctx, e, tokens, prompt, room, group); err != nil {
			return err
		}
		for _, c := range group {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := use(full, c); err != nil {
				return fmt.Errorf("eval: %s at %s: %w", c.KV, c.Keep, err)
			}
			if c != full {
				c.seq.Close()
			}
		}
	}
	return nil
}

func prefillGroup(ctx context.Context, e *engine.Engine, tokens []int32, prompt policy.Prompt, room int, group []*compressed) (err error) {
	seqs := make([]*engine.Sequence, len(group))
	defer func() {
		if err != nil {
			for _, s := range seqs {
				if s != nil {
					s.Close()
				}
			}
		}
	}()
	for i, c := range group {
		if seqs[i], err = e.NewSequence(c.recipe, c.budget, len(tokens)+room); err != nil {
			return err
		}
	}
	start := time.Now()
	p, err := e.NewPrefill(tokens, engine.PrefillOptions{Compress: true, Extra: room, Prompt: prompt}, seqs...)
	if err != nil {
		return err
	}
	if err = p.Run(ctx); err != nil {
		return err
	}
	for i, c := range group {
		c.seq, c.prefill = seqs[i], time.Since(start).Seconds()
	}
	return nil
}
