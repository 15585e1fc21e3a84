package policy

import "math"

// Unrotated returns the keys of KV head h as they were before rotary embedding, [Tokens*HeadDim] in memory of its own: each is turned
// back from the position where it stands. A score that calls it asks for the signal Positions.
func (l *Layer) Unrotated(h int) []float32 {
	keys := append([]float32(nil), l.Keys[h]...)
	scale := float64(l.Rotation.Scale)
	if scale == 0 {
		scale = 1
	}
	d := l.HeadDim
	for i, f := range l.Rotation.InvFreq {
		a, b := l.Rotation.Pair(i)
		for j, p := range l.Positions {
			sin, cos := math.Sincos(float64(p) * float64(f))
			key := keys[j*d : (j+1)*d]
			ka, kb := float64(key[a])/scale, float64(key[b])/scale
			key[a] = float32(ka*cos + kb*sin)
			key[b] = float32(kb*cos - ka*sin)
		}
	}
	return keys
}

// Slice shows entries [from, to) of a layer as a layer of their own. What is known of the whole layer only (column sums, masses, norms, what a
// probe left, statistics) is not shown.
func (l *Layer) Slice(from, to int) *Layer {
	part := *l
	part.Tokens, part.Base = to-from, min(l.Base, to-from)
	part.ColumnSums, part.OutputNorms, part.ProbeScores, part.Moments, part.made = nil, nil, nil, nil, nil
	part.Masses = nil
	part.Keys, part.Values = make([][]float32, l.KVHeads), make([][]float32, l.KVHeads)
	d := l.HeadDim
	for h := range l.Keys {
		part.Keys[h], part.Values[h] = l.Keys[h][from*d:to*d], l.Values[h][from*d:to*d]
	}
	width := l.QHeads * d
	part.LastQueries = nil
	if l.AllQueries != nil {
		part.AllQueries = l.AllQueries[from*width : to*width]
		part.LastQueries = part.AllQueries
	} else if to == l.Tokens && len(l.LastQueries) > 0 {
		part.LastQueries = l.LastQueries[max(0, len(l.LastQueries)-(to-from)*width):]
	}
	if l.Positions != nil {
		part.Positions = l.Positions[from:to]
	}
	if l.HiddenRows != nil {
		dim := len(l.HiddenRows) / l.Tokens
		part.HiddenRows = l.HiddenRows[from*dim : to*dim]
	}
	return &part
}
