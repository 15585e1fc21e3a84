package kernel

import (
	"math"
	"testing"
)

// Four levels a standard deviation apart leave .1188 of the variance of normal numbers (Max, Quantizing for minimum distortion, 1960, table II), in any direction, and
// however much larger some channels are.
func TestSketchLosesWhatFourLevelsLose(t *testing.T) {
	r := newRand(1)
	for _, d := range []int{64, 128} {
		for _, outlier := range []float32{1, 8} {
			var lost, whole float64
			for range 40 {
				k := normals(r, SketchTokens*d, 1)
				for i := range k {
					if i%d == 5 {
						k[i] *= outlier
					}
					k[i] += float32(i % d)
				}
				rough := sketchAndBack(k, d)
				mean := make([]float64, d)
				for i, v := range k {
					mean[i%d] += float64(v) / SketchTokens
				}
				for i, v := range k {
					lost += sqr(float64(v) - float64(rough[i]))
					whole += sqr(float64(v) - mean[i%d])
				}
			}
			if share := lost / whole; share > 0.125 || outlier == 1 && share < 0.11 {
				t.Errorf("%d channels, one %g times as large: %.4f of the variance is lost", d, outlier, share)
			}
		}
	}
}

func sqr(x float64) float64 { return x * x }

func sketchAndBack(k []float32, d int) []float32 {
	block, rough := make([]byte, SketchBytes(d)), make([]float32, SketchTokens*d)
	EncodeSketch(block, append([]float32(nil), k...), d)
	DecodeSketch(rough, block, d)
	return rough
}

// Products with a sketch are those with the keys that it stands for, but for the rounding of the turned query: half a unit a channel, times at most 1.5 steps.
func TestSketchProducts(t *testing.T) {
	r := newRand(3)
	for _, d := range []int{64, 80, 128, 256, 20, 7} {
		for g := 1; g <= 9; g++ {
			const count = 5
			k, q := normals(r, count*SketchTokens*d, 1), normals(r, g*d, 1)
			for i := range k {
				k[i] += float32(i % d % 5)
			}
			k[3*d] = float32(math.NaN())
			var blocks []*byte
			rough := make([]float32, len(k))
			for b := range count {
				block := make([]byte, SketchBytes(d))
				EncodeSketch(block, append([]float32(nil), k[b*SketchTokens*d:(b+1)*SketchTokens*d]...), d)
				DecodeSketch(rough[b*SketchTokens*d:], block, d)
				blocks = append(blocks, &block[0])
			}
			const scale, stride = 0.125, count*SketchTokens + 3
			var s SketchQueries
			s.Set(q, g, d, scale)
			dst, reference := make([]float32, g*stride), make([]float32, g*stride)
			s.Dot(dst, stride, blocks, count-1)
			s.Dot(dst[(count-1)*SketchTokens:], stride, blocks[count-1:], 1)
			dotSketchGeneric(&s, reference, stride, blocks, count)
			for h := range g {
				for j := range count * SketchTokens {
					got := dst[h*stride+j]
					if got != reference[h*stride+j] && got == got {
						t.Fatalf("%d channels, query %d of %d, key %d: %g, portable %g", d, h, g, j, got, reference[h*stride+j])
					}
					if j < SketchTokens { // the block of the NaN: its mean is none
						continue
					}
					want, step := 0.0, 0.0
					for c := range d {
						want += scale * float64(q[h*d+c]) * float64(rough[j*d+c])
					}
					step = float64(s.unit[h]) / 2 * float64(d) * 1.5 * 2 // a scale is below 2
					if math.Abs(float64(got)-want) > step+1e-3 {
						t.Fatalf("%d channels, query %d of %d, key %d: %g, want %g within %g", d, h, g, j, got, want, step)
					}
				}
			}
		}
	}
}

