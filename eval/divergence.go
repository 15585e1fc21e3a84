package eval

import (
	"math"
	"runtime"
	"slices"
	"sync"

	"pith/engine"
)

// reference is what the full cache says about each position of a continuation.
type reference struct {
	logits [][]float32 // [position][Vocab]
	norm   []float64   // log Σ exp of each row
	top    []int
	next   []int32   // the true tokens
	losses []float64 // -log p of each
	nll    float64   // mean
}

func newReference(logits [][]float32, next []int32) *reference {
	n := len(logits)
	f := &reference{logits: logits, norm: make([]float64, n), top: make([]int, n), next: next}
	parallel(n, func(i int) {
		f.norm[i], f.top[i] = engine.LogSumExp(logits[i]), argmax(logits[i])
	})
	nll := make([]float64, n)
	for i, id := range next {
		nll[i] = f.norm[i] - float64(logits[i][id])
	}
	f.losses, f.nll = nll, mean(nll)
	return f
}

// distance is the mean absolute difference from another engine's log-likelihoods of the same positions, nil where they are not those.
func (f *reference) distance(others []float64) *float64 {
	if len(others) != len(f.losses) {
		return nil
	}
	var sum float64
	for i, v := range others {
		sum += math.Abs(v - f.losses[i])
	}
	return finite(sum / float64(len(others)))
}

// compare fills a row with the distance of another cache's logits from the reference's.
func (f *reference) compare(row *Row, got [][]float32) {
	n := len(got)
	kl, nll, same := make([]float64, n), make([]float64, n), make([]bool, n)
	parallel(n, func(i int) {
		norm := engine.LogSumExp(got[i])
		kl[i] = Divergence(f.logits[i], got[i], f.norm[i], norm)
		nll[i] = norm - float64(got[i][f.next[i]])
		same[i] = argmax(got[i]) == f.top[i]
	})
	var equal int
	for _, s := range same {
		if s {
			equal++
		}
	}
	slices.Sort(kl)
	row.Positions = n
	row.KLMean, row.KLMedian = finite(mean(kl)), finite(quantile(kl, 0.5))
	row.KLP99, row.KLMax = finite(quantile(kl, 0.99)), finite(kl[n-1])
	row.Top1 = finite(float64(equal) / float64(n))
	row.NLL, row.FullNLL, row.DNLL = finite(mean(nll)), finite(f.nll), finite(mean(nll)-f.nll)
}

// Divergence is Σ p (log p - log q) of two rows of logits with the given norms. It is at least 0, whatever rounding says.
func Divergence(p, q []float32, normP, normQ float64) float64 {
	var kl float64
	shift := normQ - normP
	for t, l := range p {
		l := float64(l)
		kl += math.Exp(l-normP) * (l - float64(q[t]) + shift)
	}
	return max(kl, 0)
}

func argmax(x []float32) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}

// finite keeps figures that JSON cannot hold out of rows: they are left out.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// parallel runs f(0..n-1) on as many goroutines as the process may use. Each call writes memory of its own.
func parallel(n int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}
