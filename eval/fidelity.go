package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"

	"pith/engine"
	"pith/policy"
)

// A Window is a context and the text that follows it, as token ids.
type Window struct {
	Window       int     `json:"window"`
	Context      []int32 `json:"context_ids"`
	Continuation []int32 `json:"cont_ids"` // one more than the positions that are scored
}

// ReadWindows reads a JSON list of windows.
func ReadWindows(path string) ([]Window, error) {
	var ws []Window
	if err := readJSON(path, &ws); err != nil {
		return nil, err
	}
	for i, w := range ws {
		if len(w.Context) == 0 || len(w.Continuation) < 2 {
			return nil, fmt.Errorf("eval: windows %s: window %d has %d context and %d continuation tokens; want at least 1 and 2", path, i, len(w.Context), len(w.Continuation))
		}
	}
	return ws, nil
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("eval: %w", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("eval: %s: %w", path, err)
	}
	return nil
}

// Fidelity is how far the distributions from a compressed cache are from those of the full cache over one window. Logarithms are
// natural; the full cache is this engine's own, in the same arithmetic.
type Fidelity struct {
	Task      string  `json:"task"`
	Window    int     `json:"window"`
	KV        string  `json:"kv"`
	Keep      string  `json:"keep"`
	Positions int     `json:"positions"`
	KLMean    float64 `json:"kl_mean"` // Σ p_full (log p_full - log p)
	KLMedian  float64 `json:"kl_median"`
	KLP99     float64 `json:"kl_p99"`
	KLMax     float64 `json:"kl_max"`
	Top1      float64 `json:"top1"` // share of positions with the same most likely token
	NLL       float64 `json:"nll"`  // of the true next token
	FullNLL   float64 `json:"full_nll"`
	DNLL      float64 `json:"dnll"`
	KVBytes   int64   `json:"kv_bytes"`   // held by the pool after the prefill
	FullBytes int64   `json:"full_bytes"` // of the full cache in the default storage
	Prefill   float64 `json:"prefill_seconds"`
}

// RunFidelity scores every case on one window: prefill the context, compress, feed the continuation teacher-forced.
func RunFidelity(ctx context.Context, e *engine.Engine, w Window, cases []Case, emit func(Fidelity) error) error {
	feed, next := w.Continuation[:len(w.Continuation)-1], w.Continuation[1:]
	var reference [][]float32
	return prefillAll(ctx, e, w.Context, policy.Prompt{}, len(feed), cases, func(full, c *compressed) error {
		row := Fidelity{Task: "fidelity", Window: w.Window, KV: c.KV, Keep: c.Keep, Positions: len(feed), Prefill: c.prefill,
			KVBytes: c.seq.Bytes(), FullBytes: c.seq.FullBytes()}
		logits, err := e.Feed(c.seq, feed)
		if err != nil {
			return err
		}
		if c == full { // a case of that name reports it
			reference = logits
			return nil
		}
		row.compare(reference, logits, next)
		return emit(row)
	})
}

// compare fills the figures from two sets of logits.
func (f *Fidelity) compare(full, got [][]float32, next []int32) {
	kls := make([]float64, len(full))
	for i := range full {
		zf, zg := engine.LogSumExp(full[i]), engine.LogSumExp(got[i])
		var kl float64
		bestF, bestG := 0, 0
		for t := range full[i] {
			lf, lg := float64(full[i][t])-zf, float64(got[i][t])-zg
			kl += math.Exp(lf) * (lf - lg)
			if full[i][t] > full[i][bestF] {
				bestF = t
			}
			if got[i][t] > got[i][bestG] {
				bestG = t
			}
		}
		kls[i] = max(kl, 0)
		if bestF == bestG {
			f.Top1 += 1 / float64(len(full))
		}
		f.NLL += (zg - float64(got[i][next[i]])) / float64(len(full))
		f.FullNLL += (zf - float64(full[i][next[i]])) / float64(len(full))
		f.KLMean += kls[i] / float64(len(full))
	}
	f.DNLL = f.NLL - f.FullNLL
	slices.Sort(kls)
	f.KLMedian, f.KLP99, f.KLMax = quantile(kls, 0.5), quantile(kls, 0.99), kls[len(kls)-1]
}

// quantile interpolates linearly between the order statistics of a sorted list.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	lo := int(at)
	hi := min(lo+1, len(sorted)-1)
	return sorted[lo] + (at-float64(lo))*(sorted[hi]-sorted[lo])
}
