package eval

import (
	"context"
	"fmt"
)

// TaskPerplexity names rows that say how well a text's continuation is predicted.
const TaskPerplexity = "perplexity"

// Perplexity prefills each window's context, compresses it and measures the log-likelihood of the continuation: what fidelity does
// without asking the full cache. The summary's score is exp of the mean.
type Perplexity struct{ Windows []Window }

// Name implements Task.
func (Perplexity) Name() string { return TaskPerplexity }

func (p Perplexity) units(*Runner) ([]unit, error) {
	units := make([]unit, len(p.Windows))
	for i, w := range p.Windows {
		input := digest(w.Context, w.Continuation)
		units[i] = unit{
			what: fmt.Sprintf("window %d", w.Window), tokens: len(w.Context), rows: 1,
			key: func(c Case, _ int) Key {
				k := c.key(TaskPerplexity)
				k.Window, k.Input = &w.Window, input
				return k
			},
			run: func(ctx context.Context, r *Runner, u *unit, cases []Case) error {
				return w.likelihood(ctx, r, u, cases, i == 0)
			},
		}
	}
	return units, nil
}

func (w Window) likelihood(ctx context.Context, r *Runner, u *unit, cases []Case, first bool) error {
	feed, next := w.Continuation[:len(w.Continuation)-1], w.Continuation[1:]
	p := prompt{tokens: w.Context, room: len(feed) + speedSteps + 1, count: first}
	return r.each(ctx, p, cases, func(group []*held) error {
		for _, h := range group {
			logits, err := r.Engine.Feed(h.seq, feed)
			if err != nil {
				return fmt.Errorf("%s: %w", h.Case, err)
			}
			row := h.row(u.key(h.Case, 0))
			row.Positions, row.NLL = len(feed), finite(newReference(logits, next).nll)
			if err := r.finish(h, row); err != nil {
				return err
			}
		}
		return nil
	})
}
