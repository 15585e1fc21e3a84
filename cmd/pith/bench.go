package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

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
context before the tokens measured. For generation "GB/s" is the rate at which weights and cache were read, "of memory" its share of what reading the weights
alone reaches, measured between the repetitions. Tokenising and sampling are left out. Each repetition of tg at a depth begins in the same cache,
unless the recipe acts while tokens are generated or window layers have let go of entries: then they go on from one another.`,
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
			if !r.HasBudget() || len(keeps) == 0 {
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
