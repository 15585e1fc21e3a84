package kernel

// The steps of a tile in assembly; see attention_generic.go for the reference. Queries and keys are multiplied in
// register blocks of rows x 2 vectors, which needs the keys of a block transposed into panels, once for all tiles of a
// task; values are read where they lie.

var (
	avx2Tile   = attentionTile{tier: AVX2, rows: 6, columns: 16, panel: 16}
	avx512Tile = attentionTile{tier: AVX512, rows: 12, columns: 32, panel: 32}
)

func currentTile() *attentionTile {
	switch t := CPU(); {
	case t >= AVX512:
		return &avx512Tile
	case t >= AVX2:
		return &avx2Tile
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
		panel := dst[j/t.panel*t.panel*d+j%t.panel:]
		c := 0
		if j+8 <= n && d >= 8 {
			c = d &^ 7
			packOctetAVX2(&panel[0], &keys[j*d], d/8, 4*d, 4*t.panel)
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
				panel[k*t.panel+i] = v
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
	panels := (kn + t.panel - 1) / t.panel
	if t.tier == AVX2 {
		scoresAVX2(&scores[0], &q[0], &keys[0], d, panels)
	} else {
		scoresAVX512(&scores[0], &q[0], &keys[0], d, panels)
	}
}

func (t *attentionTile) tanh(scores []float32, scale float32) { tanhRow(scores, scale, 1) }

func (t *attentionTile) attend(out, scores, maxima, sums, values []float32, stride, kn, dv int, factor float32) {
	if t.tier == Generic {
		attendGeneric(out, scores, maxima, sums, values, t.rows, stride, kn, dv, factor)
		return
	}
	_, _, _ = out[t.rows*dv-1], scores[t.rows*keyBlock-1], values[(kn-1)*stride+dv-1]
	_, _ = maxima[t.rows-1], sums[t.rows-1]
	var shrink [16]float32
	if t.tier == AVX2 {
		softmaxTileAVX2(&scores[0], &maxima[0], &sums[0], &shrink[0], factor)
		valuesTileAVX2(&out[0], &scores[0], &values[0], &shrink[0], 4*stride, kn, dv)
	} else {
		softmaxTileAVX512(&scores[0], &maxima[0], &sums[0], &shrink[0], factor)
		valuesTileAVX512(&out[0], &scores[0], &values[0], &shrink[0], 4*stride, kn, dv)
	}
}

func (t *attentionTile) addProbs(sums, scores, lse []float32, rows, step int, factor float32) {
	if t.tier == Generic {
		addProbsGeneric(sums, scores, lse, rows, step, factor)
		return
	}
	last := (rows - 1) * step
	_, _, _ = sums[keyBlock-1], scores[(last+1)*keyBlock-1], lse[last]
	if t.tier == AVX2 {
		addProbsAVX2(&sums[0], &scores[0], &lse[0], rows, step, factor)
	} else {
		addProbsAVX512(&sums[0], &scores[0], &lse[0], rows, step, factor)
	}
}

func (t *attentionTile) topLogs(best, scores, lse []float32, factor float32) {
	if t.tier == Generic {
		topLogsGeneric(best, scores, lse, factor)
		return
	}
	_, _, _ = best[keyBlock-1], scores[len(lse)*keyBlock-1], lse[0]
	if t.tier == AVX2 {
		topLogsAVX2(&best[0], &scores[0], &lse[0], len(lse), factor)
	} else {
		topLogsAVX512(&best[0], &scores[0], &lse[0], len(lse), factor)
	}
}
