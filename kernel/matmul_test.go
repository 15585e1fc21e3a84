package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pith/quant"
)

// formats of the tests: every weight format with an integer form, then the plain ones.
var testTypes = []quant.Type{
	quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.Q8_0, quant.Q2_K, quant.Q3_K, quant.Q4_K, quant.Q5_K, quant.Q6_K,
	quant.IQ4_NL, quant.IQ4_XS, quant.MXFP4, quant.F16, quant.BF16, quant.F32,
}

// randomMatrix returns a matrix of random blocks whose scales are finite and near 1/100, or random numbers for plain types.
func randomMatrix(tb testing.TB, r *rand.Rand, t quant.Type, rows, cols int) *Matrix {
	tb.Helper()
	f, _ := quant.Lookup(t)
	data := make([]byte, rows*f.Bytes(cols))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	half := func(b []byte) {
		h := quant.F32ToF16((r.Float32() - 0.3) / 50)
		b[0], b[1] = byte(h), byte(h>>8)
	}
	// Offsets of the f16 fields in a block.
	fields := map[quant.Type][]int{
		quant.Q4_0: {0}, quant.Q4_1: {0, 2}, quant.Q5_0: {0}, quant.Q5_1: {0, 2}, quant.Q8_0: {0}, quant.Q2_K: {80, 82},
		quant.Q3_K: {108}, quant.Q4_K: {0, 2}, quant.Q5_K: {0, 2}, quant.Q6_K: {208}, quant.IQ4_NL: {0}, quant.IQ4_XS: {0},
	}
	switch t {
	case quant.F16, quant.BF16, quant.F32:
		x := make([]float32, rows*cols)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		f.Encode(data, x)
	case quant.MXFP4:
		for i := 0; i < len(data); i += f.BlockBytes {
			data[i] = byte(120 + r.IntN(5))
		}
	default:
		for i := 0; i < len(data); i += f.BlockBytes {
			for _, at := range fields[t] {
				half(data[i+at:])
			}
		}
	}
	m, err := NewMatrix(t, rows, cols, data)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// TestColumnIsThatOfRows: every format, columns at the edges of blocks.
func TestColumnIsThatOfRows(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, kind := range testTypes {
		m := randomMatrix(t, r, kind, 9, 512)
		row, column := make([]float32, m.Cols), make([]float32, m.Rows)
		for _, c := range []int{0, 31, 33, 255, 256, 511} {
			m.Column(column, c)
			for i, v := range column {
				m.Row(row, i)
				if math.Float32bits(v) != math.Float32bits(row[c]) {
					t.Errorf("%v: row %d column %d is %v, want %v", kind, i, c, v, row[c])
				}
			}
		}
	}
}

func randomRows(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// product multiplies with float64 accumulation: dequantised weights times x. size is what a result would typically be if
// its terms had random signs: cancellation leaves smaller ones, but not smaller errors.
func product(m *Matrix, x []float32, n int) (dst []float32, size float64) {
	dst = make([]float32, n*m.Rows)
	row := make([]float32, m.Cols)
	for r := range m.Rows {
		m.Row(row, r)
		for i := range n {
			var acc float64
			for k, w := range row {
				p := float64(w) * float64(x[i*m.Cols+k])
				acc += p
				size += p * p
			}
			dst[i*m.Rows+r] = float32(acc)
		}
	}
	return dst, math.Sqrt(size / float64(len(dst)))
}

// distance is the largest difference; NaN if there is one.
func distance(got, want []float32) (worst float64) {
	for i, v := range want {
		if d := math.Abs(float64(got[i]) - float64(v)); !(d <= worst) {
			worst = d
		}
	}
	return worst
}

// sizes lists outputs, inputs and rows that end in the middle of every tile.
var sizes = []struct{ rows, cols, n int }{
	{1, 32, 1}, {7, 96, 3}, {16, 32, 5}, {17, 96, 6}, {33, 576, 7}, {40, 256, 13}, {64, 512, 1}, {65, 768, 2}, {24, 1536, 4}, {50, 3072, 2}, {16, 576, 70}, {37, 576, 1}, {24, 320, 2}, {19, 1056, 1}, {130, 256, 3}, {9, 4096, 1}, {20, 256, 13}, {5, 37, 3}, {18, 100, 7}, {3, 7, 2}, {2, 1, 1}, {17, 1031, 1},
	{20, 96, 33}, {17, 256, 16}, {16, 32, 48}, {18, 2304, 35},
}

const (
	exactTolerance = 2e-5 // f32 accumulation, relative to product's size
	roundTolerance = 0.1  // 8-bit activations
)

func forTiers(t *testing.T, f func(t *testing.T)) {
	for _, tier := range Tiers() {
		t.Run(tier.String(), func(t *testing.T) {
			defer Force(tier)()
			f(t)
		})
	}
}

// Every tier gives the numbers of the definition; integer products are bit-equal to the portable code.
func TestMatMulTiersAgree(t *testing.T) {
	w := NewWorkers(2)
	defer w.Close()
	forTiers(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		s := NewScratch()
		for _, typ := range testTypes {
			for _, z := range sizes {
				if f, _ := quant.Lookup(typ); z.cols%f.BlockElems != 0 {
					continue
				}
				if testing.Short() && z.rows*z.cols*z.n > 70_000 { // an emulated processor takes minutes otherwise
					continue
				}
				m := randomMatrix(t, r, typ, z.rows, z.cols)
				x := randomRows(r, z.n*z.cols)
				want, size := product(m, x, z.n)
				for _, p := range []Phase{Prefill, Decode} {
					for _, exact := range []bool{true, false} {
						name := fmt.Sprintf("%s %dx%d, %d rows, phase %d, exact %v", typ, z.rows, z.cols, z.n, p, exact)
						got := make([]float32, len(want)+1)
						got[len(want)] = 77
						MatMul(w, s, got[:len(want)], x, z.n, m, p, exact)
						if got[len(want)] != 77 {
							t.Fatalf("%s: wrote past the end", name)
						}
						got = got[:len(want)]
						limit := exactTolerance
						if m.integer() && !exact {
							limit = roundTolerance
							ref := make([]float32, len(want))
							restore := Force(Generic)
							MatMul(nil, NewScratch(), ref, x, z.n, m, p, exact)
							restore()
							for i := range ref {
								if math.Float32bits(ref[i]) != math.Float32bits(got[i]) {
									t.Fatalf("%s: element %d is %v, portable %v", name, i, got[i], ref[i])
								}
							}
						}
						if d := distance(got, want) / size; !(d <= limit) {
							t.Errorf("%s: off by %.2g of a typical result", name, d)
						}
					}
				}
			}
		}
	})
}

// A row's bits depend on no other row, on no chunk and on no thread.
func TestMatMulRowsStandAlone(t *testing.T) {
	forTiers(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		one, three := NewWorkers(1), NewWorkers(3)
		defer one.Close()
		defer three.Close()
		for _, typ := range testTypes {
			const rows, cols, n = 50, 768, 70
			m := randomMatrix(t, r, typ, rows, cols)
			x := randomRows(r, n*cols)
			for _, p := range []Phase{Prefill, Decode} {
				for _, exact := range []bool{true, false} {
					s := NewScratch()
					all, part := make([]float32, n*rows), make([]float32, n*rows)
					MatMul(three, s, all, x, n, m, p, exact)
					for i := 0; i < n; {
						c := min(1+r.IntN(9), n-i)
						MatMul(one, s, part[i*rows:], x[i*cols:], c, m, p, exact)
						i += c
					}
					for i := range all {
						if math.Float32bits(all[i]) != math.Float32bits(part[i]) {
							t.Fatalf("%s phase %d exact %v: row %d differs from the same row in another chunk", typ, p, exact, i/rows)
						}
					}
				}
			}
		}
	})
}

