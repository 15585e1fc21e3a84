package kernel

import (
	"fmt"
	"math"
	"testing"
)

// ulps is the distance of a f32 from an exact number in units of its last place; below the smallest normal number of f32 in
// units of the smallest normal's.
func ulps(got float32, want float64) float64 {
	if math.IsNaN(want) != (got != got) {
		return math.Inf(1)
	}
	_, e := math.Frexp(want)
	unit := math.Ldexp(1, max(e-24, -126-23))
	return math.Abs(float64(got)-want) / unit
}

// TestExponentials bounds the error of the functions that all others are built from, and the values that must be exact.
func TestExponentials(t *testing.T) {
	if exp2Neg(0) != 1 || expNeg(0) != 1 || tanh32(0) != 0 || sigmoid32(0) != 0.5 {
		t.Fatal("not exact at 0")
	}
	inf := float32(math.Inf(1))
	if exp2Neg(-inf) != 0 || expNeg(-inf) != 0 || tanh32(inf) != 1 || tanh32(-inf) != -1 || sigmoid32(-inf) != 0 || sigmoid32(inf) != 1 {
		t.Fatal("not exact at infinity")
	}
	worst := map[string]float64{}
	check := func(name string, got float32, want, limit float64) {
		t.Helper()
		u := ulps(got, want)
		worst[name] = max(worst[name], u)
		if u > limit {
			t.Fatalf("%s: %v, want %v: %.2f ulp", name, got, want, u)
		}
	}
	for i := range 200001 {
		x := float32(-100 * math.Pow(float64(i)/200000, 3))
		if x >= -126 {
			check("exp2Neg", exp2Neg(x), math.Exp2(float64(x)), 2)
		}
		if x > -87 {
			check("expNeg", expNeg(x), math.Exp(float64(x)), 2)
		}
		check("tanh", tanh32(x), math.Tanh(float64(x)), 4)
		if x > -86 {
			check("sigmoid", sigmoid32(x), 1/(1+math.Exp(-float64(x))), 4)
		}
		check("sigmoid", sigmoid32(-x), 1/(1+math.Exp(float64(x))), 4)
	}
	t.Log("worst, in units of the last place:", worst)
}

// TestRowFunctions compares every elementwise function with f64 on every tier and length, tails and places included.
func TestRowFunctions(t *testing.T) {
	type op struct {
		name  string
		limit float64 // ulp
		run   func(dst, x, y []float32)
		want  func(dst, x, y float64) float64
	}
	mulAdd := func(a float64) func(d, x, _ float64) float64 { return func(d, x, _ float64) float64 { return d + a*x } }
	ops := []op{
		{"Add", 1, func(d, x, y []float32) { Add(d, x) }, mulAdd(1)},
		{"Mul", 1, func(d, x, y []float32) { Mul(d, x) }, func(d, x, _ float64) float64 { return d * x }},
		{"Scale", 1, func(d, x, y []float32) { Scale(d, 1.5) }, func(d, _, _ float64) float64 { return d * 1.5 }},
		{"SiLUMul", 6, SiLUMul, func(_, x, y float64) float64 { return x / (1 + math.Exp(-x)) * y }},
		{"GELUMul", 24, GELUMul, func(_, x, y float64) float64 {
			return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) * y
		}},
		{"SoftCap", 6, func(d, x, y []float32) { copy(d, x); SoftCap(d, 3) }, func(_, x, _ float64) float64 { return 3 * math.Tanh(x/3) }},
	}
	eachTier(t, func(t *testing.T) {
		for _, o := range ops {
			for n := range 70 {
				r := newRand(uint64(n))
				x, y, d := normals(r, n+1, 3)[1:], normals(r, n, 1), append(normals(r, n, 1), 42)
				before := append([]float32(nil), d...)
				o.run(d[:n], x, y)
				for i := range n {
					want := o.want(float64(before[i]), float64(x[i]), float64(y[i]))
					// Far below zero an activation is the exponential of a large rounded argument: there its error is measured
					// against its input.
					tiny := math.Abs(float64(d[i])-want) < 1e-7*math.Abs(float64(x[i])*float64(y[i]))
					if u := ulps(d[i], want); u > o.limit && !tiny {
						t.Fatalf("%s n%d: element %d is %v, want %v: %.1f ulp", o.name, n, i, d[i], want, u)
					}
				}
				if d[n] != 42 {
					t.Fatalf("%s n%d: wrote past the end", o.name, n)
				}
				// An element alone has the bits that it has in the row.
				for i := range n {
					one := []float32{before[i]}
					o.run(one, x[i:i+1], y[i:i+1])
					if math.Float32bits(one[0]) != math.Float32bits(d[i]) {
						t.Fatalf("%s n%d: element %d is %v in the row and %v alone", o.name, n, i, d[i], one[0])
					}
				}
			}
		}
	})
}

