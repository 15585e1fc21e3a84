package model

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pith/gguf"
	"pith/internal/realmodel"
	"pith/kernel"
)

// realModels are the files that shared/reference/logits was made with.
var realModels = []struct {
	name        string
	exactKL     float64 // mean KL over the top 20, as the reference's check has it
	defaultKL   float64
	exactMargin float64
}{
	{"smol", 2e-3, 0.03, 0.02},
	{"gemma", 2e-3, 0.03, 0.02},
}

// findModel opens a real model, or skips the test.
func findModel(t testing.TB, name string) *gguf.File {
	t.Helper()
	return openFile(t, realmodel.Path(t, name))
}

type realPrompt struct {
	IDs         []int32
	Positions   []int
	TopIDs      [][]int32   `json:"top20_ids"`
	TopLogprobs [][]float64 `json:"top20_logprobs"`
	Greedy      []int32     `json:"greedy48"`
	Margins     []float64   `json:"greedy_margins"`
}

func TestRealModels(t *testing.T) {
	workers := kernel.NewWorkers(0)
	defer workers.Close()
	for _, real := range realModels {
		for _, exact := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/exact=%t", real.name, exact), func(t *testing.T) {
				f := findModel(t, real.name)
				data, err := os.ReadFile(filepath.Join(shared(), "reference/logits", real.name+".json"))
				if err != nil {
					t.Skip("left out: no reference data in " + shared())
				}
				var ref struct{ Prompts map[string]realPrompt }
				if err := json.Unmarshal(data, &ref); err != nil {
					t.Fatal(err)
				}
				m, err := Open(f, Options{Workers: workers, Exact: exact})
				if err != nil {
					t.Fatal(err)
				}
				limit, margin := real.defaultKL, 1.0
				if exact {
					limit, margin = real.exactKL, real.exactMargin
				}
				var worst, sum float64
				rows := 0
				for name, p := range ref.Prompts {
					if len(p.IDs) > 500 && testing.Short() {
						continue
					}
					w, kl, n := p.check(t, name, m, margin)
					worst, sum, rows = max(worst, w), sum+kl, rows+n
				}
				mean := sum / float64(rows)
				t.Logf("max |dlogprob| of the top 20: %.2g, mean KL %.2g over %d positions", worst, mean, rows)
				if !(mean <= limit) {
					t.Errorf("mean KL %.3g, allowed %.3g", mean, limit)
				}
				if exact && !(worst <= 5e-3) {
					t.Errorf("a log-probability is off by %.3g, allowed 5e-3", worst)
				}
			})
		}
	}
}

// check compares the prompt's positions and its greedy continuation.
func (p *realPrompt) check(t *testing.T, name string, m *Model, margin float64) (worst, kl float64, rows int) {
	r := newRunner(t, m, m.config.Context)
	vocab, dim := m.config.Vocab, m.config.Dim
	logits := make([]float32, vocab)
	for from := 0; from < len(p.IDs); from += 512 {
		to := min(from+512, len(p.IDs))
		x := r.feed(t, p.IDs[from:to], kernel.Prefill)
		for i, pos := range p.Positions {
			if pos < from || pos >= to {
				continue
			}
			m.Logits(logits, x[(pos-from)*dim:(pos-from+1)*dim], 1, kernel.Prefill, r.ws)
			z := logSumExp(logits)
			var sum float64
			for j, id := range p.TopIDs[i] {
				want, have := p.TopLogprobs[i][j], float64(logits[id])-z
				worst = max(worst, math.Abs(have-want))
				sum += math.Exp(want) * (want - have)
			}
			kl, rows = kl+math.Abs(sum), rows+1
		}
	}
	for k, want := range p.Greedy {
		best := int32(slices.Index(logits, slices.Max(logits)))
		if best != want {
			t.Logf("%s: greedy differs at token %d, margin %.3g", name, k, p.Margins[k])
			if p.Margins[k] > margin {
				t.Errorf("%s: greedy token %d is %d, want %d with a margin of %.3g", name, k, best, want, p.Margins[k])
			}
			return
		}
		m.Logits(logits, r.feed(t, []int32{best}, kernel.Decode), 1, kernel.Decode, r.ws)
	}
	return
}
