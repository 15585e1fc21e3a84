package kernel

import "math"

// ColumnSums adds to dst[g*stride+j], for the 64 keys j of block number block, the probability that each of the rows
// gives to key j in query head g of the group, exp(score - LSE), rows in ascending order. It is the second pass of
// scores that sum over columns of the attention matrix: a.LSE holds the log-sum-exps of the rows, as Rows wrote them;
// First, Lo and Sinks have the same meaning as there. Sums are taken over runs of rows that end where First+i+1 is a
// multiple of 64, and the runs are added to dst: calls for chunks of a multiple of 64 rows give the same bits as one call
// for all of them. One call is one task; distinct blocks write distinct elements.
func (a *Attention) ColumnSums(dst []float32, stride int, q []float32, qStride, rows, block int, s *AttentionScratch) {
	kb := block * keyBlock
	n := min(keyBlock, len(a.Keys)/a.HeadDim-kb)
	if rows <= 0 || n <= 0 {
		return
	}
	d := a.HeadDim
	t := currentTile()
	s.grow(t, keyBlock*a.Group, d, a.Group)
	t.packKeys(s.keys, a.Keys[kb*d:(kb+n)*d], n, d)
	factor, tanhScale := a.unit()
	clear(s.sums)
	for i := 0; i < rows; {
		run := min(keyBlock-(a.First+i)%keyBlock, rows-i)
		if kn, _ := a.tileSees(i, i+run-1, kb); kn > 0 {
			s.loadQueries(q[i*qStride:], qStride, run, a.Group, d)
			a.sumRun(t, s, i, run, kb, factor, tanhScale)
			for g := range a.Group {
				addRow(dst[g*stride+kb:g*stride+kb+n], s.sums[g*keyBlock:g*keyBlock+n])
			}
			clear(s.sums)
		}
		i += run
	}
}

// sumRun adds the probabilities of the rows first..first+run-1, whose queries are in the scratch, to s.sums.
func (a *Attention) sumRun(t *attentionTile, s *AttentionScratch, first, run, kb int, factor, tanhScale float32) {
	d, m := a.HeadDim, run*a.Group
	for r := 0; r < m; r += t.rows {
		last := min(r+t.rows, m) - 1
		kn, whole := a.tileSees(first+r/a.Group, first+last/a.Group, kb)
		if kn == 0 {
			continue
		}
		t.scores(s.scores, s.q[r*d:(r+t.rows)*d], s.keys, d, kn)
		if tanhScale != 0 {
			t.tanh(s.scores, tanhScale)
		}
		if !whole {
			a.mask(s.scores, first*a.Group+r, last+1-r, kb)
		}
		lse := s.max[r : last+1]
		for k := range lse {
			// A row that sees nothing has no sum; its masked scores must not meet minus infinity.
			lse[k] = max(a.LSE[first*a.Group+r+k]*log2E, -math.MaxFloat32)
		}
		for k := range min(a.Group, len(lse)) {
			g := (r + k) % a.Group
			rows := (len(lse) - k + a.Group - 1) / a.Group
			t.addProbs(s.sums[g*keyBlock:(g+1)*keyBlock], s.scores[k*keyBlock:], lse[k:], rows, a.Group, factor)
		}
	}
}

// TopProbs raises best[j], for the len(Keys)/HeadDim keys j, to the logarithm to base 2 of the largest probability that any query head of the rows
// which see the key gives it, exp(score - LSE). It is the second pass of scores that look for the one strong look among all: a.LSE holds the
// log-sum-exps of the rows, as Rows wrote them, which may have seen more keys than these; Lo, Sinks and BF16 have the same meaning as there, First too,
// and may be negative: rows see fewer keys then, or none. One call is one task, and its cost 2·d operations a score: no exponential is taken.
func (a *Attention) TopProbs(best, q []float32, qStride, rows int, s *AttentionScratch) {
	if rows <= 0 {
		return
	}
	d, m := a.HeadDim, rows*a.Group
	t := a.tile()
	half := a.begin(t, q, qStride, rows, s)
	lse := s.max[:m]
	for r := range lse { // a row that sees nothing: see sumRun
		lse[r] = max(a.LSE[r]*log2E, -math.MaxFloat32)
	}
	factor, tanhScale := a.unit()
	end := min(a.First+rows, len(a.Keys)/d)
	for kb := a.nextBlock(0, rows); kb < end; kb = a.nextBlock(kb+keyBlock, rows) {
		n := min(keyBlock, end-kb)
		if half {
			s.half.loadKeys(a.Keys[kb*d:], n, d)
		} else {
			t.packKeys(s.keys, a.Keys[kb*d:(kb+n)*d], n, d)
		}
		top := s.sums[:keyBlock]
		fillNegInf(top)
		for r := 0; r < m; r += t.step() {
			to := min(r+t.step(), len(s.max))
			if a.tileScores(t, s, r, to, m, kb, half, tanhScale) == 0 {
				continue
			}
			t.topLogs(top, s.scores, lse[r:min(to, m)], factor)
		}
		for j, v := range top[:n] {
			best[kb+j] = max(best[kb+j], v)
		}
	}
}

// WindowProbs writes the probabilities of rows query rows over all nk = len(Keys)/HeadDim keys, zeros where a key is
// not visible: dst[(i*Group+g)*nk:]. Scores are computed first, then each row's softmax in two passes. It is meant for the
// few rows of a window score.
func (a *Attention) WindowProbs(dst []float32, q []float32, qStride, rows int, s *AttentionScratch) {
	if rows <= 0 {
		return
	}
	d, m, nk := a.HeadDim, rows*a.Group, len(a.Keys)/a.HeadDim
	t := currentTile()
	s.grow(t, m, d, a.Group)
	s.loadQueries(q, qStride, rows, a.Group, d)
	for kb := 0; kb < nk; kb += keyBlock {
		n := min(keyBlock, nk-kb)
		t.packKeys(s.keys, a.Keys[kb*d:(kb+n)*d], n, d)
		for r := 0; r < m; r += t.rows {
			last := min(r+t.rows, m) - 1
			t.scores(s.scores, s.q[r*d:(r+t.rows)*d], s.keys, d, n)
			a.mask(s.scores, r, last+1-r, kb)
			for k := range last + 1 - r {
				copy(dst[(r+k)*nk+kb:(r+k)*nk+kb+n], s.scores[k*keyBlock:])
			}
		}
	}
	for r := range m {
		row := dst[r*nk : (r+1)*nk]
		scaleRow(row, a.Scale)
		if a.SoftCap > 0 {
			a.capVisible(row, r/a.Group)
		}
		softmaxRow(row, 1)
	}
}

// capVisible caps the scores that row i sees; the others stay at minus infinity.
func (a *Attention) capVisible(row []float32, i int) {
	hi := min(max(a.First+i+1, 0), len(row))
	lo := min(max(a.lo(i), 0), hi)
	SoftCap(row[:min(a.Sinks, lo)], a.SoftCap)
	SoftCap(row[lo:hi], a.SoftCap)
}