// Several matrices in one call give what they give alone.
func TestMatMulsEqualsMatMul(t *testing.T) {
	w := NewWorkers(2)
	defer w.Close()
	forTiers(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		const cols, n = 512, 9
		a, b, c := randomMatrix(t, r, quant.Q4_K, 40, cols), randomMatrix(t, r, quant.F16, 17, cols), randomMatrix(t, r, quant.Q6_K, 33, cols)
		x := randomRows(r, n*cols)
		s := NewScratch()
		da, db, dc := make([]float32, n*40), make([]float32, n*17), make([]float32, n*33)
		MatMuls(w, s, x, n, Prefill, false, Product{da, a}, Product{db, b}, Product{dc, c})
		for _, q := range []Product{{da, a}, {db, b}, {dc, c}} {
			want := make([]float32, len(q.Dst))
			MatMul(w, s, want, x, n, q.M, Prefill, false)
			for i := range want {
				if want[i] != q.Dst[i] {
					t.Fatalf("%s: element %d is %v, alone %v", q.M.Type, i, q.Dst[i], want[i])
				}
			}
		}
	})
}

// Infinities and NaN in a row of activations surface in that row and nowhere else; zeros and tiny numbers give zeros.
func TestMatMulSpecialActivations(t *testing.T) {
	forTiers(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		const cols, n = 256, 5
		for _, typ := range testTypes {
			m := randomMatrix(t, r, typ, 16, cols)
			x := randomRows(r, n*cols)
			x[5], x[cols+40] = float32(math.Inf(1)), float32(math.NaN())
			clear(x[2*cols : 3*cols])
			for i := range cols {
				x[3*cols+i] = 0x1p-130
			}
			got := make([]float32, n*16)
			MatMul(nil, NewScratch(), got, x, n, m, Prefill, false)
			for i, v := range got {
				finite := v-v == 0
				if row := i / 16; finite != (row > 1) || (row == 2 || row == 3) && math.Abs(float64(v)) > 1e-30 {
					t.Fatalf("%s: row %d holds %v", typ, row, v)
				}
			}
		}
	})
}

func TestDecodeStepAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("left out: the race detector allocates")
	}
	w := NewWorkers(2)
	defer w.Close()
	forTiers(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 10))
		for _, typ := range testTypes {
			for _, exact := range []bool{false, true} {
				m := randomMatrix(t, r, typ, 64, 512)
				x, dst, s := randomRows(r, 512), make([]float32, 64), NewScratch()
				if n := testing.AllocsPerRun(20, func() { MatMul(w, s, dst, x, 1, m, Decode, exact) }); n != 0 {
					t.Errorf("%s exact %v: %v allocations, want 0", typ, exact, n)
				}
			}
		}
	})
}

func TestNewMatrixRefuses(t *testing.T) {
	for _, c := range []struct {
		t             quant.Type
		rows, cols, n int
	}{{99, 1, 32, 18}, {quant.Q4_0, 0, 32, 0}, {quant.Q4_0, 1, 31, 18}, {quant.Q4_0, 2, 32, 18}, {quant.Q4_0, 1, 32, 19}, {quant.F32, 1, -4, 16}} {
		if _, err := NewMatrix(c.t, c.rows, c.cols, make([]byte, c.n)); err == nil {
			t.Errorf("%v accepted", c)
		}
	}
}

func TestRowDequantises(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	m := randomMatrix(t, r, quant.Q4_1, 3, 64)
	got, want := make([]float32, 64), make([]float32, 192)
	m.Row(got, 2)
	m.format.Decode(want, m.data)
	for i := range got {
		if got[i] != want[128+i] {
			t.Fatalf("element %d is %v, want %v", i, got[i], want[128+i])
		}
	}
}
