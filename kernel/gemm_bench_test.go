package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pith/quant"
)

// best runs f, times times an iteration, and returns its shortest time in nanoseconds: what the core can do when nobody disturbs it.
func best(b *testing.B, times int, f func()) float64 {
	shortest := time.Hour
	for b.Loop() {
		for range times {
			start := time.Now()
			f()
			shortest = min(shortest, time.Since(start))
		}
	}
	b.ReportMetric(0, "ns/op")
	return float64(shortest.Nanoseconds())
}

// BenchmarkStrip measures the micro-kernels on data in the first cache, in GFLOP/s and as a share of the FMA peak
// measured beside it. Integer kernels may exceed it.
func BenchmarkStrip(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	k := kernels()
	if k == nil {
		b.Skip("the portable tier has no panels")
	}
	const cols = 1024
	for _, typ := range []quant.Type{quant.Q4_0, quant.Q4_1, quant.Q2_K, quant.Q3_K, quant.Q5_0, quant.Q5_1, quant.Q6_K, quant.Q8_0} {
		kernel := k.integer[typ]
		m := randomMatrix(b, r, typ, panelRows, cols)
		var buf buffer
		buf.packCodes(k, m, 0, panelRows, 0, cols, 0)
		b.Run(fmt.Sprintf("%s/pack", typ), func(b *testing.B) {
			ns := best(b, 50, func() { buf.packCodes(k, m, 0, panelRows, 0, cols, 0) })
			b.ReportMetric(ns/(panelRows*cols), "ns/weight")
		})
		for _, s := range kernel {
			var act activations
			act.resize(16, cols, 0)
			for i := range 16 {
				act.encode(i, randomRows(r, cols))
			}
			sums := act.sumsFor(m.format)
			dst := make([]float32, 16*panelRows)
			b.Run(fmt.Sprintf("%s/rows=%d", typ, s.rows), func(b *testing.B) {
				peak := PeakFMA()
				ns := best(b, 50, func() {
					for i := 0; i+s.rows <= 16; i += s.rows {
						s.run(&dst[i*panelRows], 4*panelRows, &buf.panel[0][0], &buf.scales[0][0], cols/32, &act.codes[i*cols], cols,
							&act.scale[i*act.groups], &sums[i*act.groups*32/m.format.Group], 4*act.groups,
							&dst[i*panelRows], 4*panelRows)
					}
				})
				rate := 2 * float64(16/s.rows*s.rows) * panelRows * cols / ns
				b.ReportMetric(rate, "GFLOP/s")
				b.ReportMetric(100*rate/max(peak, PeakFMA()), "%peak")
			})
		}
		if k.amx != nil {
			benchmarkAMX(b, r, k, m, &buf)
		}
	}
	const colsF32 = 256
	m := randomMatrix(b, r, quant.F32, panelRows, colsF32)
	var buf buffer
	buf.packFloats(k, m, 0, panelRows, 0, colsF32)
	for _, s := range k.float {
		x, dst := randomRows(r, 12*colsF32), make([]float32, 12*panelRows)
		b.Run(fmt.Sprintf("F32/rows=%d", s.rows), func(b *testing.B) {
			peak := PeakFMA()
			ns := best(b, 50, func() {
				for i := 0; i+s.rows <= 12; i += s.rows {
					s.run(&dst[i*panelRows], 4*panelRows, &buf.panelF32[0], colsF32, &x[i*colsF32], 4*colsF32)
				}
			})
			rate := 2 * float64(12/s.rows*s.rows) * panelRows * colsF32 / ns
			b.ReportMetric(rate, "GFLOP/s")
			b.ReportMetric(100*rate/max(peak, PeakFMA()), "%peak")
		})
	}
	act := activations{}
	act.resize(16, cols, 0)
	x := randomRows(r, 16*cols)
	b.Run("encode", func(b *testing.B) {
		ns := best(b, 50, func() {
			for i := range 16 {
				act.encode(i, x[i*cols:][:cols])
			}
		})
		b.ReportMetric(ns/float64(len(x)), "ns/element")
	})
}

// benchmarkAMX is BenchmarkStrip for strips of the AMX tier, with the share of the bound that gemm_amx.go derives; the clock
// follows from the FMA peak, two ports of sixteen lanes. Like a call of MatMul it makes the panel's codes signed once.
func benchmarkAMX(b *testing.B, r *rand.Rand, k *kernelSet, m *Matrix, buf *buffer) {
	const strips, rows = 8, 8 * amxRows
	t := &productTask{s: NewScratch(), rows: rows}
	act := &t.s.act
	act.resize(rows, m.Cols, spreadGroups(m.Cols/block))
	act.resizeStrips(strips)
	for i := range rows {
		act.encode(i, randomRows(r, m.Cols))
	}
	for i := range strips {
		act.interleave(k, i)
	}
	slots := 4 // of two a cycle, for a register of sixteen results of a group
	if m.format.Zero == 0 {
		slots = 6
	}
	bound := float64(2*panelRows*m.format.Group) / float64(slots) // MAC/cycle
	dst := make([]float32, rows*panelRows)
	b.Run(fmt.Sprintf("%s/amx", m.Type), func(b *testing.B) {
		peak := PeakFMA()
		ns := best(b, 50, func() { t.amxPanel(k, &part{m: m}, buf, 0, dst, panelRows, 0, m.Cols, strips) })
		rate := 2 * float64(rows*panelRows*m.Cols) / ns
		clock := max(peak, PeakFMA()) / (2 * 2 * 16)
		b.ReportMetric(rate, "GFLOP/s")
		b.ReportMetric(100*rate/(2*bound*clock), "%bound")
	})
}
