package main

import (
	"runtime"

	"github.com/spf13/cobra"

	"pith/engine"
	"pith/policy"
)

// computing holds the flags of every verb that computes.
type computing struct {
	threads int
	exact   bool
	pack    string

	packed int64 // set by check
}

func (c *computing) register(cmd *cobra.Command) {
	cmd.Flags().IntVarP(&c.threads, "threads", "t", 0, "threads (default: as many as the process may use)")
	cmd.Flags().BoolVar(&c.exact, "exact", false, "dequantised weights, f32 activations and f32 cache instead of 8-bit activations and f16")
	cmd.Flags().StringVar(&c.pack, "pack", "auto", "weights copied into memory in a faster form: auto (as far as memory is free), all, none, or at most a size such as 2GiB")
}

// check refuses a number of threads that makes no sense here, and what is no bound on packed weights.
func (c *computing) check() error {
	if c.threads < 0 || c.threads > 4*runtime.NumCPU()+64 {
		return usagef("--threads %d: the machine has %d cores", c.threads, runtime.NumCPU())
	}
	switch c.pack {
	case "auto":
		c.packed = 0
	case "all":
		c.packed = engine.PackEverything
	case "none":
		c.packed = engine.PackNothing
	default:
		n, err := policy.ParseBytes(c.pack)
		if err != nil || n <= 0 {
			return usagef("--pack %s: want auto, all, none or a size such as 2GiB", c.pack)
		}
		c.packed = n
	}
	return nil
}

func (c *computing) options() engine.Options {
	return engine.Options{Threads: c.threads, Exact: c.exact, Pack: c.packed}
}

// caching holds the flags that choose a recipe and its budget.
type caching struct {
	kv, keep, memory string

	recipe *policy.Recipe // set by parse; nil: the full cache
	budget policy.Budget
}

func (c *caching) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.kv, "kv", "", "recipe for the cache, such as fastkv or 'snapkv(window=32)'; 'pith methods' lists them (default: full)")
	cmd.Flags().StringVar(&c.keep, "keep", "", "prompt entries kept per KV head: a percentage such as 25% or a number (default: 25% where the recipe evicts)")
	cmd.Flags().StringVar(&c.memory, "kv-memory", "", "hard cap on the cache's bytes, generation included, such as 64MiB")
}

// parse reads the flags; what it refuses is wrong usage.
func (c *caching) parse() (err error) {
	c.recipe, c.budget, err = parseCaching(c.kv, c.keep, c.memory)
	return err
}

// parseCaching turns a recipe and its bounds, as written, into values. An empty spec is the full cache.
func parseCaching(kv, keep, memory string) (*policy.Recipe, policy.Budget, error) {
	r, b, err := policy.ParseCaching(kv, keep, memory)
	if err != nil {
		err = &usageError{err}
	}
	return r, b, err
}

// independent reports whether a recipe decides without looking at a question: it may compress a document before the question is
// seen. Scores by the newest rows (SnapKV and what is built on it) are not: those rows should be the question's.
func independent(r *policy.Recipe) bool {
	return r != nil && r.Evicts() && r.Signals().Window == 0
}

// recipeName is how a recipe is called in results.
func recipeName(r *policy.Recipe) string {
	if r == nil {
		return "full"
	}
	return r.String()
}

// share is the budget in entries as results show it: as given, or what a recipe that evicts keeps by default.
func (c *caching) share() string {
	if c.keep == "" && c.memory == "" && c.recipe != nil && c.recipe.HasBudget() {
		return policy.DefaultShare.String()
	}
	return c.keep
}

// bounds names the budget for people.
func (c *caching) bounds() string {
	text := ""
	if s := c.share(); s != "" {
		text += ", keep " + s
	}
	if c.memory != "" {
		text += ", at most " + bytesText(c.budget.Bytes)
	}
	return text
}
