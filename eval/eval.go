// Package eval measures what compression costs and saves: quality, bytes and time in one row, for a model, recipes and texts.
//
// What is scored is what is served: every figure comes from the engine's own sequences, whose bytes are those that the pool holds.
// One prefill feeds every recipe and budget for which that is exact; recipes that restrict what deeper layers see get their own.
// Samples are paired: every recipe sees the same ones. A row names its sample and everything else that makes it what it is, so that
// a run can be killed and resumed, rows of several machines be merged, and two rows be compared only where that is fair.
//
// Rows are the package's one product (Row); a Journal stores them, Summarise condenses them, WriteReport shows them.
package eval

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pith/engine"
	"pith/kernel"
)

// A Runner runs tasks on one engine. Its fields are set before Run and not changed.
type Runner struct {
	Engine *engine.Engine
	Cases  []Case
	Origin Origin
	Emit   func(Row) error  // takes every finished row, in order; its error ends the run
	Done   func(Key) bool   // reports rows that exist already and are not measured again; nil: none
	Memory int64            // bytes of compressed contexts held at a time; 0: a quarter of what is free. Less means more passes over a context, nothing else.
	Peak   func() *Resident // peak of resident memory since the last call; nil: not known
	// Refused, if set, is told which case the engine refuses for its budget, and the run goes on without it; otherwise that ends the run.
	Refused func(c Case, err error)
	// Progress, if set, is called as work proceeds, with shares of the whole run's estimated cost.
	Progress func(done, total float64, what string)

	total, done float64 // cost of the run, and of what is finished
	current     float64 // cost of the unit in progress
	what        string
}

// Resident is a process's physical memory in bytes; what belongs to files (a mapped model) apart.
type Resident struct {
	Anonymous int64 `json:"anonymous"`
	File      int64 `json:"file"`
}

// A Task is a set of samples and how they are scored.
type Task interface {
	// Name is the first word of the task's rows and the name of its file in a journal.
	Name() string
	// units lists the task's work for the runner's cases.
	units(r *Runner) ([]unit, error)
}

// A unit is the smallest piece of work that shares prefills: one context, one mode. Interrupted, it is done again.
type unit struct {
	what   string // for people
	tokens int    // of the context, to estimate the cost
	rows   int    // per case
	key    func(c Case, i int) Key
	only   func(c Case) bool // cases that it is about; nil: all
	run    func(ctx context.Context, r *Runner, u *unit, cases []Case) error
}

// Run measures everything that is not done yet.
func (r *Runner) Run(ctx context.Context, tasks ...Task) error {
	type job struct {
		unit
		task  string
		cases []Case
		cost  float64
	}
	var jobs []job
	for _, t := range tasks {
		units, err := t.units(r)
		if err != nil {
			return err
		}
		for _, u := range units {
			cases := slices.DeleteFunc(slices.Clone(r.Cases), func(c Case) bool {
				if u.only != nil && !u.only(c) {
					return true
				}
				for i := range u.rows {
					if !r.exists(u.key(c, i)) {
						return false
					}
				}
				return true
			})
			if len(cases) == 0 {
				continue
			}
			cost := float64(u.tokens) * passes(cases, r.Engine.Config().Layers)
			jobs = append(jobs, job{u, t.Name(), cases, cost})
			r.total += cost
		}
	}
	for _, j := range jobs {
		what := j.task + " " + j.what
		r.what, r.current = what, j.cost
		r.report(0)
		if r.Peak != nil {
			r.Peak()
		}
		if err := j.run(ctx, r, &j.unit, j.cases); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return fmt.Errorf("eval: %s: %w", what, err)
		}
		r.done += j.cost
		r.report(0)
	}
	return nil
}

// report tells how far the run is; share is that of the unit in progress.
func (r *Runner) report(share float64) {
	if r.Progress != nil {
		r.Progress(r.done+share*r.current, r.total, r.what)
	}
}

func (r *Runner) exists(k Key) bool { return r.Done != nil && r.Done(k.of(r.Origin)) }

// passes estimates how many reads of the context the cases cost together: one that is shared, one for each recipe that restricts it,
// about two and a half for each second pass, and a little for each case.
func passes(cases []Case, layers int) float64 {
	cost, shared := 0.03*float64(len(cases)), false
	probers := map[string]bool{}
	for _, c := range cases {
		switch {
		case c.recipe.Restricts(layers):
			cost += 0.6
		case c.recipe.Prober() != nil:
			probers[c.recipe.Terms()[0].String()] = true
			shared = true
		default:
			shared = true
		}
	}
	if shared {
		cost++
	}
	return cost + 2.5*float64(len(probers))
}

// emit completes a row and hands it out, unless it exists.
func (r *Runner) emit(row Row) error {
	row.Origin = r.Origin
	if r.exists(row.Key) {
		return nil
	}
	if row.Time == "" {
		row.Time = time.Now().UTC().Format(time.RFC3339)
	}
	return r.Emit(row)
}

// memory is the bound on what is held at a time.
func (r *Runner) memory() int64 {
	if r.Memory > 0 {
		return r.Memory
	}
	if free, known := kernel.FreeMemory(); known {
		return max(free/4, 256<<20)
	}
	return 2 << 30
}
