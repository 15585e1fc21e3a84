package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pith/engine"
	"pith/eval"
	"pith/policy"
)

// evalOptions are the flags of `pith eval`.
type evalOptions struct {
	computing
	tasks    []string
	kv, keep []string
	out      string
	asJSON   bool
	seed     uint64
	hold     string
	memory   string
	evalInputs
}

func newEval() *cobra.Command {
	var o evalOptions
	cmd := &cobra.Command{
		Use:   "eval MODEL --task NAME,... [--kv SPEC,... --keep SHARE,...]",
		Short: "What compression costs and saves on your model and texts",
		Long: `Measures quality, cache bytes and time of recipes at budgets, on the same samples for all of them; one prefill feeds every recipe for
which that is exact. Tasks:

` + evalTaskHelp + `
With -o DIR every row is stored as it is made; the same command line continues where an interrupted one stopped, and report.html in
DIR shows the results. Rows are JSON lines; --json prints them as they are made, and the summary as its last lines.`,
		Args: wants("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.lengthGiven = cmd.Flags().Changed("length")
			return o.run(cmd, args[0])
		},
		ValidArgsFunction: completeModels,
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.tasks, "task", nil, "tasks, separated by commas")
	f.StringArrayVar(&o.kv, "kv", nil, "recipes, separated by commas outside parentheses; may be repeated (default: full)")
	f.StringSliceVar(&o.keep, "keep", nil, "shares that evicting recipes keep (default: 25%)")
	f.StringVar(&o.memory, "kv-memory", "", "hard cap on the cache's bytes of recipes that have a budget, such as 64MiB")
	f.StringVarP(&o.out, "out", "o", "", "directory for rows and report; an interrupted run is resumed")
	f.BoolVar(&o.asJSON, "json", false, "print rows as JSON lines")
	f.Uint64Var(&o.seed, "seed", 1, "seed of generated samples")
	f.StringVar(&o.hold, "hold", "", "bytes of compressed contexts held at a time, such as 4GiB; more means fewer passes over a context (default: a quarter of the free memory)")
	o.evalInputs.register(cmd)
	o.computing.register(cmd)
	cmd.AddCommand(newEvalReport(), newEvalMerge())
	return cmd
}

func (o *evalOptions) run(cmd *cobra.Command, model string) error {
	cases, err := o.cases()
	if err != nil {
		return err
	}
	var hold int64
	if o.hold != "" {
		if hold, err = policy.ParseBytes(o.hold); err != nil {
			return &usageError{err}
		}
	}
	if err := errors.Join(o.check(), o.checkInputs()); err != nil {
		return err
	}
	e, err := openEngine(cmd.Context(), model, &o.computing, pullIfMissing)
	if err != nil {
		return err
	}
	defer e.Close()
	tasks, err := o.build(e)
	if err != nil {
		return err
	}
	origin, err := originOf(e, &o.computing)
	if err != nil {
		return err
	}
	r := &eval.Runner{Engine: e, Cases: cases, Origin: origin, Memory: hold}
	meter := startResidentMeter()
	defer meter.Close()
	r.Peak = func() *eval.Resident {
		p := meter.Peak()
		meter.reset()
		if p == nil {
			return nil
		}
		return &eval.Resident{Anonymous: p.Anonymous, File: p.File}
	}
	progress := newEvalProgress(cmd.ErrOrStderr())
	r.Progress = progress.update
	refused := map[string]bool{}
	r.Refused = func(c eval.Case, err error) {
		if !refused[c.String()] {
			refused[c.String()] = true
			progress.clear()
			fmt.Fprintf(cmd.ErrOrStderr(), "%s is left out: %v\n", c, err)
		}
	}
	return o.measure(cmd, r, tasks, progress)
}

