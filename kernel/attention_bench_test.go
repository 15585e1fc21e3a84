package kernel

import (
	"fmt"
	"testing"
)

// benchTiers runs f on every vector tier that has kernels of its own.
func benchTiers(b *testing.B, f func(b *testing.B)) {
	for _, tier := range Tiers() {
		if tier == Generic || tier == VNNI || tier == DotProd {
			continue
		}
		b.Run(tier.String(), func(b *testing.B) {
			defer Force(tier)()
			f(b)
		})
	}
}

// reportFLOP reports a rate and its share of the core's measured peak.
func reportFLOP(b *testing.B, perOp float64) {
	rate := perOp * float64(b.N) / float64(b.Elapsed().Nanoseconds())
	b.ReportMetric(rate, "GFLOP/s")
	if peak := PeakFMA(); peak > 0 {
		b.ReportMetric(100*rate/peak, "%peak")
	}
}

// BenchmarkAttentionRows counts 4 operations for each visible pair of a query and a key and each channel; masked halves of
// diagonal blocks count as nothing.
func BenchmarkAttentionRows(b *testing.B) {
	for _, c := range []attentionCase{
		{d: 64, group: 3, nk: 512, rows: 64},
		{d: 64, group: 3, nk: 8192, rows: 64},
		{d: 64, group: 1, nk: 8192, rows: 64},
		{d: 64, group: 4, nk: 8192, rows: 64},
		{d: 128, group: 4, nk: 8192, rows: 64},
		{d: 256, group: 4, nk: 8192, rows: 64},
		{d: 80, group: 4, nk: 8192, rows: 64},
		{d: 64, group: 4, nk: 8192, rows: 64, softCap: 50},
	} {
		b.Run(fmt.Sprintf("d%d,g%d,nk%d,cap%g", c.d, c.group, c.nk, c.softCap), func(b *testing.B) {
			a, q, qStride := c.setup(1)
			a.LSE, a.BF16 = make([]float32, c.rows*c.group), true
			out := make([]float32, c.rows*c.group*c.d)
			benchTiers(b, func(b *testing.B) {
				s := NewAttentionScratch()
				ns := best(b, 3, func() { a.Rows(out, q, c.group*c.d, qStride, c.rows, s) })
				pairs := c.rows*a.First + c.rows*(c.rows+1)/2
				rate := 4 * float64(pairs*c.group*c.d) / ns
				b.ReportMetric(rate, "GFLOP/s")
				b.ReportMetric(100*rate/PeakFMA(), "%peak")
			})
		})
	}
}

func BenchmarkAttentionColumnSums(b *testing.B) {
	c := attentionCase{d: 64, group: 3, nk: 4096, rows: 2048}
	a, q, qStride := c.setup(1)
	a.LSE = make([]float32, c.rows*c.group)
	sums := make([]float32, c.group*c.nk)
	benchTiers(b, func(b *testing.B) {
		s := NewAttentionScratch()
		for b.Loop() {
			a.ColumnSums(sums, c.nk, q, qStride, c.rows, 1, s)
		}
		reportFLOP(b, 2*float64(c.rows*64*c.group*c.d))
	})
}

func BenchmarkAttentionTopProbs(b *testing.B) {
	c := attentionCase{d: 64, group: 3, nk: 4096, rows: 256}
	for _, half := range []bool{false, true} {
		b.Run(map[bool]string{false: "f32", true: "bf16"}[half], func(b *testing.B) {
			a, q, qStride := c.setup(1)
			a.LSE, a.BF16 = make([]float32, c.rows*c.group), half
			best := make([]float32, c.nk)
			benchTiers(b, func(b *testing.B) {
				s := NewAttentionScratch()
				for b.Loop() {
					a.TopProbs(best, q, qStride, c.rows, s)
				}
				reportFLOP(b, 2*float64(c.rows*(c.nk-c.rows/2)*c.group*c.d))
			})
		})
	}
}

func BenchmarkAttentionWindowProbs(b *testing.B) {
	c := attentionCase{d: 64, group: 3, nk: 8192, rows: 8}
	a, q, qStride := c.setup(1)
	probs := make([]float32, c.rows*c.group*c.nk)
	benchTiers(b, func(b *testing.B) {
		s := NewAttentionScratch()
		for b.Loop() {
			a.WindowProbs(probs, q, qStride, c.rows, s)
		}
		reportFLOP(b, 2*float64(c.rows*c.nk*c.group*c.d))
	})
}
