package eval

import (
	"context"
	"fmt"
)

// TaskSpeed names rows whose times are a recipe's own.
const TaskSpeed = "speed"

// Speed runs every case alone: time to first token, tokens per second after it, cache bytes and peak of resident memory. Elsewhere a
// pass is shared, so that its time bounds those of its recipes from above.
type Speed struct {
	Lengths []int // tokens of the prompt
	Decode  int   // steps that are measured; 0: 32
	Repeat  int   // 0: 1
}

// Name implements Task.
func (Speed) Name() string { return TaskSpeed }

func (s Speed) units(r *Runner) ([]unit, error) {
	if s.Decode <= 0 {
		s.Decode = 32
	}
	g, err := NewGenerator(r.Engine, 1)
	if err != nil {
		return nil, err
	}
	var units []unit
	for _, length := range s.Lengths {
		for i := range max(s.Repeat, 1) {
			for _, c := range r.Cases {
				units = append(units, unit{
					what: fmt.Sprintf("%d tokens, %s", length, c), tokens: length, rows: 1,
					key: func(one Case, _ int) Key {
						k := one.key(TaskSpeed)
						k.Length, k.Sample, k.Input = length, &i, fmt.Sprintf("decode %d", s.Decode)
						return k
					},
					only: func(one Case) bool { return one.String() == c.String() },
					run: func(ctx context.Context, r *Runner, u *unit, cases []Case) error {
						return s.one(ctx, r, u, g, length, cases)
					},
				})
			}
		}
	}
	return units, nil
}

func (s Speed) one(ctx context.Context, r *Runner, u *unit, g *Generator, length int, cases []Case) error {
	ids, err := g.prose(length)
	if err != nil {
		return err
	}
	p := prompt{tokens: ids, frame: g.frame.around(ids), room: s.Decode + 1}
	return r.each(ctx, p, cases, func(group []*held) error {
		for _, h := range group {
			row := h.row(u.key(h.Case, 0))
			if row.TokensPerSecond, err = r.decodeSpeed(h, s.Decode); err != nil {
				return err
			}
			h.seq.Close()
			if r.Peak != nil {
				row.Peak = r.Peak()
			}
			if err := r.emit(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// prose is so many tokens of the embedded book in the frame of a chat.
func (g *Generator) prose(n int) ([]int32, error) {
	book, err := g.Tokens.Prose(max(n-len(g.frame.head)-len(g.frame.tail), 1))
	if err != nil {
		return nil, err
	}
	all := join(g.frame.head, book, g.frame.tail)
	return all[:min(n, len(all))], nil
}
