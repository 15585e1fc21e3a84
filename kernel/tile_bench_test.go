package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pith/quant"
)

// BenchmarkTile measures the routines of decode on data in the nearest caches: nanoseconds for 256 weights, and the rate
// at which stored bytes are used up, to be held against BenchmarkRead.
func BenchmarkTile(b *testing.B) {
	k := kernels()
	if k == nil {
		b.Skip("the portable tier has no tiles")
	}
	r := rand.New(rand.NewPCG(1, 1))
	for _, typ := range []quant.Type{quant.Q4_0, quant.Q4_1, quant.Q8_0, quant.Q4_K, quant.Q6_K} {
		for _, cols := range []int{576, 2048} {
			tile := k.tile[typ]
			if f, _ := quant.Lookup(typ); tile.run == nil || cols%f.BlockElems != 0 {
				continue
			}
			m := randomMatrix(b, r, typ, tileHeight, cols)
			var act activations
			act.resize(1, cols, tileGroups)
			act.encode(0, randomRows(r, cols))
			act.wrap(k, 1)
			sums, codes := act.sumsFor(m.format), act.codes
			if tile.pairs {
				codes = act.pairs
			}
			groups := cols / m.format.Group
			t, u, dst := make([]float32, tileHeight*groups), make([]float32, tileHeight*groups), make([]float32, tileHeight)
			units := float64(tileHeight*cols) / 256
			if packed := k.packed[typ].product; packed != nil {
				m := randomMatrix(b, r, typ, panelRows, cols)
				m.Pack(nil, make([]byte, m.Bytes()))
				dst := make([]float32, panelRows)
				b.Run(fmt.Sprintf("%s/%d/packed", typ, cols), func(b *testing.B) {
					ns := best(b, 50, func() {
						for range 10 {
							packed(&dst[0], &m.packed[0], cols/m.format.BlockElems, &act.codes[0], &act.scale[0], &sums[0])
						}
					}) / 10
					b.ReportMetric(ns/(2*units), "ns/256")
					b.ReportMetric(float64(m.Bytes())/ns, "GB/s")
				})
			}
			b.Run(fmt.Sprintf("%s/%d/terms", typ, cols), func(b *testing.B) {
				ns := best(b, 50, func() {
					for range 10 {
						tile.run(&t[0], &u[0], &m.data[0], act.groups, &codes[0], &act.scale[0], &sums[0], act.groups)
					}
				}) / 10
				b.ReportMetric(ns/units, "ns/256")
				b.ReportMetric(float64(m.Bytes())/ns, "GB/s")
			})
			b.Run(fmt.Sprintf("%s/%d/sum", typ, cols), func(b *testing.B) {
				sum := k.sumTerms
				if m.format.Zero == 0 {
					sum = k.sumTermPairs
				}
				ns := best(b, 50, func() {
					for range 10 {
						sum(&dst[0], &t[0], &u[0], groups)
					}
				}) / 10
				b.ReportMetric(ns/units, "ns/256")
			})
		}
	}
}
