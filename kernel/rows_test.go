package kernel

import (
	"fmt"
	"math"
	"testing"
)

var rowFormats = []RowFormat{RowF32, RowF16, RowBF16, RowQ8}

// rowDims are head sizes that divide by 32, by 8 and by nothing.
var rowDims = []int{1, 5, 8, 24, 31, 32, 40, 64, 80, 200, 256}

// rowError is the largest error of a stored number, relative to the largest magnitude of its row.
var rowError = map[RowFormat]float64{RowF32: 0, RowF16: 1.0 / 2048, RowBF16: 1.0 / 256, RowQ8: 0.51 / 127}

func TestRowsRoundTrip(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		for _, f := range rowFormats {
			for _, d := range rowDims {
				const n = 5
				x := normals(newRand(uint64(d)), n*d, 2)
				b := make([]byte, n*f.Bytes(d)+1)
				b[len(b)-1] = 77
				if o := EncodeRows(b, x, n, d, f); o != 0 {
					t.Fatalf("%v d%d: %d overflows", f, d, o)
				}
				y := make([]float32, n*d)
				DecodeRows(y, b, n, d, f)
				if b[len(b)-1] != 77 {
					t.Fatalf("%v d%d: wrote past the rows", f, d)
				}
				for i := range n {
					var top float64
					for _, v := range x[i*d : (i+1)*d] {
						top = max(top, math.Abs(float64(v)))
					}
					for c := i * d; c < (i+1)*d; c++ {
						if e := math.Abs(float64(y[c] - x[c])); e > rowError[f]*top {
							t.Fatalf("%v d%d: %v became %v", f, d, x[c], y[c])
						}
					}
				}
			}
		}
	})
}

// TestRowsEncodingIsOneForAllTiers compares bytes and overflows with the portable code, on awkward numbers too.
func TestRowsEncodingIsOneForAllTiers(t *testing.T) {
	inf := float32(math.Inf(1))
	nan := float32(math.NaN())
	for _, f := range rowFormats {
		for _, d := range rowDims {
			const n = 3
			x := normals(newRand(uint64(d)), n*d, 100)
			for i, v := range []float32{0, 65504, 65519.9, 65520, -1e9, 1e-7, -3e-8, 1e-40, inf, -inf, nan, 0.5, 127, -127} {
				x[(i*7)%len(x)] = v
			}
			want := make([]byte, n*f.Bytes(d))
			overflow := 0
			for i := range n {
				overflow += encodeRowGeneric(want[i*f.Bytes(d):(i+1)*f.Bytes(d)], x[i*d:(i+1)*d], f)
			}
			back := make([]float32, n*d)
			for i := range n {
				decodeRowGeneric(back[i*d:(i+1)*d], want[i*f.Bytes(d):(i+1)*f.Bytes(d)], f)
			}
			eachTier(t, func(t *testing.T) {
				got := make([]byte, len(want))
				if o := EncodeRows(got, x, n, d, f); o != overflow {
					t.Fatalf("%v d%d: %d overflows, want %d", f, d, o, overflow)
				}
				for i := range want {
					if got[i] != want[i] {
						t.Fatalf("%v d%d: byte %d is %d, want %d", f, d, i, got[i], want[i])
					}
				}
				y := make([]float32, n*d)
				DecodeRows(y, got, n, d, f)
				sameBits(t, fmt.Sprintf("%v d%d decoded", f, d), y, back)
			})
		}
	}
}

func TestRowsF16ClampsAndCounts(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		x := make([]float32, 40)
		x[3], x[17], x[39] = 70000, float32(math.Inf(-1)), 65504
		b := make([]byte, RowF16.Bytes(40))
		if o := EncodeRows(b, x, 1, 40, RowF16); o != 2 {
			t.Fatalf("%d overflows, want 2", o)
		}
		y := make([]float32, 40)
		DecodeRows(y, b, 1, 40, RowF16)
		if y[3] != 65504 || y[17] != -65504 || y[39] != 65504 {
			t.Fatalf("clamped to %v %v %v", y[3], y[17], y[39])
		}
	})
}

