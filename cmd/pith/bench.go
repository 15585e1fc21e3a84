package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pith/engine"
	"pith/kernel"
	"pith/policy"
)

// benchOptions are the flags of `pith bench`.
type benchOptions struct {
	computing
	prompts, depths []int
	generate        []int
	kv, keep        []string
	memory          string
	repeat          int
	output          string
	synthetic       string
}

func newBench() *cobra.Command {
	var o benchOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench [MODEL]",
		Short: "Speed, cache bytes and peak memory",
		Long: `Measures tokens per second of prefill (pp) and generation (tg) as llama-bench does, in an empty context or at a depth ("@ d4096"),
for each recipe, and beside them what the cache holds and the peak of resident memory. Recipes compress the prompt of a pp test, or the
context before the tokens measured. Tokenising and sampling are left out. Repetitions of tg at a depth go on from one another.`,
		Args: wants("[MODEL]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON {
				o.output = "json"
			}
			if (len(args) == 0) == (o.synthetic == "") {
				return usagef("give one of MODEL and --synthetic")
			}
			return o.run(cmd, args)
		},
		ValidArgsFunction: completeModels,
	}
	f := cmd.Flags()
	f.IntSliceVarP(&o.prompts, "prompt", "p", []int{512}, "prompt lengths; 0 for none")
	f.IntSliceVarP(&o.generate, "generate", "n", []int{32}, "tokens to generate; 0 for none")
	f.IntSliceVarP(&o.depths, "depth", "d", []int{0}, "tokens in the cache before the measured ones")
	f.StringArrayVar(&o.kv, "kv", []string{"full"}, "recipes, separated by commas outside parentheses")
	f.StringSliceVar(&o.keep, "keep", nil, "shares that evicting recipes keep")
	f.StringVar(&o.memory, "kv-memory", "", "hard cap on the cache's bytes")
	f.IntVarP(&o.repeat, "repeat", "r", 3, "repetitions of each test, after one that warms up")
	f.StringVarP(&o.output, "output", "o", "md", "md, csv or json")
	f.StringVar(&o.synthetic, "synthetic", "", "make a model of random weights instead, such as llama-1b:q4_0, llama-1b:q4_k_m or smollm2:q8_0")
	f.BoolVar(&asJSON, "json", false, "the same as -o json")
	o.computing.register(cmd)
	return cmd
}

// benchRow is one measured test.
type benchRow struct {
	Model   string  `json:"model"`
	Size    int64   `json:"size"`
	Params  int64   `json:"params"`
	Backend string  `json:"backend"`
	Threads int     `json:"threads"`
	Exact   bool    `json:"exact"`
	KV      string  `json:"kv"`
	Keep    string  `json:"keep,omitempty"`
	Test    string  `json:"test"`
	Prompt  int     `json:"n_prompt"`
	Gen     int     `json:"n_gen"`
	Depth   int     `json:"n_depth"`
	Mean    float64 `json:"avg_ts"`
	SD      float64 `json:"stddev_ts"`
	Median  float64 `json:"median_ts"`

	Samples   []float64      `json:"samples_ts"`
	KVBytes   int64          `json:"kv_bytes"`
	FullBytes int64          `json:"full_bytes"`
	Peak      *residentBytes `json:"peak_resident_bytes,omitempty"`
}

func (o *benchOptions) run(cmd *cobra.Command, args []string) error {
	recipes, err := o.recipes()
	if err != nil {
		return err
	}
	if err := errors.Join(o.check(), o.checkCounts()); err != nil {
		return err
	}
	model := ""
	if o.synthetic != "" {
		dir, err := syntheticDir()
		if err != nil {
			return err
		}
		path, made, err := synthesize(o.synthetic, dir)
		if err != nil {
			return err
		}
		if made {
			fmt.Fprintf(cmd.ErrOrStderr(), "wrote %s\n", path)
		}
		model = path
	} else {
		model = args[0]
	}
	e, err := openEngine(cmd.Context(), model, &o.computing, pullIfMissing)
	if err != nil {
		return err
	}
	defer e.Close()
	meter := startResidentMeter()
	defer meter.Close()
	b := &bench{o: o, e: e, meter: meter, tokens: randomTokens(e.Config().Vocab, e.Config().Context)}
	var rows []benchRow
	for _, t := range o.tests() {
		for _, k := range recipes {
			row, err := b.measure(cmd.Context(), t, k)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", t.name(), recipeName(k.recipe), err)
			}
			rows = append(rows, row)
			if isTerminal(os.Stderr) && !isTerminal(os.Stdout) || o.output != "md" && isTerminal(os.Stderr) {
				fmt.Fprintf(os.Stderr, "%s, %s: %.1f tokens/s\n", row.Test, row.KV, row.Mean)
			}
		}
	}
	return writeBench(cmd, rows, o.output)
}

