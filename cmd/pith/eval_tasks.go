package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pith/engine"
	"pith/eval"
)

// evalTaskHelp is the list of tasks in the verb's help.
const evalTaskHelp = `  fidelity    distance of the distributions over a text's continuation from those of the full cache: --windows FILE or --text FILE
  needle      facts hidden in contexts, answers teacher-forced: --samples FILE
`

// evalInputs are the flags that say what the samples are made of.
type evalInputs struct {
	texts     []string
	context   int
	positions int
	count     int
}

func (i *evalInputs) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&i.texts, "text", nil, "text file to cut windows from; may be repeated (fidelity, perplexity)")
	f.IntVar(&i.context, "context", 4096, "tokens of context in a window of --text")
	f.IntVar(&i.positions, "positions", 128, "tokens scored after it")
	f.IntVar(&i.count, "count", 0, "samples: windows of each text, or generated samples of each kind (default: 3 windows, 10 samples)")
}

// evalTasks are the tasks by name, in the order in which they run.
var evalTasks = []struct {
	name  string
	needs func(o *evalOptions) error
	make  func(o *evalOptions, e *engine.Engine) (eval.Task, error)
}{
	{eval.TaskFidelity, needsTexts, func(o *evalOptions, e *engine.Engine) (eval.Task, error) {
		ws, err := o.readWindows(e)
		return eval.Fidelity{Windows: ws}, err
	}},
	{eval.TaskNeedle, func(o *evalOptions) error {
		if o.samples == "" {
			return usagef("needle needs --samples FILE")
		}
		return nil
	}, func(o *evalOptions, _ *engine.Engine) (eval.Task, error) {
		samples, err := eval.ReadNeedles(o.samples)
		return eval.Needles{Samples: samples, Modes: o.modes}, err
	}},
}

func needsTexts(o *evalOptions) error {
	if o.windows == "" && len(o.texts) == 0 {
		return usagef("%s needs --windows FILE or --text FILE", strings.Join(o.tasks, ","))
	}
	return nil
}

// checkInputs refuses tasks that are unknown or lack their samples.
func (o *evalOptions) checkInputs() error {
	var names []string
	for _, t := range evalTasks {
		names = append(names, t.name)
	}
	if len(o.tasks) == 0 {
		return usagef("--task is missing; tasks are %s", strings.Join(names, ", "))
	}
	for _, name := range o.tasks {
		i := slices.Index(names, name)
		if i < 0 {
			return usagef("there is no task %q; tasks are %s", name, strings.Join(names, ", "))
		}
		if err := evalTasks[i].needs(o); err != nil {
			return err
		}
	}
	for _, m := range o.modes {
		if _, err := eval.ParseMode(m); err != nil {
			return &usageError{err}
		}
	}
	return nil
}

// build makes the tasks that were asked for.
func (o *evalOptions) build(e *engine.Engine) ([]eval.Task, error) {
	var tasks []eval.Task
	for _, t := range evalTasks {
		if !slices.Contains(o.tasks, t.name) {
			continue
		}
		task, err := t.make(o, e)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, task)
	}
	return tasks, nil
}

// readWindows reads windows of token ids and cuts texts; numbers go on from one source to the next.
func (o *evalOptions) readWindows(e *engine.Engine) ([]eval.Window, error) {
	var all []eval.Window
	if o.windows != "" {
		ws, err := eval.ReadWindows(o.windows)
		if err != nil {
			return nil, err
		}
		all = ws
	}
	count := o.count
	if count == 0 {
		count = 3
	}
	for _, path := range o.texts {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		ws, err := eval.CutWindows(e.Tokenizer(), bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), o.context, o.positions, count)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, w := range ws {
			w.Window = len(all)
			all = append(all, w)
		}
	}
	return all, nil
}
