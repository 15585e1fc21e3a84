package kernel

import (
	"math/rand/v2"
	"testing"
)

// Rounded keys are stored without further error, and cost queries from few directions far less than nearest codes do.
func TestKeyRoundingServesTheQueries(t *testing.T) {
	const d, n, directions = 64, 200, 6
	r := rand.New(rand.NewPCG(7, 7))
	basis := make([]float32, directions*d)
	for i := range basis {
		basis[i] = float32(r.NormFloat64())
	}
	query := func() []float32 {
		q := make([]float32, d)
		for i := range directions {
			Axpy(q, float32(r.NormFloat64()), basis[i*d:(i+1)*d])
		}
		for c := range q {
			q[c] += 0.1 * float32(r.NormFloat64())
		}
		return q
	}
	h, spread := make([]float64, d*d), make([]float64, d)
	for range 500 {
		q := query()
		for i := range d {
			for j := range d {
				h[i*d+j] += float64(q[i]) * float64(q[j])
			}
		}
	}
	keys := make([]float32, n*d)
	for i := range keys {
		keys[i] = float32(r.NormFloat64()) * float32(1+i%d%5)
	}
	for c := range spread {
		spread[c] = float64(1 + c%5)
	}
	for _, f := range []GroupFormat{{Bits: 4, Group: 64}, {Bits: 3, Group: 64}, {Bits: 2, Group: 32}} {
		stored := func(x []float32) []float32 {
			blocks := (n + f.Group - 1) / f.Group
			data, out := make([]byte, blocks*f.KeyBytes(d)), make([]float32, n*d)
			EncodeGroupK(data, x, n, d, f)
			DecodeGroupK(out, data, n, d, f)
			return out
		}
		nearest := stored(keys)
		rounded := append([]float32(nil), keys...)
		NewKeyRounding(h, spread, d).Round(rounded, n, f)
		again := stored(rounded)
		var nearestCost, roundedCost float64
		for range 100 {
			q := query()
			for k := range n {
				e := Dot(q, nearest[k*d:(k+1)*d]) - Dot(q, keys[k*d:(k+1)*d])
				nearestCost += float64(e * e)
				e = Dot(q, again[k*d:(k+1)*d]) - Dot(q, keys[k*d:(k+1)*d])
				roundedCost += float64(e * e)
			}
		}
		if roundedCost > nearestCost/4 {
			t.Errorf("%v: squared errors of scores %g, nearest codes %g", f, roundedCost, nearestCost)
		}
		for i, v := range again {
			if e := v - rounded[i]; e > 1e-3 || e < -1e-3 {
				t.Fatalf("%v: channel %d was rounded to %g and stored as %g", f, i, rounded[i], v)
			}
		}
	}
}

func TestKeyRoundingWithoutQueriesTakesTheNearest(t *testing.T) {
	const d, n = 32, 64
	keys := make([]float32, n*d)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range keys {
		keys[i] = float32(r.NormFloat64())
	}
	f := GroupFormat{Bits: 4, Group: 64}
	data, want := make([]byte, f.KeyBytes(d)), make([]float32, n*d)
	EncodeGroupK(data, keys, n, d, f)
	DecodeGroupK(want, data, n, d, f)
	NewKeyRounding(make([]float64, d*d), make([]float64, d), d).Round(keys, n, f)
	for i, v := range keys {
		if v != want[i] {
			t.Fatalf("channel %d: %g, want %g", i, v, want[i])
		}
	}
}
