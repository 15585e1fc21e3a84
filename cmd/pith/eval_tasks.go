package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pith/engine"
	"pith/eval"
)

// evalTaskHelp is the list of tasks in the verb's help.
const evalTaskHelp = `  fidelity    distance of the distributions over a text's continuation from those of the full cache (--windows or --text)
  perplexity  how well a text's continuation is predicted (--windows or --text)
  needle      facts hidden in contexts, answers teacher-forced: --samples, and --count generated at each --length x --depth if --length is given
  niah        a number hidden in a book: --length x --depth x --digits, --count samples each
  ruler       RULER's thirteen tasks at each --length, --count samples each; qa_1 and qa_2 need --paragraphs
  longbench   the benchmark's own files NAME.jsonl (--data DIR), the first --count samples of each
  speed       time to first token, tokens per second and memory of every recipe alone, at each --length
`

// evalInputs are the flags that say what the samples are made of.
type evalInputs struct {
	windows, samples string
	modes            []string
	texts            []string
	context          int
	positions        int
	count, cut       int
	lengths          []int
	lengthGiven      bool
	depths           []string
	digits           []int
	sets             []string
	paragraphs       map[string]string
	data             string
	truncate         int
	decode           int
}

func (i *evalInputs) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&i.windows, "windows", "", "windows of token ids, JSON")
	f.StringVar(&i.samples, "samples", "", "prompts of token ids, JSON")
	f.StringSliceVar(&i.modes, "mode", []string{eval.Hidden, eval.Visible}, "what compression sees: the context (hidden), the question too (visible), the whole prompt (visible_all)")
	f.StringArrayVar(&i.texts, "text", nil, "text file to cut windows from, or opticks, the book that is built in; may be repeated")
	f.IntVar(&i.context, "context", 4096, "tokens of context in a window of --text")
	f.IntVar(&i.positions, "positions", 128, "tokens scored after it")
	f.IntVar(&i.count, "count", 0, "samples of each kind (default: niah and ruler 5, needle 2, longbench all)")
	f.IntVar(&i.cut, "cut", 0, "windows of each text (default: --count, else 3)")
	f.IntSliceVar(&i.lengths, "length", []int{4096}, "tokens of generated prompts, room for the answer included")
	f.StringSliceVar(&i.depths, "depth", []string{"0%", "25%", "50%", "75%", "100%"}, "shares of the text before the needle")
	f.IntSliceVar(&i.digits, "digits", []int{7}, "digits of the needle's number")
	f.StringSliceVar(&i.sets, "set", nil, "of ruler's tasks or longbench's sets only these (default: all that can be made)")
	f.StringToStringVar(&i.paragraphs, "paragraphs", nil, "qa_1=FILE or qa_2=FILE: SQuAD's or HotpotQA's JSON, or lines of {\"question\", \"answers\", \"paragraphs\"}")
	f.StringVar(&i.data, "data", "", "folder of the benchmark's files")
	f.IntVar(&i.truncate, "truncate", 0, "tokens of longbench's prompts, whose middle is left out where they are longer (default: what the context holds)")
	f.IntVar(&i.decode, "decode", 32, "tokens decoded in a speed test")
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
	{eval.TaskPerplexity, needsTexts, func(o *evalOptions, e *engine.Engine) (eval.Task, error) {
		ws, err := o.readWindows(e)
		return eval.Perplexity{Windows: ws}, err
	}},
	{eval.TaskNeedle, func(o *evalOptions) error {
		if o.samples == "" && !o.lengthGiven {
			return usagef("needle needs --samples FILE or --length")
		}
		return needsLengths(o)
	}, func(o *evalOptions, e *engine.Engine) (eval.Task, error) {
		samples, err := o.needles(e)
		return eval.Needles{Samples: samples, Modes: o.modes}, err
	}},
	{eval.TaskNIAH, needsLengths, func(o *evalOptions, e *engine.Engine) (eval.Task, error) {
		depths, err := o.parseDepths()
		if err != nil {
			return nil, err
		}
		return o.answering(e, eval.TaskNIAH, func(g *eval.Generator) ([]eval.Sampling, error) {
			return g.NIAH(o.lengths, depths, o.digits, cmp.Or(o.count, 5)), nil
		})
	}},
	{eval.TaskRULER, needsLengths, func(o *evalOptions, e *engine.Engine) (eval.Task, error) {
		paragraphs, err := eval.ReadParagraphs(o.paragraphs)
		if err != nil {
			return nil, err
		}
		tasks := eval.RULERTasks(paragraphs)
		if sets := o.setsOf(eval.TaskRULER); len(sets) > 0 {
			for _, s := range sets {
				if err := eval.CheckRULER(s, paragraphs); err != nil {
					return nil, err
				}
			}
			tasks = sets
		}
		return o.answering(e, eval.TaskRULER, func(g *eval.Generator) ([]eval.Sampling, error) {
			return g.RULER(tasks, o.lengths, cmp.Or(o.count, 5), paragraphs), nil
		})
	}},
	{eval.TaskLongBench, func(o *evalOptions) error {
		if o.data == "" {
			return usagef("longbench needs --data DIR, the folder of the benchmark's files")
		}
		return nil
	}, func(o *evalOptions, e *engine.Engine) (eval.Task, error) {
		return o.answering(e, eval.TaskLongBench, func(g *eval.Generator) ([]eval.Sampling, error) {
			return g.LongBench(o.data, o.setsOf(eval.TaskLongBench), o.count, o.truncate)
		})
	}},
	{eval.TaskSpeed, needsLengths, func(o *evalOptions, _ *engine.Engine) (eval.Task, error) {
		return eval.Speed{Lengths: o.lengths, Decode: o.decode, Repeat: cmp.Or(o.count, 1)}, nil
	}},
}

