package kernel

import "pith/quant"

var bf16Tile = attentionTile{tier: BF16, rows: 12, columns: 32, panel: 32}

// halfTile is the tile that multiplies bf16, nil where the tier has none.
func halfTile() *attentionTile {
	if CPU() >= BF16 {
		return &bf16Tile
	}
	return nil
}

// loadQueries rounds the queries that the scratch holds.
func (h *halfBlock) loadQueries(q []float32) { narrowBF16(&h.q[0], &q[0], len(q)) }

// load rounds n keys and values of d channels, and puts zeros where a panel of keys or a pair of values has no more.
func (h *halfBlock) load(keys, values []float32, n, d int) {
	const panel = 32
	narrowBF16(&h.rows[0], &keys[:n*d][0], n*d)
	clear(h.rows[n*d/2 : roundUp(n, panel)*d/2])
	k := kernels()
	for j := 0; j < roundUp(n, panel); j += 16 {
		to := j/panel*panel*d/2 + j%panel
		k.transpose(&h.keys[to], 4*panel, &h.rows[j*d/2], 2*d, d/2)
	}
	values = values[:n*d]
	for j := 0; j+2 <= n; j += 2 {
		pairValuesBF16(&h.values[j/2*d], &values[j*d], &values[(j+1)*d], d)
	}
	if n%2 == 1 {
		last := values[(n-1)*d:]
		for c, v := range last {
			h.values[n/2*d+c] = uint32(quant.F32ToBF16(v))
		}
	}
}

func (t *attentionTile) scoresHalf(scores []float32, h *halfBlock, r, d, kn int) {
	_, _ = scores[t.rows*keyBlock-1], h.q[(r+t.rows)*d/2-1]
	scoresBF16(&scores[0], &h.q[r*d/2], &h.keys[0], d, (kn+t.panel-1)/t.panel)
}

func (t *attentionTile) attendHalf(out, scores, maxima, sums []float32, h *halfBlock, kn, dv int, factor float32) {
	_, _ = out[t.rows*dv-1], scores[t.rows*keyBlock-1]
	_, _ = maxima[t.rows-1], sums[t.rows-1]
	var shrink [16]float32
	softmaxTileBF16(&h.weights[0], &scores[0], &maxima[0], &sums[0], &shrink[0], factor)
	valuesTileBF16(&out[0], &h.weights[0], &h.values[0], &shrink[0], (kn+1)/2, dv)
}
