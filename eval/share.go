package eval

import (
	"context"
	"errors"
	"time"

	"pith/engine"
	"pith/policy"
)

// A prompt is what compression sees, and room for what comes after it.
type prompt struct {
	tokens []int32
	frame  policy.Prompt // where the context lies in a chat
	room   int           // tokens that will be fed or generated on top
	count  bool          // entries of every lane are wanted
}

// held is one case's sequence after its prefill.
type held struct {
	Case
	seq   *engine.Sequence
	limit int // tokens that it may have
	cost  Row // the columns that tell what the prefill cost

	finished func() // for the progress
}

// row begins a row of this case.
func (h *held) row(k Key) Row {
	row := h.cost
	row.Key = k
	return row
}

// kept counts the entries of every lane, [layer][head].
func kept(e *engine.Engine, s *engine.Sequence) [][]int {
	c := e.Config()
	counts := make([][]int, c.Layers)
	for l := range counts {
		counts[l] = make([]int, c.KVHeads)
		for head := range counts[l] {
			counts[l][head] = len(s.Positions(l, head))
		}
	}
	return counts
}

// each reads a prompt for all cases, as few times as is exact and the memory allows, and hands each pass's sequences to use, which
// may close them early; whatever is open afterwards is closed. Cases keep their order within a pass.
func (r *Runner) each(ctx context.Context, p prompt, cases []Case, use func(group []*held) error) error {
	groups := r.groups(len(p.tokens)+p.room, cases)
	for i, group := range groups {
		progress := func(share float64) { r.report((float64(i) + share) / float64(len(groups))) }
		if err := r.pass(ctx, p, group, progress, use); err != nil {
			return err
		}
	}
	return nil
}

// refusal reports whether an error says that a case's budget cannot be met.
func refusal(err error) bool {
	var memory *engine.MemoryError
	var budget *policy.BudgetError
	return errors.As(err, &memory) || errors.As(err, &budget)
}

// withoutRefused closes the cases that the engine refuses one by one, before anything is computed, and returns the others.
func (r *Runner) withoutRefused(p prompt, o engine.PrefillOptions, group []*held) (rest []*held, seqs []*engine.Sequence) {
	for _, h := range group {
		if _, err := r.Engine.NewPrefill(p.tokens, o, h.seq); refusal(err) {
			h.seq.Close()
			r.Refused(h.Case, err)
			continue
		}
		rest, seqs = append(rest, h), append(seqs, h.seq)
	}
	return rest, seqs
}

// prefillPart is the prefill's share of a pass, for the progress: the rest is what is done with its sequences.
const prefillPart = 0.6

// groups divides cases into passes. The first case is always in the first pass.
func (r *Runner) groups(n int, cases []Case) [][]Case {
	layers := r.Engine.Config().Layers
	var groups [][]Case
	var shared []Case
	var bytes int64
	var alone [][]Case
	full := r.Engine.FullBytes(n)
	for _, c := range cases {
		if c.recipe.Restricts(layers) {
			alone = append(alone, []Case{c})
			continue
		}
		need := full
		if c.recipe.Evicts() && c.recipe.Span() == 1 && !c.budget.Keep.IsZero() {
			need = full * int64(c.budget.Keep.Of(n)) / int64(max(n, 1))
		}
		if len(shared) > 0 && bytes+need > r.memory() {
			groups, shared, bytes = append(groups, shared), nil, 0
		}
		shared, bytes = append(shared, c), bytes+need
	}
	if len(shared) > 0 {
		groups = append(groups, shared)
	}
	return append(groups, alone...)
}

func (r *Runner) pass(ctx context.Context, p prompt, cases []Case, progress func(share float64), use func(group []*held) error) error {
	group := make([]*held, 0, len(cases))
	seqs := make([]*engine.Sequence, 0, len(cases))
	defer func() {
		for _, s := range seqs {
			s.Close()
		}
	}()
	for _, c := range cases {
		s, err := r.Engine.NewSequence(c.recipe, c.budget, len(p.tokens)+p.room)
		if err != nil {
			return err
		}
		seqs = append(seqs, s)
		group = append(group, &held{Case: c, seq: s, limit: len(p.tokens) + p.room})
	}
	start := time.Now()
	options := engine.PrefillOptions{Compress: true, Extra: p.room, Prompt: p.frame,
		Progress: func(done, total int) { progress(prefillPart * float64(done) / float64(total)) }}
	pre, err := r.Engine.NewPrefill(p.tokens, options, seqs...)
	if refusal(err) && r.Refused != nil {
		if group, seqs = r.withoutRefused(p, options, group); len(group) == 0 {
			return nil
		}
		pre, err = r.Engine.NewPrefill(p.tokens, options, seqs...)
	}
	if err != nil {
		return err
	}
	if err := pre.Run(ctx); err != nil {
		return err
	}
	finished := 0
	done := func() {
		finished++
		progress(prefillPart + (1-prefillPart)*float64(finished)/float64(len(group)))
	}
	took := time.Since(start).Seconds()
	for _, h := range group {
		h.finished = done
		h.cost = Row{Tokens: len(p.tokens), KVBytes: h.seq.Bytes(), FullBytes: h.seq.FullBytes(), FirstToken: took, Shared: len(group)}
		if chosen := h.seq.Recipe(); chosen.String() != h.recipe.String() {
			h.cost.Recipe = chosen.String()
		}
		if p.count {
			h.cost.Kept = kept(r.Engine, h.seq)
		}
	}
	return use(group)
}

// speedSteps is the number of decode steps that measure the speed on one cache, after one that warms up. Prompts leave room for them
// where the model's context does.
const speedSteps = 6

// finish measures the speed of a case's cache, closes it and hands out its rows.
func (r *Runner) finish(h *held, rows ...Row) error {
	perSecond, err := r.decodeSpeed(h, speedSteps)
	if err != nil {
		return err
	}
	h.seq.Close()
	h.finished()
	var peak *Resident
	if r.Peak != nil {
		peak = r.Peak()
	}
	for _, row := range rows {
		row.TokensPerSecond, row.Peak = perSecond, peak
		if err := r.emit(row); err != nil {
			return err
		}
	}
	return nil
}

// decodeSpeed is the tokens per second of so many decode steps on one cache alone; 0 where there is no room for two.
func (r *Runner) decodeSpeed(h *held, steps int) (float64, error) {
	one, id := []*engine.Sequence{h.seq}, []int32{0}
	steps = min(steps, h.limit-h.seq.Len()-1)
	var start time.Time
	for i := range steps + 1 {
		if i == 1 {
			start = time.Now()
		}
		if err := r.Engine.Step(one, id); err != nil {
			return 0, err
		}
	}
	if steps < 1 {
		return 0, nil
	}
	return float64(steps) / time.Since(start).Seconds(), nil
}
