package eval

import (
	"context"
	"fmt"

	"pith/engine"
)

// An Asked is a context with one question, as tokens, and how a generated reply is judged.
type Asked struct {
	Key      Key     // identity without recipe, mode and origin
	Context  []int32 // frame's head included
	Question []int32 // what the visible mode shows to compression
	Suffix   []int32 // end of turn, reply header and first words of the reply
	Generate int     // tokens of room for the reply
	Answers  []string
	Score    func(reply string) float64
	Done     func(reply string) bool // reports that more tokens cannot change the score; nil: never
}

// Answering is a task whose replies are generated greedily. Samples are made when their turn comes.
type Answering struct {
	Task    string
	Modes   []string
	Samples []Sampling
}

// A Sampling makes one sample.
type Sampling struct {
	Key    Key // as Asked.Key
	What   string
	Tokens int // about as many as the context will have
	Make   func() (*Asked, error)
}

// Name implements Task.
func (a Answering) Name() string { return a.Task }

func (a Answering) units(r *Runner) ([]unit, error) {
	frame, err := newFrame(r.Engine)
	if err != nil {
		return nil, err
	}
	var units []unit
	for i, s := range a.Samples {
		for _, mode := range a.Modes {
			units = append(units, unit{
				what: s.What + ", " + mode, tokens: s.Tokens, rows: 1,
				key: func(c Case, _ int) Key {
					k := s.Key
					k.Task, k.KV, k.Keep, k.Memory, k.Mode = a.Task, c.KV, c.Keep, c.Memory, mode
					return k
				},
				run: func(ctx context.Context, r *Runner, u *unit, cases []Case) error {
					q, err := s.Make()
					if err != nil {
						return err
					}
					return q.ask(ctx, r, u, mode, frame, cases, i == 0)
				},
			})
		}
	}
	return units, nil
}

// ask lets every case answer; the sequences of a pass decode together.
func (q *Asked) ask(ctx context.Context, r *Runner, u *unit, mode string, f *frame, cases []Case, first bool) error {
	seen, rest := q.Context, join(q.Question, q.Suffix)
	switch mode {
	case Visible:
		seen, rest = join(q.Context, q.Question), q.Suffix
	case VisibleAll:
		seen, rest = join(q.Context, q.Question, q.Suffix), nil
	}
	p := prompt{tokens: seen, frame: f.around(q.Context), room: len(rest) + q.Generate + speedSteps + 1, count: first}
	p.room = min(p.room, r.Engine.Config().Context-len(seen))
	return r.each(ctx, p, cases, func(group []*held) error {
		replies, err := q.replies(ctx, r, group, rest)
		if err != nil {
			return err
		}
		for i, h := range group {
			row := h.row(u.key(h.Case, 0))
			row.Prediction, row.Answers = replies[i], q.Answers
			row.Score = finite(q.Score(replies[i]))
			if err := r.finish(h, row); err != nil {
				return err
			}
		}
		return nil
	})
}

// replies feeds what leads to the answer and generates greedily, all sequences a token at a time.
func (q *Asked) replies(ctx context.Context, r *Runner, group []*held, lead []int32) ([]string, error) {
	e, tok := r.Engine, r.Engine.Tokenizer()
	for _, h := range group {
		if len(lead) == 0 {
			break
		}
		p, err := e.NewPrefill(lead, engine.PrefillOptions{}, h.seq)
		if err == nil {
			err = p.Run(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.Case, err)
		}
	}
	replies := make([][]int32, len(group))
	live := make([]int, len(group))
	for i := range live {
		live[i] = i
	}
	for step := range q.Generate {
		var seqs []*engine.Sequence
		var ids []int32
		var still []int
		for _, i := range live {
			id := int32(argmax(group[i].seq.Logits()))
			if tok.IsEnd(id) {
				continue
			}
			replies[i] = append(replies[i], id)
			if q.Done != nil && q.Done(string(tok.Decode(replies[i]))) {
				continue
			}
			still, seqs, ids = append(still, i), append(seqs, group[i].seq), append(ids, id)
		}
		if live = still; len(live) == 0 || step == q.Generate-1 {
			break
		}
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if err := e.Step(seqs, ids); err != nil {
			return nil, err
		}
	}
	texts := make([]string, len(group))
	for i, ids := range replies {
		texts[i] = string(tok.Decode(ids))
	}
	return texts, nil
}
