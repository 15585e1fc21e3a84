package eval

import (
	"context"
	"fmt"
	"slices"

	"pith/engine"
)

// TaskNeedle names rows that say whether a fact hidden in a context is still found.
const TaskNeedle = "needle"

// A Needle is a context that hides a fact, and what is asked about it, as token ids.
type Needle struct {
	Sample  int        `json:"i"`
	Context []int32    `json:"context_ids"`
	QA      []Question `json:"qa"`
}

// A Question asks for one fact.
type Question struct {
	Question []int32 `json:"question_ids"`
	Suffix   []int32 `json:"suffix_ids"` // end of turn, reply header and the cue that the answer completes
	Answer   []int32 `json:"answer_ids"`
}

// The modes say what compression sees.
const (
	Hidden     = "hidden"      // the context alone; all questions on a context read one compressed cache
	Visible    = "visible"     // context and question, not the cue of the answer
	VisibleAll = "visible_all" // the whole prompt, as an ordinary request; the answer's first token comes from the prefill
)

// ParseMode checks a mode's name.
func ParseMode(s string) (string, error) {
	if s != Hidden && s != Visible && s != VisibleAll {
		return "", fmt.Errorf("eval: mode %q; want %s, %s or %s", s, Hidden, Visible, VisibleAll)
	}
	return s, nil
}

// ReadNeedles reads a JSON list of samples.
func ReadNeedles(path string) ([]Needle, error) {
	var ns []Needle
	if err := readJSON(path, &ns); err != nil {
		return nil, err
	}
	for i, n := range ns {
		for _, q := range n.QA {
			if len(q.Suffix) == 0 || len(q.Answer) == 0 {
				return nil, fmt.Errorf("eval: samples %s: sample %d: an empty suffix or answer", path, i)
			}
		}
		if len(n.Context) == 0 || len(n.QA) == 0 {
			return nil, fmt.Errorf("eval: samples %s: sample %d has no context or no question", path, i)
		}
	}
	return ns, nil
}

// Needles asks each sample's questions in each mode and scores the answers teacher-forced.
type Needles struct {
	Samples []Needle
	Modes   []string
}

// Name implements Task.
func (Needles) Name() string { return TaskNeedle }

func (n Needles) units(r *Runner) ([]unit, error) {
	frame, err := newFrame(r.Engine)
	if err != nil {
		return nil, err
	}
	traces := len(r.Engine.Config().WindowLayers()) > 0 || slices.ContainsFunc(r.Cases, func(c Case) bool { return c.recipe.ActsInDecode() })
	var units []unit
	for i, s := range n.Samples {
		for _, mode := range n.Modes {
			// With the question hidden all of a sample's questions are one piece of work, unless the first one's answer leaves traces:
			// layers with a window let go of the context's end, and recipes that act in decode may drop what it was made of.
			parts := [][]int{nil}
			for q := range s.QA {
				parts[0] = append(parts[0], q)
			}
			if mode != Hidden || traces {
				parts = slices.Collect(slices.Chunk(parts[0], 1))
			}
			for _, questions := range parts {
				units = append(units, unit{
					what: fmt.Sprintf("sample %d, %s", s.Sample, mode), tokens: len(s.Context), rows: len(questions),
					key: func(c Case, i int) Key { return s.key(c, mode, questions[i]) },
					run: func(ctx context.Context, r *Runner, u *unit, cases []Case) error {
						return s.ask(ctx, r, u, mode, questions, frame, cases, i == 0)
					},
				})
			}
		}
	}
	return units, nil
}

func (n Needle) key(c Case, mode string, q int) Key {
	k := c.key(TaskNeedle)
	k.Sample, k.Mode, k.Input = &n.Sample, mode, digest(n.Context, n.QA[q].Question, n.QA[q].Suffix, n.QA[q].Answer)
	if len(n.QA) > 1 {
		k.Question = &q
	}
	return k
}