// recipes crosses recipes with shares; a recipe that evicts nothing takes none.
func (o *benchOptions) recipes() ([]caching, error) {
	var list []caching
	for _, flag := range o.kv {
		for _, spec := range policy.SplitList(flag) {
			r, err := policy.Parse(spec)
			if err != nil {
				return nil, &usageError{err}
			}
			keeps := o.keep
			if !r.Evicts() || len(keeps) == 0 {
				keeps = []string{""}
			}
			for _, keep := range keeps {
				k := caching{kv: spec, keep: keep, memory: o.memory}
				if err := k.parse(); err != nil {
					return nil, err
				}
				list = append(list, k)
			}
		}
	}
	if len(list) == 0 {
		return nil, usagef("--kv names no recipe")
	}
	return list, nil
}

func (o *benchOptions) checkCounts() error {
	for _, list := range [][]int{o.prompts, o.generate, o.depths} {
		for _, n := range list {
			if n < 0 {
				return usagef("-p, -n and -d take no negative numbers, got %d", n)
			}
		}
	}
	if o.repeat < 1 || o.repeat > 1000 {
		return usagef("-r %d: want 1 to 1000", o.repeat)
	}
	if !slices.Contains([]string{"md", "csv", "json"}, o.output) {
		return usagef("-o %s: want md, csv or json", o.output)
	}
	return nil
}

// benchTest is one thing to measure: a prompt or a generation at a depth.
type benchTest struct{ prompt, generate, depth int }

func (t benchTest) name() string {
	s := "pp" + strconv.Itoa(t.prompt)
	if t.prompt == 0 {
		s = "tg" + strconv.Itoa(t.generate)
	}
	if t.depth > 0 {
		s += " @ d" + strconv.Itoa(t.depth)
	}
	return s
}

func (o *benchOptions) tests() []benchTest {
	var tests []benchTest
	for _, d := range o.depths {
		for _, p := range o.prompts {
			if p > 0 {
				tests = append(tests, benchTest{prompt: p, depth: d})
			}
		}
		for _, n := range o.generate {
			if n > 0 {
				tests = append(tests, benchTest{generate: n, depth: d})
			}
		}
	}
	return tests
}

// bench is a series of tests on one engine.
type bench struct {
	o      *benchOptions
	e      *engine.Engine
	meter  *residentMeter
	tokens []int32
}

// randomTokens makes up a text; the same for every run.
func randomTokens(vocab, n int) []int32 {
	random := rand.New(rand.NewPCG(1, 2))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(random.IntN(vocab))
	}
	return ids
}

func (b *bench) measure(ctx context.Context, t benchTest, k caching) (benchRow, error) {
	c := b.e.Config()
	var size int64
	for _, tensor := range b.e.File().Tensors() {
		size += int64(tensor.Bytes())
	}
	row := benchRow{
		Model: modelTitle(b.e.File()), Size: size, Params: countParams(b.e.File()), Backend: "CPU " + kernel.CPU().String(),
		Threads: b.threads(), Exact: b.o.exact, KV: recipeName(k.recipe), Keep: k.share(), Test: t.name(), Prompt: t.prompt, Gen: t.generate, Depth: t.depth,
	}
	total := t.depth + t.prompt + t.generate
	if t.generate > 0 {
		total = t.depth + t.generate*(b.o.repeat+1)
		if t.depth == 0 {
			total = t.generate
		}
	}
	if total > c.Context {
		return row, &engine.ContextError{Prompt: total, Context: c.Context}
	}
	debug.FreeOSMemory()
	b.meter.reset()
	var err error
	if t.generate > 0 && t.depth > 0 {
		err = b.generateAtDepth(ctx, t, k, total, &row)
	} else {
		for rep := -1; rep < b.o.repeat && err == nil; rep++ {
			if rep < 0 && t.depth > 0 {
				continue // reading the context warms up
			}
			err = b.once(ctx, t, k, total, rep >= 0, &row)
		}
	}
	if err != nil {
		return row, err
	}
	row.Peak = b.meter.Peak()
	row.Mean, row.SD, row.Median = summary(row.Samples)
	return row, nil
}

func (b *bench) threads() int {
	if b.o.threads > 0 {
		return b.o.threads
	}
	return engine.Threads()
}

