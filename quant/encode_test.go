package quant

import (
	"crypto/sha256"
	"fmt"
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

// TestEncodeIsTheSameEverywhere pins the encoders' bytes, so that a requantised or synthetic model has one digest
// whatever machine wrote it. The inputs come from integers: no library function that could differ is involved.
func TestEncodeIsTheSameEverywhere(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 13))
	x := make([]float32, 1<<14)
	for i := range x {
		// The sum of four uniform numbers is bell-shaped.
		n := int64(rng.Uint32N(1<<16)) + int64(rng.Uint32N(1<<16)) + int64(rng.Uint32N(1<<16)) + int64(rng.Uint32N(1<<16))
		x[i] = float32(n-1<<17) / (1 << 20)
	}
	want := map[Type]string{
		F32:  "b90b8ef1e2888362",
		F16:  "0c6eda77950c5de4",
		Q4_0: "ea8fe61f85b27232",
		Q4_1: "891acc0507ca7a6a",
		Q8_0: "6957c87563c2c50e",
		Q4_K: "12b339011469bbea",
		Q6_K: "e786f9ed7cfed7cb",
		BF16: "6d7500aa86536cd7",
	}
	for _, f := range Formats() {
		if f.Encode == nil {
			continue
		}
		raw := make([]byte, f.Bytes(len(x)))
		f.Encode(raw, x)
		if got := fmt.Sprintf("%x", sha256.Sum256(raw))[:16]; got != want[f.Type] {
			t.Errorf("%s: digest %s, want %s", f.Name, got, want[f.Type])
		}
	}
}
