package engine

import (
	"context"

	"pith/policy"
)

// teacherShare is what a teacher keeps; its scores do not depend on it.
const teacherShare = 20

// Learn lets the trainers of all methods learn from texts, the last of which is held out to judge what was learnt, and stores the results in c.
// Each text is read twice: by the teacher, and with its layers shown beside what the teacher said. progress, if set, is told the readings done
// and their number.
func (e *Engine) Learn(ctx context.Context, c *policy.Calibration, texts [][]int32, progress func(done, total int)) error {
	trainers := policy.Trainers()
	done, total := 0, 2*len(trainers)*len(texts)
	step := func() {
		if done++; progress != nil {
			progress(done, total)
		}
	}
	for _, t := range trainers {
		teacher, err := policy.Parse(t.Teacher())
		if err != nil {
			return err
		}
		for i, text := range texts {
			var scores [][][]float32 // [decided layers, in order][KVHeads][Tokens]
			err := e.readOnce(ctx, teacher, text, PrefillOptions{Compress: true, Scores: func(s *policy.Scored) {
				own := make([][]float32, len(s.Scores))
				for h := range own {
					own[h] = append([]float32(nil), s.Scores[h]...)
				}
				scores = append(scores, own)
			}})
			if err != nil {
				return err
			}
			step()
			err = e.readOnce(ctx, policy.Full(), text, PrefillOptions{Signals: t.Signals(), Layer: func(l *policy.Layer) error {
				return t.Learn(l, scores[l.Ordinal], i > 0 && i == len(texts)-1)
			}})
			if err != nil {
				return err
			}
			step()
		}
		if err := t.Finish(c); err != nil {
			return err
		}
	}
	return nil
}

// readOnce prefills a text and forgets it.
func (e *Engine) readOnce(ctx context.Context, r *policy.Recipe, ids []int32, o PrefillOptions) error {
	s, err := e.NewSequence(r, policy.Budget{Keep: policy.Percent(teacherShare)}, len(ids)+1)
	if err != nil {
		return err
	}
	defer s.Close()
	p, err := e.NewPrefill(ids, o, s)
	if err != nil {
		return err
	}
	return p.Run(ctx)
}
