package kernel

import "pith/quant"

var (
	bf16Tile = attentionTile{tier: BF16, rows: 12, columns: 32, panel: 32}
	amxTile  = attentionTile{tier: AMX, rows: 32, tiles: amxTiles, columns: 32, panel: 32}
)

// amxTiles is the number of tiles that share a configuration of the tile registers; the scores of four and their weights take 48 KiB.
// A call multiplies them with 64 keys in some d*16 cycles, microseconds.
const amxTiles = 4

// halfTile is the tile that multiplies bf16, nil where the tier has none.
func halfTile() *attentionTile {
	switch t := CPU(); {
	case t >= AMX:
		return &amxTile
	case t >= BF16:
		return &bf16Tile
	}
	return nil
}

// loadQueries rounds the queries that the scratch holds.
func (h *halfBlock) loadQueries(q []float32) { narrowBF16(&h.q[0], &q[0], len(q)) }

// load rounds n keys and values of d channels, and puts zeros where a panel of keys, a pair of values or a panel of pairs has no more: a
// weight is 0 there, but what an earlier block left behind may be infinite.
func (h *halfBlock) load(keys, values []float32, n, d int) {
	h.loadKeys(keys, n, d)
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
	clear(h.values[(n+1)/2*d : roundUp(n, halfPanel)/2*d])
}

// halfPanel is the number of keys of a panel, and of pairs of values.
const halfPanel = 32

// loadKeys is the part of load that products of queries and keys need.
func (h *halfBlock) loadKeys(keys []float32, n, d int) {
	const panel = halfPanel
	narrowBF16(&h.rows[0], &keys[:n*d][0], n*d)
	clear(h.rows[n*d/2 : roundUp(n, panel)*d/2])
	k := kernels()
	for j := 0; j < roundUp(n, panel); j += 16 {
		to := j/panel*panel*d/2 + j%panel
		k.transpose(&h.keys[to], 4*panel, &h.rows[j*d/2], 2*d, d/2)
	}
}

// scoresHalf multiplies the rows [r, to), whole tiles and no more than a step takes.
func (t *attentionTile) scoresHalf(scores []float32, h *halfBlock, r, to, d, kn int) {
	_, _ = scores[(to-r)*keyBlock-1], h.q[to*d/2-1]
	panels := (kn + t.panel - 1) / t.panel
	if t.tier == AMX {
		scoresAMX(&scores[0], &h.q[r*d/2], &h.keys[0], d, panels, (to-r)/t.rows)
		return
	}
	scoresBF16(&scores[0], &h.q[r*d/2], &h.keys[0], d, panels)
}

func (t *attentionTile) attendHalf(out, scores, maxima, sums []float32, h *halfBlock, kn, dv int, factor float32) {
	rows := len(maxima)
	_, _, _ = out[rows*dv-1], scores[rows*keyBlock-1], sums[rows-1]
	if t.tier == AMX {
		var shrink [amxTiles * 32]float32
		for r := 0; r < rows; r += 16 {
			softmaxTile16BF16(&h.weights[r*keyBlock/2], &scores[r*keyBlock], &maxima[r], &sums[r], &shrink[r], factor)
		}
		valuesTileAMX(&out[0], &h.weights[0], &h.values[0], &shrink[0], (kn+t.panel-1)/t.panel, dv, rows/t.rows)
		return
	}
	var shrink [16]float32
	softmaxTileBF16(&h.weights[0], &scores[0], &maxima[0], &sums[0], &shrink[0], factor)
	valuesTileBF16(&out[0], &h.weights[0], &h.values[0], &shrink[0], (kn+1)/2, dv)
}
