package method

import (
	"pith/kernel"
	"pith/policy"
)

// windowScore is primitive P1, the score of SnapKV (arXiv 2404.14469, section 4.1) and of everything built on it: the attention that
// the last rows pay to each entry, pooled along positions so that the neighbours of what they look at come along.
//
//	s[h,j] = reduce over the group of  pool_κ( Σ_rows softmax(q·k/√d)[j] )     for j < n-W; the window itself is pinned
//
// The softmax runs over all n entries, causal inside the window. Averaging commutes with average pooling but not with max pooling:
// rows are reduced first, then pooled, then the group is reduced, as the reference implementations do.
// Cost: 2·QHeads·W·n·d operations a layer, W/n of the layer's attention, and W·n floats of scratch per query head.
type windowScore struct {
	window, kernel int
	sum            bool // rows and group are added, not averaged
	maxPool        bool
	maxGroup       bool
	sinks          int
}

// Signals implements policy.Scorer.
func (w *windowScore) Signals() policy.Signals { return policy.Signals{Window: w.window} }

// Pinned implements policy.Scorer: the window is kept. One that is larger than the budget shrinks to half of it, so that short
// prompts are safe.
func (w *windowScore) Pinned(l *policy.Layer) (sinks, recent int) { return w.sinks, w.rows(l) }

func (w *windowScore) rows(l *policy.Layer) int {
	n := min(w.window, l.Tokens)
	if n > l.Base {
		n = max(1, l.Base/2)
	}
	return n
}

// Score implements policy.Scorer.
func (w *windowScore) Score(l *policy.Layer) ([][]float32, error) {
	scores := make([][]float32, l.KVHeads)
	errs := make([]error, l.KVHeads)
	l.Do(l.KVHeads, func(h int) { scores[h], errs[h] = w.head(l, h) })
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return scores, nil
}

func (w *windowScore) head(l *policy.Layer, h int) ([]float32, error) {
	rows, g, n := w.rows(l), l.Group(), l.Tokens
	probs, err := l.WindowProbs(h, rows)
	if err != nil {
		return nil, err
	}
	score := make([]float32, n)
	seen := n - rows
	column, pooled := make([]float32, seen), make([]float32, seen)
	for i := range g {
		clear(column)
		for r := range rows {
			kernel.Add(column, probs[(r*g+i)*n:][:seen])
		}
		if !w.sum {
			kernel.Scale(column, 1/float32(rows))
		}
		pool(pooled, column, w.kernel, w.maxPool)
		if w.maxGroup {
			for j, p := range pooled {
				score[j] = max(score[j], p)
			}
		} else {
			kernel.Add(score[:seen], pooled)
		}
	}
	if !w.sum && !w.maxGroup {
		kernel.Scale(score[:seen], 1/float32(g))
	}
	return score, nil
}

// pool slides a window of k over x, stride 1, padded by k/2. Averages divide by k at the edges too, as the papers' code does.
func pool(dst, x []float32, k int, largest bool) {
	half := k / 2
	for j := range x {
		lo, hi := max(0, j-half), min(len(x), j-half+k)
		if largest {
			m := x[lo]
			for _, v := range x[lo+1 : hi] {
				m = max(m, v)
			}
			dst[j] = m
			continue
		}
		var sum float32
		for _, v := range x[lo:hi] {
			sum += v
		}
		dst[j] = sum / float32(k)
	}
}
