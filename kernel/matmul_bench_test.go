package kernel

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pith/quant"
)

// Shapes of SmolLM2-135M (attention output, FFN up, FFN down) and of a 1B Llama (FFN down).
var benchShapes = []struct{ rows, cols int }{{576, 576}, {1536, 576}, {576, 1536}, {2048, 2048}, {2048, 8192}}

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
	ns := best(b, 1, func() { MatMul(nil, s, dst, x, n, m, Prefill, exact) })
	b.ReportMetric(2*float64(n)*float64(rows)*float64(cols)/ns, "GFLOP/s")
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

// benchDecode times products of a few hundred kilobytes of weights that have long left the caches. Such a product takes tens
// of microseconds, so the fast decile of many is what the machine does when nobody else runs.
func benchDecode(b *testing.B, typ quant.Type, cols, threads, n int) {
	r := rand.New(rand.NewPCG(1, 1))
	f, _ := quant.Lookup(typ)
	rows := (512 << 10) / f.Bytes(cols) &^ 31
	small := randomMatrix(b, r, typ, rows, cols)
	data := coldMemory()
	var ms []*Matrix
	for len(data) >= len(small.data) {
		copy(data, small.data)
		m, err := NewMatrix(typ, rows, cols, data[:len(small.data):len(small.data)])
		if err != nil {
			b.Fatal(err)
		}
		ms = append(ms, m)
		data = data[len(small.data):]
	}
	w := NewWorkers(threads)
	defer w.Close()
	x, dst, s := randomRows(r, n*cols), make([]float32, n*rows), NewScratch()
	ns := decile(b, len(ms), func(i int) { MatMul(w, s, dst, x, n, ms[i], Decode, false) })
	b.ReportMetric(float64(small.Bytes())/ns, "GB/s")
}

var cold []byte

// coldMemory is a buffer of several times the last cache.
func coldMemory() []byte {
	if cold == nil {
		cold = make([]byte, 160<<20)
	}
	return cold
}

// decile calls f(0) to f(n-1) in each iteration and returns the fastest tenth's time in nanoseconds.
func decile(b *testing.B, n int, f func(i int)) float64 {
	var times []time.Duration
	for b.Loop() {
		for i := range n {
			start := time.Now()
			f(i)
			times = append(times, time.Since(start))
		}
	}
	b.ReportMetric(0, "ns/op")
	slices.Sort(times)
	return float64(times[len(times)/10].Nanoseconds())
}

// BenchmarkRead is the yardstick of decode: reading memory and doing almost nothing with it.
func BenchmarkRead(b *testing.B) {
	const piece = 512 << 10
	data := coldMemory()
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			w := NewWorkers(threads)
			defer w.Close()
			r := &reader{sums: make([]uint64, 8*threads)}
			ns := decile(b, len(data)/piece, func(i int) {
				r.data = data[i*piece:][:piece]
				w.Run(piece/readBytes, r)
			})
			b.ReportMetric(piece/ns, "GB/s")
		})
	}
}

const readBytes = 32 << 10

type reader struct {
	data []byte
	sums []uint64
}

func (r *reader) Do(worker, i int) {
	var s uint64
	d := r.data[i*readBytes:][:readBytes]
	for j := 0; j+64 <= len(d); j += 64 { // one word of each cache line is enough
		s ^= binary.LittleEndian.Uint64(d[j:])
	}
	r.sums[8*worker] ^= s
}
