package kernel

// The steps of a tile in assembly; see attention_generic.go for the reference. Queries and keys are multiplied in register blocks
// of 8 rows x 8 keys, which needs the keys of a block transposed into panels, once for all tiles of a task; values are read
// where they lie.

var neonTile = attentionTile{tier: NEON, rows: 8, columns: 8, panel: 8}

func currentTile() *attentionTile {
	if CPU() >= NEON {
		return &neonTile
	}
	return &genericTile
}

func (t *attentionTile) packKeys(dst, keys []float32, n, d int) {
	if t.tier == Generic {
		packKeysGeneric(dst, keys, n, d)
		return
	}
	dst = dst[:keyBlock*d]
	keys = keys[:n*d]
	for j := 0; j < keyBlock; j += 8 {
		panel := dst[j*d : (j+8)*d]
		c := 0
		if j+8 <= n && d >= 4 {
			c = d &^ 3
			packOctetNEON(&panel[0], &keys[j*d], d/4, 4*d)
		}
		if c == d {
			continue
		}
		for i := range 8 {
			for k := c; k < d; k++ {
				var v float32
				if j+i < n {
					v = keys[(j+i)*d+k]
				}
				panel[8*k+i] = v
			}
		}
	}
}

func (t *attentionTile) scores(scores, q, keys []float32, d, kn int) {
	if t.tier == Generic {
		scoresGeneric(scores, q, keys, t.rows, d, kn)
		return
	}
	_, _, _ = scores[t.rows*keyBlock-1], q[t.rows*d-1], keys[keyBlock*d-1]
	scoresNEON(&scores[0], &q[0], &keys[0], d, (kn+7)/8)
}

func (t *attentionTile) tanh(scores []float32, scale float32) { tanhRow(scores, scale, 1) }

func (t *attentionTile) attend(out, scores, maxima, sums, values []float32, stride, kn, dv int, factor float32) {
	if t.tier == Generic {
		attendGeneric(out, scores, maxima, sums, values, t.rows, stride, kn, dv, factor)
		return
	}
	_, _, _ = out[t.rows*dv-1], scores[t.rows*keyBlock-1], values[(kn-1)*stride+dv-1]
	_, _ = maxima[t.rows-1], sums[t.rows-1]
	var shrink [8]float32
	softmaxTileNEON(&scores[0], &maxima[0], &sums[0], &shrink[0], factor)
	valuesTileNEON(&out[0], &scores[0], &values[0], &shrink[0], 4*stride, kn, dv)
}

func (t *attentionTile) addProbs(sums, scores, lse []float32, rows, step int, factor float32) {
	if t.tier == Generic {
		addProbsGeneric(sums, scores, lse, rows, step, factor)
		return
	}
	last := (rows - 1) * step
	_, _, _ = sums[keyBlock-1], scores[(last+1)*keyBlock-1], lse[last]
	addProbsNEON(&sums[0], &scores[0], &lse[0], rows, step, factor)
}

func (t *attentionTile) topLogs(best, scores, lse []float32, factor float32) {
	topLogsGeneric(best, scores, lse, factor)
}
