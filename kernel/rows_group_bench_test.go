package kernel

import (
	"fmt"
	"testing"
)

// BenchmarkGroup reports stored bytes a second, and the time for an entry, of products with grouped blocks.
func BenchmarkGroup(b *testing.B) {
	for _, shape := range []struct{ d, g int }{{64, 3}, {128, 4}} {
		for _, f := range []GroupFormat{{Bits: 4, Group: 64}, {Bits: 3, Group: 64}, {Bits: 2, Group: 32}} {
			const blocks = 16
			d, g, n := shape.d, shape.g, blocks*f.Group
			x, q, acc := normals(newRand(1), n*d, 1), normals(newRand(2), g*d, 1), make([]float32, g*d)
			keys, values := make([]byte, blocks*f.KeyBytes(d)), make([]byte, blocks*f.ValueBytes(d))
			EncodeGroupK(keys, x, n, d, f)
			EncodeGroupV(values, x, n, d, f)
			dst := make([]float32, g*n)
			bench := func(name string, bytes int, product func()) {
				b.Run(fmt.Sprintf("%v,d%d,g%d/%s", f, d, g, name), func(b *testing.B) {
					b.SetBytes(int64(bytes))
					for b.Loop() {
						product()
					}
					b.ReportMetric(float64(b.Elapsed())/float64(b.N*n), "ns/entry")
				})
			}
			bench("dot", len(keys), func() { DotBlocksK(dst, n, q, keys, f.KeyBytes(d), blocks, g, d, f) })
			bench("add", len(values), func() { AccumulateBlocksV(acc, dst, n, values, f.ValueBytes(d), blocks, g, d, f) })
		}
	}
}