// rowOps are the two products over stored rows of any storage.
type rowOps struct {
	name   string
	decode func(dst []float32, n, d int)
	dot    func(dst []float32, stride int, q []float32, g, n, d int)
	add    func(acc, w []float32, stride int, g, n, d int)
	tol    float64 // relative to the sum of the magnitudes of the products
	fold   float64 // relative to the number of products times the largest
}

// storages encodes the same keys and values in every storage.
func storages(x []float32, n, d int) []rowOps {
	var ops []rowOps
	for _, f := range rowFormats {
		b := make([]byte, n*f.Bytes(d))
		EncodeRows(b, x, n, d, f)
		decode := func(dst []float32, n, d int) { DecodeRows(dst, b, n, d, f) }
		dot := func(dst []float32, stride int, q []float32, g, n, d int) { DotRowsGroup(dst, stride, q, b, g, n, d, f) }
		add := func(acc, w []float32, stride int, g, n, d int) { AccumulateRowsGroup(acc, w, stride, b, g, n, d, f) }
		rounding := 0.0 // half a step of 16 bits
		if f == RowQ8 && VNNI.within(CPU()) {
			rounding = 1.0 / (1 << 16)
		}
		ops = append(ops, rowOps{"k" + f.String(), decode, dot, nil, 3e-7, rounding}, rowOps{"v" + f.String(), decode, nil, add, 3e-7, 0})
	}
	for _, f := range groupFormats {
		if d > MaxGroupChannels {
			continue
		}
		blocks := (n + f.Group - 1) / f.Group
		kb, vb := make([]byte, blocks*f.KeyBytes(d)), make([]byte, (n+f.slots()-1)/f.slots()*f.ValueBytes(d))
		EncodeGroupK(kb, x, n, d, f)
		EncodeGroupV(vb, x, n, d, f)
		const fold = 1.0 / (1 << 15)
		ops = append(ops, rowOps{"k" + f.String(),
			func(dst []float32, n, d int) { DecodeGroupK(dst, kb, n, d, f) },
			func(dst []float32, stride int, q []float32, g, n, d int) { DotGroupK(dst, stride, q, kb, g, n, d, f) },
			nil, 1e-6, fold})
		ops = append(ops, rowOps{"v" + f.String(),
			func(dst []float32, n, d int) { DecodeGroupV(dst, vb, n, d, f) },
			nil,
			func(acc, w []float32, stride int, g, n, d int) { AccumulateGroupV(acc, w, stride, vb, g, n, d, f) }, 1e-6, fold})
	}
	return ops
}

var groupFormats = []GroupFormat{{4, 32, 0}, {4, 64, 0}, {3, 32, 0}, {3, 64, 32}, {2, 32, 0}, {2, 64, 16}, {4, 64, 8}}

// TestRowsProducts compares both products of every storage with f64 over the decoded rows.
func TestRowsProducts(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		for _, d := range rowDims {
			for _, n := range []int{1, 3, 8, 13, 70} {
				r := newRand(uint64(d*1000 + n))
				x := normals(r, n*d, 1)
				for _, op := range storages(x, n, d) {
					y := make([]float32, n*d)
					op.decode(y, n, d)
					for _, g := range []int{1, 2, 3, 4, 5, 9} {
						checkProducts(t, op, y, g, n, d)
					}
				}
			}
		}
	})
}

