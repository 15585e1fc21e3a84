package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pith/quant"
)

// Shapes of SmolLM2-135M (attention output, FFN up, FFN down) and of a 1B Llama (FFN down).
var benchShapes = []struct{ rows, cols int }{{576, 576}, {1536, 576}, {576, 1536}, {2048, 8192}}

// BenchmarkPrefill multiplies 512 rows on one thread.
func BenchmarkPrefill(b *testing.B) {
	for _, typ := range []quant.Type{quant.Q4_0, quant.Q4_1, quant.Q8_0, quant.Q4_K, quant.Q6_K, quant.Q5_K, quant.Q2_K, quant.Q3_K, quant.F16, quant.F32} {
		for _, z := range benchShapes {
			if f, _ := quant.Lookup(typ); z.cols%f.BlockElems != 0 {
				continue
			}
			b.Run(fmt.Sprintf("%s/%dx%d", typ, z.rows, z.cols), func(b *testing.B) { benchPrefill(b, typ, z.rows, z.cols, 512, false) })
		}
	}
	for _, typ := range []quant.Type{quant.Q4_1, quant.Q4_K} {
		b.Run(fmt.Sprintf("%s-exact/2048x8192", typ), func(b *testing.B) { benchPrefill(b, typ, 2048, 8192, 512, true) })
	}
}

func benchPrefill(b *testing.B, typ quant.Type, rows, cols, n int, exact bool) {
	r := rand.New(rand.NewPCG(1, 1))
	m := randomMatrix(b, r, typ, rows, cols)
	x, dst, s := randomRows(r, n*cols), make([]float32, n*rows), NewScratch()
	MatMul(nil, s, dst, x, n, m, Prefill, exact)
	for b.Loop() {
		MatMul(nil, s, dst, x, n, m, Prefill, exact)
	}
	flops := 2 * float64(n) * float64(rows) * float64(cols)
	b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

// BenchmarkDecode multiplies one row with matrices that together exceed the caches, on one thread and on all.
func BenchmarkDecode(b *testing.B) {
	for _, typ := range []quant.Type{quant.Q4_0, quant.Q4_1, quant.Q8_0, quant.Q4_K, quant.Q6_K, quant.Q5_K, quant.IQ4_XS, quant.F16, quant.F32} {
		for _, cols := range []int{576, 2048} {
			if f, _ := quant.Lookup(typ); cols%f.BlockElems != 0 {
				continue
			}
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("%s/%d/threads=%d", typ, cols, threads), func(b *testing.B) { benchDecode(b, typ, cols, threads, 1) })
			}
		}
	}
}

func benchDecode(b *testing.B, typ quant.Type, cols, threads, n int) {
	r := rand.New(rand.NewPCG(1, 1))
	f, _ := quant.Lookup(typ)
	rows := (96 << 20) / f.Bytes(cols) &^ 31 // three times the last cache
	m := randomMatrix(b, r, typ, rows, cols)
	w := NewWorkers(threads)
	defer w.Close()
	x, dst, s := randomRows(r, n*cols), make([]float32, n*rows), NewScratch()
	ns := best(b, 1, func() { MatMul(w, s, dst, x, n, m, Decode, false) })
	b.ReportMetric(float64(m.Bytes())/ns, "GB/s")
	b.ReportMetric(ns/1e6, "ms")
}

// BenchmarkRead is the yardstick of decode: reading memory and doing almost nothing with it.
func BenchmarkRead(b *testing.B) {
	data := make([]uint64, 12<<20)
	for i := range data {
		data[i] = uint64(i)
	}
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			w := NewWorkers(threads)
			defer w.Close()
			r := &reader{data: data, sums: make([]uint64, 8*threads)}
			ns := best(b, 1, func() { w.Run(len(data)/readWords, r) })
			b.ReportMetric(float64(8*len(data))/ns, "GB/s")
		})
	}
}

const readWords = 8 << 10

type reader struct {
	data, sums []uint64
}

func (r *reader) Do(worker, i int) {
	var s uint64
	d := r.data[i*readWords:][:readWords]
	for j := 0; j+8 <= len(d); j += 8 { // one word of each cache line is enough
		s ^= d[j]
	}
	r.sums[8*worker] ^= s
}
