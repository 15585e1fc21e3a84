package eval

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"reflect"
	"testing"

	"pith/engine"
)

func TestFullCacheHasNoDistanceFromItself(t *testing.T) {
	r, rows := testRunner(t, testEngine(t), []string{"full", "snapkv(window=8,kernel=5)", "q8", "quest"}, []string{"100%", "25%"})
	if err := r.Run(context.Background(), Fidelity{Windows: randomWindows(2, 300, 20)}); err != nil {
		t.Fatal(err)
	}
	if len(*rows) != 2*6 {
		t.Fatalf("%d rows, want 12", len(*rows))
	}
	for _, row := range *rows {
		switch row.KV + row.Keep {
		case "full", "snapkv(window=8,kernel=5)100%":
			if *row.KLMax != 0 || *row.Top1 != 1 || *row.DNLL != 0 || row.KVBytes != row.FullBytes {
				t.Errorf("%s %s: KL %g, top-1 %g, %d of %d bytes", row.KV, row.Keep, *row.KLMax, *row.Top1, row.KVBytes, row.FullBytes)
			}
		case "quest100%": // fed token by token, as the full cache that it is compared with
			if *row.KLMax != 0 || *row.Top1 != 1 || *row.DNLL != 0 {
				t.Errorf("%s %s: KL %g, top-1 %g", row.KV, row.Keep, *row.KLMax, *row.Top1)
			}
		case "quest25%":
			if *row.KLMean < 0.001 || row.KVBytes <= row.FullBytes {
				t.Errorf("%s %s: KL %g, %d of %d bytes", row.KV, row.Keep, *row.KLMean, row.KVBytes, row.FullBytes)
			}
		case "q8":
			if *row.KLMean <= 0 || *row.KLMean > 0.05 || row.KVBytes >= row.FullBytes/2 {
				t.Errorf("q8: KL %g, %d of %d bytes", *row.KLMean, row.KVBytes, row.FullBytes)
			}
		default:
			if *row.KLMean < 0.001 || row.KVBytes >= row.FullBytes/2 || *row.KLP99 > *row.KLMax || *row.KLMedian > *row.KLP99 {
				t.Errorf("%s %s: %s", row.KV, row.Keep, encode(row))
			}
		}
		if row.Positions != 20 || row.Tokens != 300 || row.TokensPerSecond <= 0 || row.FirstToken <= 0 || row.Shared != 8 {
			t.Errorf("costs: %s", encode(row))
		}
		if (*row.Window == 0) != (row.Kept != nil) {
			t.Errorf("window %d: entries kept: %v", *row.Window, row.Kept)
		}
	}
}

// TestSharingChangesNoFigure compares rows of one pass with those of a pass for each case.
func TestSharingChangesNoFigure(t *testing.T) {
	e := testEngine(t)
	specs := []string{"snapkv(window=8,kernel=5)", "streamingllm", "kvzip(chunk=64)", "tsp(layer=1,rate=0.5)+snapkv(window=8,kernel=5)", "expected(sinks=4)+adakv"}
	task := Fidelity{Windows: randomWindows(1, 200, 16)}
	together, all := testRunner(t, e, specs, []string{"50%", "20%"})
	if err := together.Run(context.Background(), task); err != nil {
		t.Fatal(err)
	}
	for _, row := range *all {
		single, one := testRunner(t, e, []string{row.KV}, []string{row.Keep})
		single.Memory = 1 // every case by itself, whatever it needs
		if err := single.Run(context.Background(), task); err != nil {
			t.Fatal(err)
		}
		got := (*one)[0]
		if *got.KLMean != *row.KLMean || *got.NLL != *row.NLL || got.KVBytes != row.KVBytes {
			t.Errorf("%s %s: KL %g and %d bytes alone, %g and %d together", row.KV, row.Keep, *got.KLMean, got.KVBytes, *row.KLMean, row.KVBytes)
		}
	}
}

func TestDivergenceIsThatOfTheFormula(t *testing.T) {
	p, q := []float32{1, 2, 3, -1}, []float32{0.5, 2.5, 1, 0}
	var zp, zq, want float64
	for i := range p {
		zp += math.Exp(float64(p[i]))
		zq += math.Exp(float64(q[i]))
	}
	for i := range p {
		a, b := math.Exp(float64(p[i]))/zp, math.Exp(float64(q[i]))/zq
		want += a * math.Log(a/b)
	}
	if got := Divergence(p, q, engine.LogSumExp(p), engine.LogSumExp(q)); math.Abs(got-want) > 1e-12 {
		t.Errorf("%g, want %g", got, want)
	}
}