// TestRowFunctionsEqualOnAllTiers checks the promise of elementwise.go: bit equality of what contains no exponential.
func TestRowFunctionsEqualOnAllTiers(t *testing.T) {
	ops := map[string]func(d, x, y []float32){
		"RMSNorm":      func(d, x, y []float32) { RMSNorm(d, x, y, 1e-5) },
		"RMSNorm ones": func(d, x, y []float32) { RMSNorm(d, x, nil, 1e-6) },
		"Add":          func(d, x, y []float32) { Add(d, x) },
		"AddScaled":    func(d, x, y []float32) { AddScaled(d, x, 0.3) },
		"Mul":          func(d, x, y []float32) { Mul(d, x) },
		"Scale":        func(d, x, y []float32) { Scale(d, 0.7) },
		"Dot":          func(d, x, y []float32) { d[0] = Dot(x, y) },
		"SumSquares":   func(d, x, y []float32) { d[0] = SumSquares(x) },
		"RotatePairs":  func(d, x, y []float32) { n := len(d) / 2; RotatePairs(d, x[:n], y[:n]) },
		"RotateHalves": func(d, x, y []float32) { n := len(d) / 2; RotateHalves(d, x[:n], y[:n]) },
	}
	for name, op := range ops {
		for n := 1; n < 300; n += 1 + n/40 {
			r := newRand(uint64(n))
			x, y, d := normals(r, n, 3), normals(r, n, 1), normals(r, n, 1)
			restore := Force(Generic)
			want := append([]float32(nil), d...)
			op(want, x, y)
			restore()
			eachTier(t, func(t *testing.T) {
				got := append([]float32(nil), d...)
				op(got, x, y)
				sameBits(t, fmt.Sprintf("%s n%d", name, n), got, want)
			})
		}
	}
}

func TestRMSNormIsAccurate(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		for _, n := range []int{1, 7, 64, 576, 2048, 8192} {
			r := newRand(uint64(n))
			x, w, d := normals(r, n, 3), normals(r, n, 1), make([]float32, n)
			RMSNorm(d, x, w, 1e-5)
			var sum float64
			for _, v := range x {
				sum += float64(v) * float64(v)
			}
			for i, v := range x {
				want := float64(v) / math.Sqrt(sum/float64(n)+1e-5) * float64(w[i])
				if u := ulps(d[i], want); u > 6 {
					t.Fatalf("n%d: %v, want %v: %.1f ulp", n, d[i], want, u)
				}
			}
			RMSNorm(x, x, w, 1e-5) // in place
			sameBits(t, "in place", x, d)
		}
	})
}

func TestSoftmax(t *testing.T) {
	inf := float32(math.Inf(1))
	eachTier(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 7, 8, 63, 64, 65, 100, 1000, 40000} {
			x := normals(newRand(uint64(n)), n+1, 4)
			x[n] = 42
			for i := 0; i < n; i += 5 {
				if i > 0 {
					x[i] = -inf
				}
			}
			want := make([]float64, n)
			top, sum := math.Inf(-1), 0.0
			for _, v := range x[:n] {
				top = max(top, float64(v))
			}
			for i, v := range x[:n] {
				want[i] = math.Exp(float64(v) - top)
				sum += want[i]
			}
			gotTop, gotSum := SoftmaxStats(x[:n])
			if float64(gotTop) != top || math.Abs(float64(gotSum)-sum) > 1e-5*sum {
				t.Fatalf("n%d: largest %v and sum %v, want %v and %v", n, gotTop, gotSum, top, sum)
			}
			for i, w := range want {
				if u := ulps(x[i], w/sum); w/sum > 1e-36 && u > 4-math.Log(w) || w == 0 && x[i] != 0 { // the distance to the maximum is rounded
					t.Fatalf("n%d: element %d is %v, want %v: %.1f ulp", n, i, x[i], w/sum, u)
				}
			}
			if x[n] != 42 {
				t.Fatalf("n%d: wrote past the end", n)
			}
		}
		blind := []float32{-inf, -inf, -inf}
		Softmax(blind)
		for _, v := range blind {
			if v != 0 {
				t.Fatalf("a row without scores became %v", blind)
			}
		}
	})
}

