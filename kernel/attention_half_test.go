package kernel

import (
	"math"
	"testing"

	"pith/quant"
)

func roundedToBF16(x []float32) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = quant.BF16ToF32(quant.F32ToBF16(v))
	}
	return y
}

// A scratch that was left full of infinities gives the bits of a fresh one: what a block does not fill is not read.
func TestAttentionRowsForgetTheLastCall(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		for n, c := range attentionCases {
			a, q, qStride := c.setup(uint64(n))
			a.BF16 = n%4 != 3
			last := *a
			last.First, last.Lo = keyBlock, nil
			last.Keys, last.Values = make([]float32, 2*keyBlock*c.d), make([]float32, 2*keyBlock*c.d)
			for i := range last.Keys {
				last.Keys[i], last.Values[i] = float32(math.Inf(1)), float32(math.Inf(1))
			}
			last.LSE = nil
			s := NewAttentionScratch()
			last.Rows(make([]float32, keyBlock*c.group*c.d), last.Keys, c.group*c.d, 0, keyBlock, s)
			got, want := make([]float32, c.rows*c.group*c.d), make([]float32, c.rows*c.group*c.d)
			a.Rows(want, q, c.group*c.d, qStride, c.rows, NewAttentionScratch())
			a.Rows(got, q, c.group*c.d, qStride, c.rows, s)
			sameBits(t, c.String(), got, want)
		}
	})
}

// The products are those of the rounded numbers: a dense computation in f64 on rounded queries, keys and values differs by f32's own errors
// in the scores, and by the rounding of each weight, half a unit of 2^-7, in the result.
func TestAttentionRowsInBF16(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		s := NewAttentionScratch()
		for _, c := range attentionCases {
			if c.d%32 != 0 {
				continue
			}
			a, q, qStride := c.setup(7)
			a.BF16 = true
			if !a.tile().half() {
				continue // the tests of f32 cover it
			}
			a.LSE = make([]float32, c.rows*c.group)
			out := make([]float32, c.rows*c.group*c.d)
			a.Rows(out, q, c.group*c.d, qStride, c.rows, s)
			dense := *a
			dense.Keys, dense.Values = roundedToBF16(a.Keys), roundedToBF16(a.Values)
			rounded := roundedToBF16(q)
			tol := c.tolerance()
			for i := range c.rows {
				for g := range c.group {
					p, lse, want := dense.naiveRow(rounded[i*qStride+g*c.d:][:c.d], i)
					if d := math.Abs(float64(a.LSE[i*c.group+g]) - lse); d > 1e-5*max(1, math.Abs(lse)) {
						t.Fatalf("%s: row %d head %d: log-sum-exp %g, want %g", c, i, g, a.LSE[i*c.group+g], lse)
					}
					for ch, w := range want {
						var mass float64
						for j := range p {
							mass += p[j] * math.Abs(float64(dense.Values[j*c.d+ch]))
						}
						if d := math.Abs(float64(out[(i*c.group+g)*c.d+ch]) - w); d > (0x1p-8+2*tol)*mass+1e-6 {
							t.Fatalf("%s: row %d head %d channel %d: %g, want %g", c, i, g, ch, out[(i*c.group+g)*c.d+ch], w)
						}
					}
				}
			}
		}
	})
}
