package acceptance

import (
	"math"
	"testing"

	"pith/engine"
	"pith/policy"
)

func TestSeed1FastKVAtRatesOfOneIsTheFullCache(t *testing.T) {
	e := real(t)
	prompt, feed, _ := window(t, e, 0, 500, 8)
	full, kept := at("full", policy.Budget{}), at("fastkv(rate=1)", percent(100))
	read(t, e, prompt, engine.PrefillOptions{}, len(feed), full)
	read(t, e, prompt, engine.PrefillOptions{}, len(feed), kept)
	want, err := e.Feed(full.seq, feed)
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Feed(kept.seq, feed)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		for j, v := range want[i] {
			if got[i][j] != v {
				t.Fatalf("row %d, token %d: logit %g, the full cache gives %g", i, j, got[i][j], v)
			}
		}
	}
}

// A tenth of the cache is a tenth of the entries in every lane, those of the window among them, also behind the layer from which on only a
// fifth of the rows go on.
func TestSeed1FastKVStoresItsShare(t *testing.T) {
	const n, newest, rate = 1000, 8, 0.1
	e := real(t)
	prompt, _, _ := window(t, e, 0, n, 1)
	c := at("fastkv(window=8,rate=0.2)", percent(10))
	read(t, e, prompt, engine.PrefillOptions{}, 1, c)
	for l := range e.Config().Layers {
		for h := range e.Config().KVHeads {
			kept := len(c.seq.Positions(l, h))
			if math.Abs(float64(kept)-rate*n) > newest {
				t.Fatalf("layer %d head %d keeps %d of %d entries", l, h, kept, n)
			}
		}
	}
	// Whole pages come on top: at most one for each stream of a lane.
	lanes := float64(e.Config().Layers * e.Config().KVHeads)
	share, ends := float64(c.seq.Bytes())/float64(c.seq.FullBytes()), lanes*2*4096/float64(c.seq.FullBytes())
	if share < rate-newest/float64(n)-ends || share > rate+newest/float64(n)+ends {
		t.Errorf("%.1f%% of the bytes are held, a tenth is asked for", 100*share)
	}
}

// What propagation does to the final states of the rows that all go on, seen through the output matrix, falls as it begins deeper. A shift of all
// logits of a row says nothing and is taken out.
func TestSeed1FastKVDeviatesLessTheDeeperItBegins(t *testing.T) {
	e := real(t)
	const prompts, n, window = 6, 700, 8
	var rows []int
	for r := n - window; r < n; r++ {
		rows = append(rows, r)
	}
	layers := e.Config().Layers
	deviation := map[int]float64{}
	for i := range prompts {
		prompt := tokens(t, e, book(), seeds[i%len(seeds)]+i/len(seeds)*n, n)
		states := func(c *cell) map[int][]float32 {
			p := read(t, e, prompt, engine.PrefillOptions{Logits: rows}, 1, c)
			defer c.seq.Close()
			return p.Out
		}
		full := states(at("full", policy.Budget{}))
		for _, layer := range []int{layers / 8, layers/2 - 1} {
			for r, logits := range states(at(spec("fastkv(layer=%d,rate=0.2)", layer), percent(20))) {
				deviation[layer] += variance(logits, full[r]) / (prompts * window)
			}
		}
	}
	early, middle := deviation[layers/8], deviation[layers/2-1]
	t.Logf("mean squared deviation of the logits: %.3f after layer %d, %.3f after layer %d", early, layers/8, middle, layers/2-1)
	if middle > early/2 {
		t.Errorf("%.3f after layer %d, %.3f after layer %d", middle, layers/2-1, early, layers/8)
	}
}

// variance is that of the differences of two rows.
func variance(a, b []float32) float64 {
	var sum, squares float64
	for i, v := range a {
		d := float64(v) - float64(b[i])
		sum += d
		squares += d * d
	}
	n := float64(len(a))
	return squares/n - sum/n*sum/n
}