// TestKilledRunResumesWithoutLoss interrupts a run after every number of rows and continues it.
func TestKilledRunResumesWithoutLoss(t *testing.T) {
	e := testEngine(t)
	specs, keeps := []string{"full", "snapkv(window=8,kernel=5)", "kvzip(chunk=64)"}, []string{"50%", "25%"}
	tasks := []Task{Fidelity{Windows: randomWindows(2, 120, 8)}, Perplexity{Windows: randomWindows(1, 120, 8)}}
	whole, want := testRunner(t, e, specs, keeps)
	if err := whole.Run(context.Background(), tasks...); err != nil {
		t.Fatal(err)
	}
	killed := errors.New("killed")
	for stop := 0; stop < len(*want); stop += 2 {
		dir := t.TempDir()
		for attempt := 0; ; attempt++ {
			j, err := OpenJournal(dir)
			if err != nil {
				t.Fatal(err)
			}
			r, _ := testRunner(t, e, specs, keeps)
			n := 0
			r.Done = j.Done
			r.Emit = func(row Row) error {
				if attempt == 0 && n == stop {
					return killed
				}
				n++
				return j.Append(row)
			}
			err = r.Run(context.Background(), tasks...)
			j.Close()
			if attempt == 0 {
				if !errors.Is(err, killed) {
					t.Fatalf("the run that is to be killed after %d rows: %v", stop, err)
				}
				tear(t, dir)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if n != len(*want)-stop {
				t.Errorf("killed after %d rows: %d made again, want %d", stop, n, len(*want)-stop)
			}
			break
		}
		rows, err := ReadRows(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := figures(rows), figures(*want); !reflect.DeepEqual(got, want) {
			t.Errorf("killed after %d rows: the rows differ", stop)
		}
	}
}

// tear leaves half a line at the end of a journal's file, as a process does that is killed while it writes.
func tear(t *testing.T, dir string) {
	f, err := os.OpenFile(dir+"/fidelity.jsonl", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(`{"task":"fidelity","kv":"fu`); err != nil {
		t.Fatal(err)
	}
}

// figures are what must not depend on when and how rows were made.
func figures(rows []Row) map[string][2]float64 {
	m := map[string][2]float64{}
	for _, r := range rows {
		kl := 0.0
		if r.KLMean != nil {
			kl = *r.KLMean
		}
		m[r.identity()] = [2]float64{kl, *r.NLL}
	}
	return m
}

// TestLogLikelihoodsEqualTheReference compares the full cache with an independent implementation, position by position.
func TestLogLikelihoodsEqualTheReference(t *testing.T) {
	windows, err := ReadWindows(shared(t, "kv/B_windows.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		exact   bool
		windows int
		limit   float64
	}{{true, 1, 0.002}, {false, len(windows), 0.05}} {
		e := realModel(t, "smol", engine.Options{Exact: c.exact})
		var mean, worst float64
		for _, w := range windows[:c.windows] {
			off := distances(t, e, w)
			for _, d := range off {
				mean, worst = mean+d/float64(len(off)*c.windows), max(worst, d)
			}
		}
		t.Logf("exact=%v: mean |difference| %.6f, largest %.5f", c.exact, mean, worst)
		if mean > c.limit {
			t.Errorf("exact=%v: mean |difference| %.5f, at most %g", c.exact, mean, c.limit)
		}
	}
}

// distances are those of the full cache's log-likelihoods from the ones that came with a window.
func distances(t *testing.T, e *engine.Engine, w Window) []float64 {
	t.Helper()
	if len(w.FullNLL) != len(w.Continuation)-1 {
		t.Fatalf("%d log-likelihoods for %d tokens", len(w.FullNLL), len(w.Continuation))
	}
	s, err := e.NewSequence(nil, fullCase().budget, len(w.Context)+len(w.Continuation))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, err := e.NewPrefill(w.Context, engine.PrefillOptions{}, s)
	if err == nil {
		err = p.Run(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	logits, err := e.Feed(s, w.Continuation[:len(w.Continuation)-1])
	if err != nil {
		t.Fatal(err)
	}
	off := make([]float64, len(logits))
	for i, row := range logits {
		off[i] = math.Abs(engine.LogSumExp(row) - float64(row[w.Continuation[i+1]]) - w.FullNLL[i])
	}
	return off
}

func TestRowsAreFlatJSON(t *testing.T) {
	window := 0
	row := Row{Key: Key{Task: TaskFidelity, KV: "snapkv", Keep: "25%", Window: &window, Origin: Origin{Digest: "d"}}, KLMean: finite(0.5), KLP99: finite(math.NaN())}
	var got map[string]any
	if err := json.Unmarshal([]byte(encode(row)), &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"task": "fidelity", "kv": "snapkv", "keep": "25%", "window": 0.0, "kl_mean": 0.5, "digest": "d", "kv_bytes": 0.0} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	for _, key := range []string{"kl_p99", "sample", "ok"} {
		if _, there := got[key]; there {
			t.Errorf("%s is there", key)
		}
	}
}