// Weights are powers of two to the rounding of their polynomial, and sums leave out what has no loss.
func TestSketchWeights(t *testing.T) {
	r := newRand(6)
	for _, n := range []int{64, 128, 192, 1024} {
		x := normals(r, n, 20)
		x[7] = -400
		scores := append([]float32(nil), x...)
		weights := make([]uint16, n)
		top, sum := SketchWeights(weights, x)
		largest, total := math.Inf(-1), 0.0
		for _, v := range scores {
			largest = max(largest, float64(v))
		}
		for i, v := range scores {
			want := math.Exp2(max(float64(v)-largest, -125))
			if got := float64(bf16(weights[i])); math.Abs(got-want) > (8e-5+1.0/256)*want {
				t.Fatalf("2^%g: %g, want %g", float64(v)-largest, got, want)
			}
			total += want
		}
		if float64(top) != largest || math.Abs(float64(sum)-total) > 1e-4*total {
			t.Fatalf("top %g and sum %g, want %g and %g", top, sum, largest, total)
		}
		loss, rest := normals(r, n, 1), make([]float32, n/MeanTokens)
		SketchRest(rest, weights, loss)
		for i, got := range rest {
			want := 0.0
			for j := i * MeanTokens; j < (i+1)*MeanTokens; j++ {
				if loss[j] >= 0 {
					want += float64(bf16(weights[j]))
				}
			}
			if math.Abs(float64(got)-want) > 1e-5*want {
				t.Fatalf("rest %d: %g, want %g", i, got, want)
			}
		}
	}
}

// A loss is a product with the number that a byte stands for, whatever the number of heads.
func TestSketchLoss(t *testing.T) {
	r := newRand(7)
	for g := 1; g <= 9; g++ {
		const n, stride = 192, 200
		shares, dst, weights := normals(r, g, 1), normals(r, n, 1), make([]uint16, g*stride)
		for i, v := range normals(r, len(weights), 1) {
			weights[i] = uint16(math.Float32bits(v) >> 16)
		}
		deviations, codes := make([]float64, n), make([]byte, n)
		for i := range deviations {
			deviations[i] = math.Exp2(-16 + 31*r.Float64())
			codes[i] = DeviationByte(float32(deviations[i]))
		}
		SketchLoss(dst, weights, stride, shares, codes)
		for i, got := range dst {
			sum, size := 0.0, 0.0
			for h, s := range shares {
				x := float64(s) * float64(bf16(weights[h*stride+i]))
				sum, size = sum+x, size+math.Abs(x)
			}
			if math.Abs(float64(got)/deviations[i]-sum) > math.Abs(sum)/16+1e-5*size {
				t.Fatalf("%d heads, loss %d: %g, want %g times %g", g, i, got, deviations[i], sum)
			}
		}
	}
}

func TestDeviationByteHoldsAnyNumber(t *testing.T) {
	for x, want := range map[float32]byte{0: 0, 1e-30: 0, 0x1p-16: 0, 0x1.2p-16: 1, 1: 128, 1.0625: 129, 1.06: 128, 0x1.ep15: 255, 1e30: 255, float32(math.Inf(1)): 255} {
		if got := DeviationByte(x); got != want {
			t.Errorf("%g: %d, want %d", x, got, want)
		}
	}
	if got := DeviationByte(float32(math.NaN())); got != 255 {
		t.Errorf("NaN: %d, want 255", got)
	}
}

func BenchmarkSketch(b *testing.B) {
	r := newRand(5)
	const d, count, g = 64, 16, 3
	k := normals(r, SketchTokens*d, 1)
	var blocks []*byte
	for range count {
		block := make([]byte, SketchBytes(d))
		EncodeSketch(block, append([]float32(nil), k...), d)
		blocks = append(blocks, &block[0])
	}
	var s SketchQueries
	s.Set(normals(r, g*d, 1), g, d, 1)
	dst := make([]float32, g*count*SketchTokens)
	for b.Loop() {
		s.Dot(dst, count*SketchTokens, blocks, count)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(count*SketchTokens), "ns/key")
}

func BenchmarkEncodeSketch(b *testing.B) {
	const d = 64
	keys, dst := normals(newRand(5), SketchTokens*d, 1), make([]byte, SketchBytes(d))
	used := make([]float32, len(keys))
	for b.Loop() {
		copy(used, keys)
		EncodeSketch(dst, used, d)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/SketchTokens, "ns/key")
}
