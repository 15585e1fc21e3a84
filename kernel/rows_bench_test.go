package kernel

import (
	"fmt"
	"testing"
)

// benchPlaces are amounts of stored bytes: within the second cache, and beyond every cache of most machines.
var benchPlaces = []struct {
	name  string
	bytes int
}{{"L2", 256 << 10}, {"RAM", 128 << 20}}

// BenchmarkRows reports stored bytes a second. "read" is the machine's plain reading speed for that amount.
func BenchmarkRows(b *testing.B) {
	const d = 64
	for _, place := range benchPlaces {
		buf := make([]byte, place.bytes)
		for i := 0; i < len(buf); i += 2 { // finite in every format
			buf[i], buf[i+1] = byte(i*31), 0x38
		}
		b.Run(place.name+"/read", func(b *testing.B) {
			if CPU() < AVX2 {
				b.Skip("needs AVX2")
			}
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				readLoop(buf)
			}
		})
		for _, f := range rowFormats {
			for _, g := range []int{1, 3, 4} {
				n := place.bytes / f.Bytes(d)
				q, acc := normals(newRand(1), g*d, 1), make([]float32, g*d)
				dst := make([]float32, g*n)
				b.Run(fmt.Sprintf("%s/%v,g%d/dot", place.name, f, g), func(b *testing.B) {
					b.SetBytes(int64(n * f.Bytes(d)))
					for b.Loop() {
						DotRowsGroup(dst, n, q, buf, g, n, d, f)
					}
				})
				clear(dst)
				b.Run(fmt.Sprintf("%s/%v,g%d/add", place.name, f, g), func(b *testing.B) {
					b.SetBytes(int64(n * f.Bytes(d)))
					for b.Loop() {
						AccumulateRowsGroup(acc, dst, n, buf, g, n, d, f)
					}
				})
			}
		}
	}
}