func needsTexts(o *evalOptions) error {
	if o.windows == "" && len(o.texts) == 0 {
		return usagef("%s needs --windows FILE or --text FILE", strings.Join(o.tasks, ","))
	}
	if o.context < 1 || o.positions < 1 {
		return usagef("--context %d and --positions %d; want at least 1 each", o.context, o.positions)
	}
	return nil
}

func needsLengths(o *evalOptions) error {
	for _, n := range append(slices.Clone(o.lengths), o.digits...) {
		if n < 1 {
			return usagef("a length or number of digits of %d", n)
		}
	}
	_, err := o.parseDepths()
	return err
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
	if o.count < 0 || o.cut < 0 || o.decode < 1 || o.truncate < 0 {
		return usagef("--count %d, --cut %d, --decode %d, --truncate %d: negative, or nothing to decode", o.count, o.cut, o.decode, o.truncate)
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

// answering makes a task of generated replies.
func (o *evalOptions) answering(e *engine.Engine, task string, samples func(g *eval.Generator) ([]eval.Sampling, error)) (eval.Task, error) {
	g, err := eval.NewGenerator(e, o.seed)
	if err != nil {
		return nil, err
	}
	list, err := samples(g)
	if err != nil {
		return nil, err
	}
	return eval.Answering{Task: task, Modes: o.modes, Samples: list}, nil
}

// needles reads samples of token ids and generates others, whose numbers go on.
func (o *evalOptions) needles(e *engine.Engine) (all []eval.Needle, err error) {
	if o.samples != "" {
		if all, err = eval.ReadNeedles(o.samples); err != nil {
			return nil, err
		}
	}
	if !o.lengthGiven {
		return all, nil
	}
	first := 0
	for _, n := range all {
		first = max(first, n.Sample+1)
	}
	depths, err := o.parseDepths()
	if err != nil {
		return nil, err
	}
	g, err := eval.NewGenerator(e, o.seed)
	if err != nil {
		return nil, err
	}
	for _, digits := range o.digits {
		more, err := g.Needles(first, o.lengths, depths, digits, cmp.Or(o.count, 2))
		if err != nil {
			return nil, err
		}
		all, first = append(all, more...), first+len(more)
	}
	return all, nil
}

// setsOf are the sets that belong to a task: --set may name those of several.
func (o *evalOptions) setsOf(task string) []string {
	if !slices.Contains(o.tasks, eval.TaskRULER) || !slices.Contains(o.tasks, eval.TaskLongBench) {
		return o.sets
	}
	longbench := eval.LongBenchSets()
	return slices.DeleteFunc(slices.Clone(o.sets), func(s string) bool {
		return slices.Contains(longbench, s) != (task == eval.TaskLongBench)
	})
}

// parseDepths reads shares such as 25%.
func (o *evalOptions) parseDepths() ([]float64, error) {
	var depths []float64
	for _, d := range o.depths {
		percent, ok := strings.CutSuffix(strings.TrimSpace(d), "%")
		v, err := strconv.ParseFloat(percent, 64)
		if !ok || err != nil || v < 0 || v > 100 {
			return nil, usagef("--depth %q; want shares from 0%% to 100%%", d)
		}
		depths = append(depths, v/100)
	}
	return depths, nil
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
	for _, path := range o.texts {
		book, err := bookOrFile(path)
		if err != nil {
			return nil, err
		}
		ws, err := eval.CutWindows(e.Tokenizer(), bytes.TrimPrefix(book, []byte("\xef\xbb\xbf")), o.context, o.positions, cmp.Or(o.cut, o.count, 3))
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

// bookOrFile reads a text; the built-in book goes by its name where there is no file of that name.
func bookOrFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && path == "opticks" {
		return []byte(eval.Book()), nil
	}
	return data, err
}
