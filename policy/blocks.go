package policy

import "errors"

// blockwise decides a layer as if its entries came in blocks: the first B are there; each block is scored together with what is kept so
// far, and both are cut back to B. A score so sees at any time what a bounded cache would hold, and an entry once dropped never comes
// back. Windows are those of the newest rows of each block. The prefill's own attention still sees everything.
func (run *Run) blockwise(l *Layer) (Plan, error) {
	n, base := l.Tokens, min(run.base, l.Tokens)
	s := run.blank(l, run.recipe.Score)
	s.Scores = make([][]float32, l.KVHeads)
	heads := make([][]int32, l.KVHeads)
	for h := range heads {
		s.Scores[h] = make([]float32, n)
		heads[h] = append([]int32(nil), everything(1, base)[0]...)
	}
	for from := base; from < n; from += run.recipe.When.Block {
		to := min(from+run.recipe.When.Block, n)
		for h := range heads {
			for j := from; j < to; j++ {
				heads[h] = append(heads[h], int32(j))
			}
		}
		part := l.gather(heads, to)
		scored, err := run.score(part)
		if err != nil {
			return Plan{}, err
		}
		for h, values := range scored.Scores {
			for i, v := range values {
				s.Scores[h][heads[h][i]] = v // as last judged
			}
			kept := scored.Top(h, base)
			for i, at := range kept {
				heads[h][i] = heads[h][at]
			}
			heads[h] = heads[h][:len(kept)]
		}
	}
	if run.Observe != nil {
		run.Observe(s)
	}
	return Plan{Keep: []LayerKeep{{Layer: l.Index, Heads: heads, Final: true}}}, nil
}

// gather shows some entries of each head, equally many, as a layer whose newest row is the one before to. Positions differ between heads
// and are not shown.
func (l *Layer) gather(heads [][]int32, to int) *Layer {
	part := *l
	part.Tokens, part.Positions = len(heads[0]), nil
	part.ColumnSums, part.OutputNorms, part.HiddenRows, part.ProbeScores, part.Moments, part.AllQueries = nil, nil, nil, nil, nil, nil
	part.Masses = nil
	part.Keys, part.Values = make([][]float32, l.KVHeads), make([][]float32, l.KVHeads)
	d := l.HeadDim
	l.Do(l.KVHeads, func(h int) {
		keys, values := make([]float32, 0, part.Tokens*d), make([]float32, 0, part.Tokens*d)
		for _, j := range heads[h] {
			keys = append(keys, l.Keys[h][int(j)*d:int(j+1)*d]...)
			values = append(values, l.Values[h][int(j)*d:int(j+1)*d]...)
		}
		part.Keys[h], part.Values[h] = keys, values
	})
	part.LastQueries = nil
	if l.AllQueries != nil {
		width := l.QHeads * d
		part.LastQueries = l.AllQueries[max(0, to-part.Tokens)*width : to*width]
	}
	return &part
}

// checkBlocks refuses what cannot be decided block by block.
func (r *Recipe) checkBlocks() error {
	s := r.Score.Signals()
	switch {
	case r.Prober() != nil:
		return errors.New("a score that needs a second pass cannot be taken block by block")
	case s.Moments || s.OutputNorms || s.Hidden || s.Queries || s.Masses || s.Positions || s.ColumnSums:
		return errors.New("the score needs the whole prompt; block by block only keys, values and a window of queries are there")
	case r.Allocate != nil || r.Refine != nil || r.Select != nil || r.Propagate != nil || r.Rest != nil:
		return errors.New("block by block every head keeps single entries, as many as the others; nothing else can be decided")
	}
	return nil
}
