package eval

import (
	"context"
	"fmt"
	"slices"

	"pith/engine"
)

// TaskFidelity names rows that say how far the distributions from a compressed cache are from those of the full cache.
const TaskFidelity = "fidelity"

// Fidelity prefills each window's context, compresses it and feeds the continuation, teacher-forced, so that every distribution that
// is compared comes from the compressed cache. The full cache is the engine's own.
type Fidelity struct{ Windows []Window }

// Name implements Task.
func (Fidelity) Name() string { return TaskFidelity }

func (f Fidelity) units(*Runner) ([]unit, error) {
	units := make([]unit, len(f.Windows))
	for i, w := range f.Windows {
		input := digest(w.Context, w.Continuation)
		units[i] = unit{
			what: fmt.Sprintf("window %d", w.Window), tokens: len(w.Context), rows: 1,
			key: func(c Case, _ int) Key {
				k := c.key(TaskFidelity)
				k.Window, k.Input = &w.Window, input
				return k
			},
			run: func(ctx context.Context, r *Runner, u *unit, cases []Case) error {
				return w.fidelity(ctx, r, u, cases, i == 0)
			},
		}
	}
	return units, nil
}

// fidelity scores one window. The first case of the first pass is the full cache, which all are compared with. Recipes that act at decode steps are fed token
// by token, and so is a full cache of their own: between tokens fed together and one by one rounding alone makes a difference.
func (w Window) fidelity(ctx context.Context, r *Runner, u *unit, cases []Case, first bool) error {
	feed, next := w.Continuation[:len(w.Continuation)-1], w.Continuation[1:]
	feeds := []func(*engine.Sequence, []int32) ([][]float32, error){r.Engine.Feed}
	if slices.ContainsFunc(cases, func(c Case) bool { return c.recipe.ActsInDecode() }) {
		feeds = append(feeds, r.Engine.FeedSteps)
	}
	var full []*reference // one for each way to feed
	p := prompt{tokens: w.Context, room: len(feed) + speedSteps + 1, count: first}
	return r.each(ctx, p, append(slices.Repeat([]Case{fullCase()}, len(feeds)), cases...), func(group []*held) error {
		for _, h := range group {
			way, made := len(full), len(full) == len(feeds)
			if made {
				way = 0
				if h.recipe.ActsInDecode() {
					way = 1
				}
			}
			logits, err := feeds[way](h.seq, feed)
			if err != nil {
				return fmt.Errorf("%s: %w", h.Case, err)
			}
			if !made {
				full = append(full, newReference(logits, next))
				h.seq.Close()
				continue
			}
			row := h.row(u.key(h.Case, 0))
			full[way].compare(&row, logits)
			if h.KV == "full" {
				row.NLLError = full[way].distance(w.FullNLL)
			}
			if err := r.finish(h, row); err != nil {
				return err
			}
		}
		return nil
	})
}
