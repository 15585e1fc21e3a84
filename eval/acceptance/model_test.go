// Package acceptance holds the tests by which ten systems of the literature were accepted: what each promises, shown on a real model. They
// run where $PITH_MODELS names a folder that holds SmolLM2; docs/acceptance.md says which test, or which line of an evaluation, shows which
// clause. Contexts are short so that all of it takes two or three minutes of one core.
package acceptance

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"testing"

	"pith/engine"
	"pith/eval"
	"pith/gguf"
	"pith/internal/realmodel"
	_ "pith/method"
	"pith/policy"
	"pith/tokenizer"
)

var opened struct {
	sync.Mutex
	engines map[bool]*engine.Engine // by whether they are exact
}

// real is SmolLM2, opened once for all tests.
func real(t *testing.T) *engine.Engine { return realIn(t, false) }

// realIn is SmolLM2 in the default arithmetic, or exactly.
func realIn(t *testing.T, exact bool) *engine.Engine {
	t.Helper()
	opened.Lock()
	defer opened.Unlock()
	if e := opened.engines[exact]; e != nil {
		return e
	}
	f, err := gguf.Open(realmodel.Path(t, "smol"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(f, engine.Options{Exact: exact})
	if err != nil {
		t.Fatal(err)
	}
	if opened.engines == nil {
		opened.engines = map[bool]*engine.Engine{}
	}
	opened.engines[exact] = e
	return e
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, e := range opened.engines {
		if used, _, _ := e.PoolUse(); used != 0 && code == 0 {
			os.Stderr.WriteString("acceptance: the pool holds bytes after the last test\n")
			code = 1
		}
		e.Close()
	}
	os.Exit(code)
}

// tokens are n tokens of a text from token at on.
func tokens(t *testing.T, e *engine.Engine, text string, at, n int) []int32 {
	t.Helper()
	ids, err := e.Tokenizer().Encode(text, tokenizer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) < at+n {
		t.Fatalf("the text has %d tokens, %d to %d are wanted", len(ids), at, at+n)
	}
	return ids[at : at+n]
}

// seeds are three windows of a book: where each begins, in tokens.
var seeds = []int{2000, 48000, 96000}

// window is the context of one seed and the positions that follow it.
func window(t *testing.T, e *engine.Engine, seed, context, positions int) (prompt, feed, next []int32) {
	t.Helper()
	ids := tokens(t, e, book(), seeds[seed], context+positions+1)
	return ids[:context], ids[context : context+positions], ids[context+1:]
}

var book = sync.OnceValue(eval.Book)

// A cell is a recipe at a budget, and what became of it.
type cell struct {
	spec   string
	budget policy.Budget
	seq    *engine.Sequence

	kl, top1, nll, bytes float64 // means over the seeds; bytes as a share of the full cache's
}

// read prefills a prompt once for all cells.
func read(t *testing.T, e *engine.Engine, prompt []int32, o engine.PrefillOptions, room int, cells ...*cell) *engine.Prefill {
	t.Helper()
	var seqs []*engine.Sequence
	for _, c := range cells {
		r, err := policy.Parse(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		if c.seq, err = e.NewSequence(r, c.budget, len(prompt)+room); err != nil {
			t.Fatalf("%s: %v", c.spec, err)
		}
		t.Cleanup(c.seq.Close)
		seqs = append(seqs, c.seq)
	}
	o.Compress, o.Extra = true, room
	p, err := e.NewPrefill(prompt, o, seqs...)
	if err == nil {
		err = p.Run(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fidelity compares cells with the full cache over every seed: distributions of what follows a context.
func fidelity(t *testing.T, e *engine.Engine, context, positions int, cells ...*cell) (full *cell) {
	t.Helper()
	full = &cell{spec: "full"}
	for seed := range seeds {
		prompt, feed, next := window(t, e, seed, context, positions)
		read(t, e, prompt, engine.PrefillOptions{}, positions, append([]*cell{full}, cells...)...)
		var want [][]float32
		for _, c := range append([]*cell{full}, cells...) {
			c.bytes += float64(c.seq.Bytes()) / float64(c.seq.FullBytes()) / float64(len(seeds))
			got, err := e.Feed(c.seq, feed)
			if err != nil {
				t.Fatalf("%s: %v", c.spec, err)
			}
			c.seq.Close()
			if want == nil {
				want = got
			}
			share := 1 / float64(len(seeds)*positions)
			for i := range got {
				c.kl += eval.Divergence(want[i], got[i], engine.LogSumExp(want[i]), engine.LogSumExp(got[i])) * share
				c.nll += (engine.LogSumExp(got[i]) - float64(got[i][next[i]])) * share
				if argmax(got[i]) == argmax(want[i]) {
					c.top1 += share
				}
			}
		}
	}
	for _, c := range append([]*cell{full}, cells...) {
		t.Logf("%-40s %5.1f%% of the bytes: KL %.4f, top-1 %.3f, NLL %+.4f", c.spec+" "+c.budget.Keep.String(), 100*c.bytes, c.kl, c.top1, c.nll-full.nll)
	}
	return full
}

// rise is by how much a cell's perplexity exceeds another's, as a share of it.
func (c *cell) rise(over *cell) float64 { return math.Exp(c.nll-over.nll) - 1 }

// spec puts numbers into a recipe.
func spec(format string, a ...any) string { return fmt.Sprintf(format, a...) }

func argmax(x []float32) int { return slices.Index(x, slices.Max(x)) }

// percent and entries are budgets; within is a cap.
func percent(p int) policy.Budget           { return policy.Budget{Keep: policy.Percent(p)} }
func entries(n int) policy.Budget           { return policy.Budget{Keep: policy.Entries(n)} }
func within(b int64) policy.Budget          { return policy.Budget{Bytes: b} }
func at(spec string, b policy.Budget) *cell { return &cell{spec: spec, budget: b} }
