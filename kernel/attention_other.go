//go:build !amd64 && !arm64

package kernel

func currentTile() *attentionTile { return &genericTile }

func (t *attentionTile) packKeys(dst, keys []float32, n, d int) { packKeysGeneric(dst, keys, n, d) }

func (t *attentionTile) scores(scores, q, keys []float32, d, kn int) {
	scoresGeneric(scores, q, keys, t.rows, d, kn)
}

func (t *attentionTile) tanh(scores []float32, scale float32) { tanhRowGeneric(scores, scale, 1) }

func (t *attentionTile) attend(out, scores, maxima, sums, values []float32, stride, kn, dv int, factor float32) {
	attendGeneric(out, scores, maxima, sums, values, t.rows, stride, kn, dv, factor)
}

func (t *attentionTile) addProbs(sums, scores, lse []float32, rows, step int, factor float32) {
	addProbsGeneric(sums, scores, lse, rows, step, factor)
}

func (t *attentionTile) topLogs(best, scores, lse []float32, factor float32) {
	topLogsGeneric(best, scores, lse, factor)
}