// once runs a test on a sequence of its own.
func (b *bench) once(ctx context.Context, t benchTest, k caching, total int, keep bool, row *benchRow) error {
	s, err := b.e.NewSequence(k.recipe, k.budget, total)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := b.read(ctx, s, t.depth, true, total-t.depth); err != nil {
		return err
	}
	start := time.Now()
	n := t.prompt
	if n > 0 {
		err = b.read(ctx, s, n, t.depth == 0, 0)
	} else {
		n = t.generate
		err = b.write(ctx, s, n)
	}
	if err == nil && keep {
		row.Samples = append(row.Samples, float64(n)/time.Since(start).Seconds())
		row.KVBytes, row.FullBytes = s.Bytes(), s.FullBytes()
	}
	return err
}

// generateAtDepth reads the context once and generates again and again behind it.
func (b *bench) generateAtDepth(ctx context.Context, t benchTest, k caching, total int, row *benchRow) error {
	s, err := b.e.NewSequence(k.recipe, k.budget, total)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := b.read(ctx, s, t.depth, true, total-t.depth); err != nil {
		return err
	}
	row.KVBytes, row.FullBytes = s.Bytes(), s.FullBytes()
	for rep := -1; rep < b.o.repeat; rep++ {
		start := time.Now()
		if err := b.write(ctx, s, t.generate); err != nil {
			return err
		}
		if rep >= 0 {
			row.Samples = append(row.Samples, float64(t.generate)/time.Since(start).Seconds())
		}
	}
	return nil
}

// read prefills n tokens.
func (b *bench) read(ctx context.Context, s *engine.Sequence, n int, compress bool, extra int) error {
	if n == 0 {
		return nil
	}
	p, err := b.e.NewPrefill(b.tokens[s.Len():s.Len()+n], engine.PrefillOptions{Compress: compress, Extra: extra}, s)
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

// write feeds n tokens one by one, as generation does.
func (b *bench) write(ctx context.Context, s *engine.Sequence, n int) error {
	seqs, ids := []*engine.Sequence{s}, []int32{0}
	for range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		ids[0] = b.tokens[s.Len()]
		if err := b.e.Step(seqs, ids); err != nil {
			return err
		}
	}
	return nil
}

// summary returns mean, standard deviation of the sample, and median.
func summary(x []float64) (mean, sd, median float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	for _, v := range x {
		sd += (v - mean) * (v - mean)
	}
	if len(x) > 1 {
		sd = math.Sqrt(sd / (n - 1))
	}
	sorted := slices.Sorted(slices.Values(x))
	median = (sorted[(len(x)-1)/2] + sorted[len(x)/2]) / 2
	return mean, sd, median
}

func writeBench(cmd *cobra.Command, rows []benchRow, format string) error {
	out := cmd.OutOrStdout()
	if format == "json" {
		return writeJSON(out, rows)
	}
	t := table{header: []string{"model", "size", "params", "backend", "threads", "kv", "keep", "test", "t/s", "median", "cache", "full cache", "peak anon", "peak file"},
		right: map[int]bool{1: true, 2: true, 4: true, 6: true, 7: true, 8: true, 9: true, 10: true, 11: true, 12: true, 13: true}}
	if format == "csv" {
		t.header = strings.Split("model,size,params,backend,threads,kv,keep,test,avg_ts,stddev_ts,median_ts,kv_bytes,full_bytes,peak_anonymous_bytes,peak_file_bytes", ",")
	}
	for _, r := range rows {
		anon, file := "", ""
		if r.Peak != nil {
			anon, file = bytesText(r.Peak.Anonymous), bytesText(r.Peak.File)
			if format == "csv" {
				anon, file = fmt.Sprint(r.Peak.Anonymous), fmt.Sprint(r.Peak.File)
			}
		}
		if format == "csv" {
			t.add(r.Model, fmt.Sprint(r.Size), fmt.Sprint(r.Params), r.Backend, fmt.Sprint(r.Threads), r.KV, r.Keep, r.Test, fmt.Sprintf("%.3f", r.Mean),
				fmt.Sprintf("%.3f", r.SD), fmt.Sprintf("%.3f", r.Median), fmt.Sprint(r.KVBytes), fmt.Sprint(r.FullBytes), anon, file)
			continue
		}
		t.add(r.Model, bytesText(r.Size), countText(r.Params), r.Backend, fmt.Sprint(r.Threads), r.KV, r.Keep, r.Test,
			fmt.Sprintf("%.2f ± %.2f", r.Mean, r.SD), fmt.Sprintf("%.2f", r.Median), bytesText(r.KVBytes), bytesText(r.FullBytes), anon, file)
	}
	if format == "csv" {
		return t.csv(out)
	}
	return t.markdown(out)
}
