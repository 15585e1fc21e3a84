package kernel

import "testing"

// TestBlocksTogetherEqualBlocksAlone compares products with blocks that lie apart, more than one call takes, with those of single blocks in
// portable code.
func TestBlocksTogetherEqualBlocksAlone(t *testing.T) {
	const gap, stride = 100, 2000
	for _, f := range groupFormats {
		for _, d := range []int{13, 64, 128, 264} {
			for _, count := range []int{2, 19} {
				for _, g := range []int{1, 2, 3, 4, 6} {
					if count > 2 && g != 3 {
						continue
					}
					r := newRand(uint64(d*count + g))
					slots := f.slots()
					q, w := normals(r, g*d, 1), normals(r, g*stride, 1)
					keyStep, valueStep := f.KeyBytes(d)+gap, f.ValueBytes(d)+gap
					keys, values := make([]byte, count*keyStep), make([]byte, count*valueStep)
					scores, sums := make([]float32, g*stride), normals(r, g*d, 1)
					acc := append([]float32(nil), sums...)
					restore := Force(Generic)
					for i := range count {
						k, v := keys[i*keyStep:], values[i*valueStep:]
						EncodeGroupK(k[:f.KeyBytes(d)], normals(r, f.Group*d, 1), f.Group, d, f)
						EncodeGroupV(v[:f.ValueBytes(d)], normals(r, slots*d, 1), slots, d, f)
						DotBlockK(scores[i*f.Group:], stride, q, k, g, f.Group, d, f)
						AccumulateGroupV(sums, w[i*slots:], stride, v, g, slots, d, f)
					}
					restore()
					eachTier(t, func(t *testing.T) {
						got, gotSums := make([]float32, g*stride), append([]float32(nil), acc...)
						DotBlocksK(got, stride, q, keys, keyStep, count, g, d, f)
						AccumulateBlocksV(gotSums, w, stride, values, valueStep, count, g, d, f)
						sameBits(t, f.String()+" dot", got, scores)
						sameBits(t, f.String()+" sum", gotSums, sums)
					})
				}
			}
		}
	}
}