func checkProducts(t *testing.T, op rowOps, y []float32, g, n, d int) {
	t.Helper()
	r := newRand(uint64(g))
	stride := n + 3
	top := largest(y)
	q, w := normals(r, g*d, 1), normals(r, g*stride, 1)
	dst := make([]float32, (g-1)*stride+n)
	if op.dot != nil {
		op.dot(dst, stride, q, g, n, d)
	}
	for h := range g {
		if op.dot == nil {
			break
		}
		for i := range n {
			var want, size float64
			for c := range d {
				p := float64(q[h*d+c]) * float64(y[i*d+c])
				want += p
				size += math.Abs(p)
			}
			size += op.fold / op.tol * float64(d) * largest(q[h*d:(h+1)*d]) * top
			if e := math.Abs(float64(dst[h*stride+i]) - want); !(e <= op.tol*size+1e-30) {
				t.Fatalf("%s d%d n%d g%d: dot of head %d row %d is %v, want %v", op.name, d, n, g, h, i, dst[h*stride+i], want)
			}
		}
	}
	if op.add == nil {
		return
	}
	acc := normals(r, g*d, 1)
	start := append([]float32(nil), acc...)
	op.add(acc, w[:(g-1)*stride+n], stride, g, n, d)
	for h := range g {
		for c := range d {
			want := float64(start[h*d+c])
			size := math.Abs(want)
			for i := range n {
				p := float64(w[h*stride+i]) * float64(y[i*d+c])
				want += p
				size += math.Abs(p)
			}
			size += op.fold / op.tol * float64(n) * largest(w[h*stride:h*stride+n]) * top
			if e := math.Abs(float64(acc[h*d+c]) - want); !(e <= op.tol*size+1e-30) {
				t.Fatalf("%s d%d n%d g%d: sum of head %d channel %d is %v, want %v", op.name, d, n, g, h, c, acc[h*d+c], want)
			}
		}
	}
}

func largest(x []float32) float64 {
	var top float64
	for _, v := range x {
		top = max(top, math.Abs(float64(v)))
	}
	return top
}

// TestRowsProductsDoNotDependOnNeighbours checks that heads and rows computed together have the bits of each alone, and that
// sums may be cut anywhere between rows.
func TestRowsProductsDoNotDependOnNeighbours(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		for _, d := range []int{8, 40, 64, 128, 13, 39} {
			const n, g = 77, 7
			r := newRand(uint64(d))
			x, q, w := normals(r, n*d, 1), normals(r, g*d, 1), normals(r, g*n, 1)
			for _, f := range rowFormats {
				size := f.Bytes(d)
				b := make([]byte, n*size)
				EncodeRows(b, x, n, d, f)
				dst := make([]float32, g*n)
				DotRowsGroup(dst, n, q, b, g, n, d, f)
				acc := make([]float32, g*d)
				AccumulateRowsGroup(acc, w, n, b, g, n, d, f)
				for h := range g {
					one := make([]float32, d)
					for i := 0; i < n; {
						m := min(1+i%5, n-i)
						part := make([]float32, m)
						DotRows(part, q[h*d:(h+1)*d], b[i*size:], m, d, f)
						sameBits(t, fmt.Sprintf("%v d%d dot", f, d), part, dst[h*n+i:h*n+i+m])
						AccumulateRows(one, w[h*n+i:h*n+i+m], b[i*size:], m, d, f)
						i += m
					}
					sameBits(t, fmt.Sprintf("%v d%d sum", f, d), one, acc[h*d:(h+1)*d])
				}
			}
		}
	})
}

func TestRowsAllocateNothing(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		const n, d, g = 70, 64, 3
		r := newRand(1)
		x := normals(r, n*d, 1)
		for _, f := range rowFormats {
			b := make([]byte, n*f.Bytes(d))
			got := testing.AllocsPerRun(3, func() {
				// On the stack of the caller, as in a decode step.
				var q [g * d]float32
				var acc [g * d]float32
				var dst [g * n]float32
				EncodeRows(b, x, n, d, f)
				DotRowsGroup(dst[:], n, q[:], b, g, n, d, f)
				AccumulateRowsGroup(acc[:], dst[:], n, b, g, n, d, f)
			})
			if got != 0 {
				t.Fatalf("%v: %v allocations", f, got)
			}
		}
	})
}
