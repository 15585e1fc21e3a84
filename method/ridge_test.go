package method

import (
	"math"
	"math/rand/v2"
	"testing"

	"pith/kernel"
)

// denseRidge is D = (PᵀP + λ)⁻¹·PᵀR in float64, [n, sides].
func denseRidge(p []float32, m, n int, right []float32, lambda float64) []float64 {
	sides := len(right) / m
	out := make([]float64, n*sides)
	for side := range sides {
		gram, x := make([]float64, n*n), make([]float64, n)
		for a := range n {
			for b := range a + 1 {
				for i := range m {
					gram[a*n+b] += float64(p[i*n+a]) * float64(p[i*n+b])
				}
			}
			gram[a*n+a] += lambda
			for i := range m {
				x[a] += float64(p[i*n+a]) * float64(right[side*m+i])
			}
		}
		solvePositive(gram, x, n)
		for a, v := range x {
			out[a*sides+side] = v
		}
	}
	return out
}

// Weights as attention has them: rows that add up to 1, most of it on some columns. All three ways to the solution must find it.
func TestRidgeFindsTheSolution(t *testing.T) {
	for _, c := range []struct {
		name             string
		m, n, heavy      int
		lambda           float32
		direct           bool
		sides, tolerance float64
	}{
		{"entries", 300, 170, 170, 1e-3, true, 3, 1e-3},
		{"queries", 150, 290, 290, 1e-3, true, 3, 1e-3},
		{"gradients, many entries", 300, 400, 20, 0.02, false, 3, 5e-3},
		{"gradients, many queries", 400, 300, 20, 0.02, false, 3, 5e-3},
		{"gradients, one heavy column", 300, 310, 1, 0.05, false, 3, 5e-3},
		{"one entry", 40, 1, 1, 1e-3, true, 3, 1e-3},
	} {
		r := rand.New(rand.NewPCG(3, uint64(c.n)))
		p, right := make([]float32, c.m*c.n), make([]float32, c.m*int(c.sides))
		for i := range c.m {
			row, sum := p[i*c.n:(i+1)*c.n], 0.0
			for j := range row {
				w := r.ExpFloat64()
				if j >= c.heavy {
					w *= 0.01
				}
				row[j], sum = float32(w), sum+w
			}
			for j := range row {
				row[j] /= float32(sum)
			}
		}
		for i := range right {
			right[i] = float32(r.NormFloat64())
		}
		s := &ridge{s: kernel.NewScratch(), p: p, pt: transposed(p, c.m, c.n), m: c.m, n: c.n, lambda: c.lambda}
		if direct := s.heavy(int(c.sides)) == nil; direct != c.direct {
			t.Errorf("%s: factored whole: %v", c.name, direct)
		}
		got, want := s.solve(right), denseRidge(p, c.m, c.n, right, float64(c.lambda))
		var gap, size float64
		for i, w := range want {
			gap, size = gap+(float64(got[i])-w)*(float64(got[i])-w), size+w*w
		}
		if !(math.Sqrt(gap/size) <= c.tolerance) {
			t.Errorf("%s: %.2g of the solution is wrong", c.name, math.Sqrt(gap/size))
		}
	}
}

// The blocked factor solves what the unblocked one in float64 solves, whatever the size.
func TestFactoredSolves(t *testing.T) {
	for _, n := range []int{1, 2, 127, 128, 129, 256, 300} {
		r := rand.New(rand.NewPCG(5, uint64(n)))
		a, x := make([]float32, n*(n+3)), make([]float32, 2*n)
		for i := range a {
			a[i] = float32(r.NormFloat64())
		}
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		const lambda = 5
		m := gramOf(kernel.NewScratch(), a, n+3)
		var want []float64
		for side := range 2 {
			gram, b := make([]float64, n*n), widened(x[side*n:(side+1)*n])
			for i := range n {
				for j := range i + 1 {
					gram[i*n+j] = float64(m[i*n+j])
				}
				gram[i*n+i] += lambda
			}
			solvePositive(gram, b, n)
			want = append(want, b...)
		}
		factorRidge(kernel.NewScratch(), m, n, lambda).solve(kernel.NewScratch(), x)
		for i, w := range want {
			if math.Abs(float64(x[i])-w) > 1e-4 {
				t.Fatalf("%d: element %d is %g, want %g", n, i, x[i], w)
			}
		}
	}
}

func widened(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}