// ask puts questions to every case.
func (n Needle) ask(ctx context.Context, r *Runner, u *unit, mode string, questions []int, f *frame, cases []Case, first bool) error {
	q := n.QA[questions[0]]
	seen, asked := n.Context, [2][]int32{q.Question, q.Suffix}
	switch mode {
	case Visible:
		seen, asked = join(n.Context, q.Question), [2][]int32{nil, q.Suffix}
	case VisibleAll:
		seen, asked = join(n.Context, q.Question, q.Suffix), [2][]int32{}
	}
	room := 0
	for _, i := range questions {
		q := n.QA[i]
		room = max(room, len(q.Question)+len(q.Suffix)+len(q.Answer))
	}
	p := prompt{tokens: seen, frame: f.around(n.Context), room: room + speedSteps + 1, count: first}
	return r.each(ctx, p, cases, func(group []*held) error {
		for _, h := range group {
			rows := make([]Row, len(questions))
			for at, i := range questions {
				if mode == Hidden {
					asked = [2][]int32{n.QA[i].Question, n.QA[i].Suffix}
				}
				if at > 0 {
					if err := h.seq.Rewind(len(seen)); err != nil {
						return fmt.Errorf("%s: %w", h.Case, err)
					}
				}
				rows[at] = h.row(u.key(h.Case, at))
				if err := answer(ctx, r, h, join(asked[0], asked[1]), n.QA[i].Answer, &rows[at]); err != nil {
					return fmt.Errorf("%s: %w", h.Case, err)
				}
			}
			if err := r.finish(h, rows...); err != nil {
				return err
			}
		}
		return nil
	})
}

// answer feeds what leads to an answer and the answer itself but its last token, and scores the tokens of the answer.
func answer(ctx context.Context, r *Runner, h *held, lead, want []int32, row *Row) error {
	var rows [][]float32 // row i predicts token i of the answer
	var err error
	if h.seq.Recipe().ActsInDecode() {
		rows, err = answerSteps(ctx, r, h, lead, want)
	} else {
		rows, err = answerAtOnce(ctx, r, h, lead, want)
	}
	if err != nil {
		return err
	}
	right, nll := 0, 0.0
	for i, id := range want {
		if argmax(rows[i]) == int(id) {
			right++
		}
		nll += engine.LogSumExp(rows[i]) - float64(rows[i][id])
	}
	ok := right == len(want)
	row.OK, row.Frac, row.NLL = &ok, finite(float64(right)/float64(len(want))), finite(nll/float64(len(want)))
	return nil
}

// answerAtOnce feeds everything together: what a row sees does not depend on how many rows go with it.
func answerAtOnce(ctx context.Context, r *Runner, h *held, lead, want []int32) ([][]float32, error) {
	rows := make([][]float32, len(want))
	feed := join(lead, want[:len(want)-1])
	var asked []int
	for i := range rows {
		if at := len(lead) + i - 1; at >= 0 {
			asked = append(asked, at)
		} else {
			rows[i] = slices.Clone(h.seq.Logits())
		}
	}
	if len(feed) == 0 {
		return rows, nil
	}
	p, err := r.Engine.NewPrefill(feed, engine.PrefillOptions{Logits: asked}, h.seq)
	if err == nil {
		err = p.Run(ctx)
	}
	if err != nil {
		return nil, err
	}
	for _, at := range asked {
		rows[at-len(lead)+1] = p.Out[at]
	}
	return rows, nil
}

// answerSteps reads the lead as a prompt goes on and decodes the answer, a token a step.
func answerSteps(ctx context.Context, r *Runner, h *held, lead, want []int32) ([][]float32, error) {
	if len(lead) > 0 {
		p, err := r.Engine.NewPrefill(lead, engine.PrefillOptions{}, h.seq)
		if err == nil {
			err = p.Run(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
	rows := [][]float32{slices.Clone(h.seq.Logits())}
	for _, id := range want[:len(want)-1] {
		if err := r.Engine.Step([]*engine.Sequence{h.seq}, []int32{id}); err != nil {
			return nil, err
		}
		rows = append(rows, slices.Clone(h.seq.Logits()))
	}
	return rows, nil
}