// TestSoftmaxScaledIsOneOnVectorTiers compares bits with those of AVX2, of the scores scaled beforehand.
func TestSoftmaxScaledIsOneOnVectorTiers(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, n := range []int{1, 5, 8, 9, 15, 16, 17, 63, 64, 100, 127, 128, 511, 512, 1000, 40000} {
		for _, s := range []float32{1, 0.125, 0.088388, -2, 0} {
			for _, hidden := range []int{0, 3, 1} { // none, every third, all
				x := normals(newRand(uint64(n)), n+1, 20)
				for i := range n {
					if hidden > 0 && i%hidden == 0 && s > 0 {
						x[i] = -inf
					}
				}
				var want []float32
				for _, tier := range Tiers() {
					if tier == Generic {
						continue
					}
					restore := Force(tier)
					y := append([]float32(nil), x...)
					top, sum := SoftmaxScaled(y[:n], s)
					y = append(y, top, sum)
					if want == nil {
						want = append([]float32(nil), x...)
						Scale(want[:n], s)
						top, sum := SoftmaxStats(want[:n])
						want = append(want, top, sum)
					}
					restore()
					sameBits(t, fmt.Sprintf("%v n%d s%v", tier, n, s), y, want)
				}
			}
		}
	}
}

func TestRotationKeepsTheRest(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		for _, n := range []int{1, 3, 4, 6, 8, 12, 32, 37} {
			r := newRand(uint64(n))
			x := normals(r, 2*n+5, 1)
			cos, sin := make([]float32, n), make([]float32, n)
			for i := range n {
				s, c := math.Sincos(float64(i) + 0.3)
				cos[i], sin[i] = float32(c), float32(s)
			}
			for name, at := range map[string]func(i int) (int, int){
				"pairs":  func(i int) (int, int) { return 2 * i, 2*i + 1 },
				"halves": func(i int) (int, int) { return i, i + n },
			} {
				y := append([]float32(nil), x...)
				if name == "pairs" {
					RotatePairs(y, cos, sin)
				} else {
					RotateHalves(y, cos, sin)
				}
				for i := range n {
					a, b := at(i)
					wa := float64(x[a])*float64(cos[i]) - float64(x[b])*float64(sin[i])
					wb := float64(x[b])*float64(cos[i]) + float64(x[a])*float64(sin[i])
					if math.Abs(float64(y[a])-wa) > 3e-7*4 || math.Abs(float64(y[b])-wb) > 3e-7*4 {
						t.Fatalf("%s n%d plane %d: (%v, %v), want (%v, %v)", name, n, i, y[a], y[b], wa, wb)
					}
				}
				sameBits(t, name, y[2*n:], x[2*n:])
			}
		}
	})
}

func BenchmarkElementwise(b *testing.B) {
	const n = 4096 // L1
	r := newRand(1)
	x, y, d := normals(r, n, 1), normals(r, n, 1), make([]float32, n)
	for name, f := range map[string]func(){
		"RMSNorm": func() { RMSNorm(d, x, y, 1e-5) },
		"SiLUMul": func() { SiLUMul(d, x, y) },
		"GELUMul": func() { GELUMul(d, x, y) },
		"Softmax": func() { copy(d, x); Softmax(d) },
		"SoftCap": func() { copy(d, x); SoftCap(d, 30) },
		"Add":     func() { Add(d, x) },
		"Dot":     func() { d[0] = Dot(x, y) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(4 * n)
			for b.Loop() {
				f()
			}
		})
	}
}
