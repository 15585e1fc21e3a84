package quant

import (
	"math"
	"math/rand/v2"
	"testing"
)

// maxRelativeError bounds the root mean square error of Encode on gaussian weights, relative to their deviation. The
// figures are some 3% above what the encoders reach.
var maxRelativeError = map[Type]float64{
	F32: 0, F16: 2.2e-4, BF16: 1.75e-3, Q4_0: 0.085, Q4_1: 0.075, Q8_0: 0.0055, Q4_K: 0.076, Q6_K: 0.0175,
}

func TestEncodeKeepsWeights(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 1<<16)
	for i := range x {
		x[i] = float32(rng.NormFloat64()) * 0.02
	}
	for _, f := range Formats() {
		if f.Encode == nil {
			continue
		}
		limit, ok := maxRelativeError[f.Type]
		if !ok {
			t.Fatalf("%s: no error limit", f.Name)
		}
		raw, back := make([]byte, f.Bytes(len(x))), make([]float32, len(x))
		f.Encode(raw, x)
		f.Decode(back, raw)
		var sum, sumX float64
		for i := range x {
			d := float64(x[i] - back[i])
			sum += d * d
			sumX += float64(x[i]) * float64(x[i])
		}
		e := math.Sqrt(sum / sumX)
		t.Logf("%-5s relative error %.5f", f.Name, e)
		if e > limit {
			t.Errorf("%s: relative error %.5f above %g", f.Name, e, limit)
		}
	}
}

func TestEncodeOfOddBlocks(t *testing.T) {
	blocks := map[string]func(i int) float32{
		"zeros":     func(int) float32 { return 0 },
		"constant":  func(int) float32 { return 3 },
		"negative":  func(int) float32 { return -3 },
		"one spike": func(i int) float32 { return float32(i % 32 / 31) },
		"tiny":      func(i int) float32 { return float32(i%7-3) * 1e-38 },
		"huge":      func(i int) float32 { return float32(i%7-3) * 1e38 },
		"ramp":      func(i int) float32 { return float32(i)/128 - 1 },
		"not finite": func(i int) float32 {
			return []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1}[i%4]
		},
	}
	for name, block := range blocks {
		x := make([]float32, 256)
		var top float32
		for i := range x {
			x[i] = block(i)
			top = max(top, x[i], -x[i])
		}
		for _, f := range Formats() {
			if f.Encode == nil {
				continue
			}
			raw, back := make([]byte, f.Bytes(len(x))), make([]float32, len(x))
			f.Encode(raw, x) // must not panic, whatever the input
			f.Decode(back, raw)
			if name == "huge" || name == "not finite" {
				continue
			}
			for i := range x {
				if d := max(x[i]-back[i], back[i]-x[i]); !(d <= top*0.13+1e-7) {
					t.Errorf("%s %s: weight %d is %g, came back as %g", f.Name, name, i, x[i], back[i])
					break
				}
			}
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 4096)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	for _, f := range Formats() {
		if f.Encode == nil {
			continue
		}
		b.Run(f.Name, func(b *testing.B) {
			raw := make([]byte, f.Bytes(len(x)))
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				f.Encode(raw, x)
			}
		})
	}
}
