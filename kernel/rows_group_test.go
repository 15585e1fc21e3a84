package kernel

import (
	"math"
	"testing"
)

// TestGroupRoundTrip bounds the error of every code by half a step plus the rounding of minimum and step to f16.
func TestGroupRoundTrip(t *testing.T) {
	for _, f := range groupFormats {
		for _, d := range []int{1, 8, 13, 16, 40, 64, 80, 128, 256} {
			for _, n := range []int{1, 5, 31, 32, 33, 64, 100} {
				r := newRand(uint64(d + n))
				x := normals(r, n*d, 1)
				for c := range d { // channels of different size and bias, as keys have
					for i := range n {
						x[i*d+c] = x[i*d+c]*float32(1+c%5) + float32(c%3*10)
					}
				}
				blocks := (n + f.Group - 1) / f.Group
				kb, vb := make([]byte, blocks*f.KeyBytes(d)), make([]byte, (n+f.slots()-1)/f.slots()*f.ValueBytes(d))
				if o := EncodeGroupK(kb, x, n, d, f) + EncodeGroupV(vb, x, n, d, f); o != 0 {
					t.Fatalf("%v d%d n%d: %d overflows", f, d, n, o)
				}
				k, v := make([]float32, n*d), make([]float32, n*d)
				DecodeGroupK(k, kb, n, d, f)
				DecodeGroupV(v, vb, n, d, f)
				for i := range n {
					for c := range d {
						lo, hi := math.Inf(1), math.Inf(-1)
						for j := i / f.Group * f.Group; j < min(n, i/f.Group*f.Group+f.Group); j++ {
							lo, hi = min(lo, float64(x[j*d+c])), max(hi, float64(x[j*d+c]))
						}
						checkCode(t, f, x[i*d+c], k[i*d+c], lo, hi)
						lo, hi = math.Inf(1), math.Inf(-1)
						for j := c / f.Group * f.Group; j < min(d, c/f.Group*f.Group+f.Group); j++ {
							lo, hi = min(lo, float64(x[i*d+j])), max(hi, float64(x[i*d+j]))
						}
						checkCode(t, f, x[i*d+c], v[i*d+c], lo, hi)
					}
				}
			}
		}
	}
}

func checkCode(t *testing.T, f GroupFormat, x, got float32, lo, hi float64) {
	t.Helper()
	step := (hi - lo) / float64(int(1)<<f.Bits-1)
	f16 := (math.Abs(lo) + 2*(hi-lo)) / 2048
	if e := math.Abs(float64(x - got)); e > 0.5*step+f16+1e-6 {
		t.Fatalf("%v: %v in [%v, %v] became %v", f, x, lo, hi, got)
	}
}

func TestGroupBytes(t *testing.T) {
	// True bits of a number: code, and step and minimum in f16 for every group.
	for _, f := range groupFormats {
		want := 64 * f.Group * f.Bits / 8
		if got := f.KeyBytes(64); got != want+4*64 {
			t.Errorf("%v: %d bytes of keys, want %d", f, got, want+4*64)
		}
		want = 64*f.slots()*f.Bits/8 + 4*f.slots()*64/f.Group
		if got := f.ValueBytes(64); got != want {
			t.Errorf("%v: %d bytes of values, want %d", f, got, want)
		}
	}
}

// TestGroupProductsEqualOnAllTiers checks that integer products leave no room for differences, whatever heads and tokens
// are taken together.
func TestGroupProductsEqualOnAllTiers(t *testing.T) {
	for _, f := range groupFormats {
		for _, d := range []int{8, 13, 40, 64, 128, 200, 512} {
			for _, n := range []int{1, 9, 32, 50, 64, 100} {
				const g = 6
				r := newRand(uint64(d*n + f.Bits))
				x, q, w := normals(r, n*d, 1), normals(r, g*d, 1), normals(r, g*n, 1)
				for i := range w {
					w[i] = float32(math.Exp(4 * float64(w[i]))) // weights of very different size
				}
				clear(w[:n]) // a head that wants nothing
				blocks := (n + f.Group - 1) / f.Group
				kb, vb := make([]byte, blocks*f.KeyBytes(d)), make([]byte, (n+f.slots()-1)/f.slots()*f.ValueBytes(d))
				EncodeGroupK(kb, x, n, d, f)
				EncodeGroupV(vb, x, n, d, f)
				restore := Force(Generic)
				scores, sums := make([]float32, g*n), make([]float32, g*d)
				for h := range g {
					DotGroupK(scores[h*n:], n, q[h*d:(h+1)*d], kb, 1, n, d, f)
					AccumulateGroupV(sums[h*d:(h+1)*d], w[h*n:(h+1)*n], n, vb, 1, n, d, f)
				}
				restore()
				eachTier(t, func(t *testing.T) {
					got, acc := make([]float32, g*n), make([]float32, g*d)
					DotGroupK(got, n, q, kb, g, n, d, f)
					AccumulateGroupV(acc, w, n, vb, g, n, d, f)
					sameBits(t, f.String()+" dot", got, scores)
					sameBits(t, f.String()+" sum", acc, sums)
				})
			}
		}
	}
}

func TestGroupProductsAllocateNothing(t *testing.T) {
	const n, d, g = 100, 64, 3
	x := normals(newRand(1), n*d, 1)
	eachTier(t, func(t *testing.T) {
		for _, f := range groupFormats {
			kb, vb := make([]byte, 4*f.KeyBytes(d)), make([]byte, 13*f.ValueBytes(d))
			got := testing.AllocsPerRun(3, func() {
				var q, acc [g * d]float32
				var dst [g * n]float32
				EncodeGroupK(kb, x, n, d, f)
				EncodeGroupV(vb, x, n, d, f)
				DotGroupK(dst[:], n, q[:], kb, g, n, d, f)
				AccumulateGroupV(acc[:], dst[:], n, vb, g, n, d, f)
			})
			if got != 0 {
				t.Fatalf("%v: %v allocations", f, got)
			}
		}
	})
}