// measure runs the tasks, stores and prints rows, and ends with the summary.
func (o *evalOptions) measure(cmd *cobra.Command, r *eval.Runner, tasks []eval.Task, progress *evalProgress) (err error) {
	out := bufio.NewWriter(cmd.OutOrStdout())
	defer out.Flush()
	var rows []eval.Row
	var journal *eval.Journal
	if o.out != "" {
		if journal, err = eval.OpenJournal(o.out); err != nil {
			return err
		}
		defer journal.Close()
		if err := journal.Note(os.Args[1:], r.Origin); err != nil {
			return err
		}
		r.Done = journal.Done
		rows = append(rows, journal.Rows()...)
		if n := len(rows); n > 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s rows are there already\n", o.out, thousands(n))
		}
	}
	r.Emit = func(row eval.Row) error {
		rows = append(rows, row)
		if journal != nil {
			if err := journal.Append(row); err != nil {
				return err
			}
		}
		if !o.asJSON {
			return nil
		}
		if err := writeLine(out, row); err != nil {
			return err
		}
		return out.Flush()
	}
	err = r.Run(cmd.Context(), tasks...)
	progress.clear()
	if err != nil {
		return err
	}
	summary := eval.Summarise(rows)
	if journal != nil {
		notes, err := eval.ReadNotes(o.out)
		if err != nil {
			return err
		}
		if err := eval.WriteReport(o.out, rows, notes); err != nil {
			return err
		}
	}
	if o.asJSON {
		for _, s := range summary {
			if err := writeLine(out, s); err != nil {
				return err
			}
		}
		return nil
	}
	return evalTable(summary).plain(out)
}

func writeLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// cases are the recipes at the budgets.
func (o *evalOptions) cases() ([]eval.Case, error) {
	var specs, keeps []string
	for _, flag := range o.kv {
		specs = append(specs, policy.SplitList(flag)...)
	}
	for _, k := range o.keep {
		keeps = append(keeps, strings.TrimSpace(k))
	}
	if len(specs) == 0 {
		specs = []string{"full"}
		if len(keeps) > 0 || o.memory != "" {
			specs = append(specs, "auto")
		}
	}
	cases, err := eval.Cases(specs, keeps, o.memory)
	if err != nil {
		return nil, &usageError{err}
	}
	return cases, nil
}

// originOf says where rows come from.
func originOf(e *engine.Engine, c *computing) (eval.Origin, error) {
	digest, err := fileDigest(e.File().Path())
	if err != nil {
		return eval.Origin{}, err
	}
	o := eval.Origin{Model: modelTitle(e.File()), Digest: digest, Arithmetic: "default", Machine: eval.Machine(), Threads: c.threads}
	if c.exact {
		o.Arithmetic = "exact"
	}
	if o.Threads == 0 {
		o.Threads = engine.Threads()
	}
	return o, nil
}

// fileDigest is the SHA-256 of a file, of the first part where it is split.
func fileDigest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// evalProgress shows how far a run is: a bar on a terminal, elsewhere a line now and then.
type evalProgress struct {
	out    io.Writer
	bar    *progressBar
	start  time.Time
	last   time.Time
	silent bool
}

// progressLines is how often a run that is not watched tells about itself.
const progressLines = 30 * time.Second

func newEvalProgress(out io.Writer) *evalProgress {
	return &evalProgress{out: out, bar: newProgressBar(""), start: time.Now(), last: time.Now()}
}

func (p *evalProgress) update(done, total float64, what string) {
	if total <= 0 {
		return
	}
	if p.bar.out != nil {
		p.bar.what = what
		p.bar.update(int64(1e6*done), int64(1e6*total))
		return
	}
	if time.Since(p.last) < progressLines {
		return
	}
	p.last = time.Now()
	line := fmt.Sprintf("%s: %.1f%% of the run", what, 100*done/total)
	if left := timeLeft(time.Since(p.start), done/total); left > 0 {
		line += ", " + left.Round(time.Second).String() + " left"
	}
	fmt.Fprintln(p.out, line)
}

func (p *evalProgress) clear() { p.bar.clear() }

// evalTable shows a summary to people.
func evalTable(summary []eval.Summary) *table {
	t := &table{header: []string{"task", "mode", "kv", "keep", "n", "score", "95%", "KL", "bytes", "of full", "first token", "tokens/s"},
		right: map[int]bool{4: true, 5: true, 6: true, 7: true, 8: true, 9: true, 10: true, 11: true}}
	for _, s := range summary {
		kl := ""
		if s.KL != nil {
			kl = fmt.Sprintf("%.4f", s.KL.Mean)
		}
		t.add(s.Of, s.Mode, s.KV, strings.TrimSpace(s.Keep+" "+s.Memory), fmt.Sprint(s.Score.N), fmt.Sprintf("%.3f", s.Score.Mean), fmt.Sprintf("%.3f-%.3f", s.Score.Low, s.Score.High), kl,
			bytesText(s.KVBytes), fmt.Sprintf("%.1f%%", 100*float64(s.KVBytes)/float64(max(s.FullBytes, 1))), secondsText(s.FirstToken), fmt.Sprintf("%.1f", s.TokensPerSecond))
	}
	return t
}

func secondsText(s float64) string { return fmt.Sprintf("%.*f s", decimals(s), s) }
