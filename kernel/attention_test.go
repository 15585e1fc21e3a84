package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// eachTier runs f once on every tier of this machine.
func eachTier(t *testing.T, f func(t *testing.T)) {
	for _, tier := range Tiers() {
		t.Run(tier.String(), func(t *testing.T) {
			defer Force(tier)()
			f(t)
		})
	}
}

func normals(r *rand.Rand, n int, scale float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * scale)
	}
	return x
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// attentionCase is a prefill of rows rows at the end of nk keys.
type attentionCase struct {
	d, group, nk, rows int
	window, sinks      int
	softCap            float32
	scale              float64 // of queries and keys
}

func (c attentionCase) String() string {
	return fmt.Sprintf("d%d,g%d,nk%d,rows%d,w%d,s%d,cap%g,x%g", c.d, c.group, c.nk, c.rows, c.window, c.sinks, c.softCap, c.scale)
}

// attentionCases mixes head sizes (multiples of 16, of 8, and neither), groups, ragged ends and masks.
var attentionCases = []attentionCase{
	{d: 64, group: 1, nk: 1, rows: 1},
	{d: 64, group: 3, nk: 64, rows: 64},
	{d: 64, group: 3, nk: 200, rows: 70},
	{d: 64, group: 4, nk: 131, rows: 131, scale: 3},
	{d: 128, group: 2, nk: 257, rows: 33, softCap: 5},
	{d: 256, group: 4, nk: 190, rows: 65, window: 70},
	{d: 80, group: 2, nk: 100, rows: 64, window: 1},
	{d: 16, group: 9, nk: 129, rows: 129, softCap: 2},
	{d: 8, group: 1, nk: 300, rows: 66, window: 64, sinks: 4},
	{d: 24, group: 5, nk: 77, rows: 20},
	{d: 4, group: 2, nk: 65, rows: 65},
	{d: 13, group: 2, nk: 90, rows: 30, window: 17, sinks: 70},
	{d: 64, group: 2, nk: 1000, rows: 64, window: 100, sinks: 3},
	{d: 64, group: 2, nk: 300, rows: 128, scale: 40},
	{d: 96, group: 3, nk: 333, rows: 97, softCap: 8},
	{d: 32, group: 5, nk: 150, rows: 45, window: 33, sinks: 40},
	{d: 128, group: 1, nk: 95, rows: 17},
}

// setup returns the attention of a case with random data; First places the rows at the end.
func (c attentionCase) setup(seed uint64) (a *Attention, q []float32, qStride int) {
	r := newRand(seed)
	s := c.scale
	if s == 0 {
		s = 1
	}
	a = &Attention{
		HeadDim: c.d, Group: c.group, Scale: float32(1 / math.Sqrt(float64(c.d))), SoftCap: c.softCap,
		Keys: normals(r, c.nk*c.d, s), Values: normals(r, c.nk*c.d, 1), First: c.nk - c.rows, Sinks: c.sinks,
	}
	if c.window > 0 {
		a.Lo = make([]int32, c.rows)
		for i := range a.Lo {
			a.Lo[i] = int32(max(0, a.First+i+1-c.window))
		}
	}
	qStride = c.group*c.d + 5
	return a, normals(r, c.rows*qStride, s), qStride
}

func (a *Attention) visible(i, j int) bool {
	return j < a.First+i+1 && (j >= a.lo(i) || j < a.Sinks)
}

// naiveRow is the attention of one row and head in f64: probabilities, log-sum-exp and output.
func (a *Attention) naiveRow(q []float32, i int) (p []float64, lse float64, out []float64) {
	nk := len(a.Keys) / a.HeadDim
	p = make([]float64, nk)
	top := math.Inf(-1)
	for j := range p {
		p[j] = math.Inf(-1)
		if a.visible(i, j) {
			var s float64
			for c, v := range q {
				s += float64(v) * float64(a.Keys[j*a.HeadDim+c])
			}
			s *= float64(a.Scale)
			if a.SoftCap > 0 {
				s = float64(a.SoftCap) * math.Tanh(s/float64(a.SoftCap))
			}
			p[j] = s
			top = max(top, s)
		}
	}
	var sum float64
	for j := range p {
		p[j] = math.Exp(p[j] - top)
		sum += p[j]
	}
	out = make([]float64, a.HeadDim)
	for j := range p {
		p[j] /= sum
		for c := range out {
			out[c] += p[j] * float64(a.Values[j*a.HeadDim+c])
		}
	}
	return p, top + math.Log(sum), out
}

// tolerance of a probability: a score's rounding error is about its magnitude times a few units in the last place, and
// acts as a relative error on the weight.
func (c attentionCase) tolerance() float64 {
	s := max(c.scale, 1)
	return 2e-6 * max(1, s*s/4)
}

func TestAttentionRows(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		s := NewAttentionScratch()
		for n, c := range attentionCases {
			a, q, qStride := c.setup(uint64(n))
			a.LSE = make([]float32, c.rows*c.group)
			outStride := c.group*c.d + 3
			out := make([]float32, c.rows*outStride)
			for i := range out {
				out[i] = 99
			}
			a.Rows(out, q, outStride, qStride, c.rows, s)
			tol := c.tolerance()
			for i := range c.rows {
				for g := range c.group {
					_, lse, want := a.naiveRow(q[i*qStride+g*c.d:i*qStride+(g+1)*c.d], i)
					if e := math.Abs(float64(a.LSE[i*c.group+g]) - lse); !(e <= tol*max(1, math.Abs(lse))) {
						t.Fatalf("%v: row %d head %d: lse %v, want %v", c, i, g, a.LSE[i*c.group+g], lse)
					}
					for k, w := range want {
						if v := out[i*outStride+g*c.d+k]; !(math.Abs(float64(v)-w) <= 4*tol) {
							t.Fatalf("%v: row %d head %d channel %d: %v, want %v", c, i, g, k, v, w)
						}
					}
				}
				for _, v := range out[i*outStride+c.group*c.d : (i+1)*outStride] {
					if v != 99 {
						t.Fatalf("%v: wrote past row %d", c, i)
					}
				}
			}
		}
	})
}

// TestAttentionRowsChunks checks that a row's bits depend neither on the rows beside it nor on keys it does not see.
func TestAttentionRowsChunks(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		s := NewAttentionScratch()
		for n, c := range slices.Concat(attentionCases, attentionCases) {
			a, q, qStride := c.setup(uint64(n))
			a.BF16 = n < len(attentionCases)
			stride := c.group * c.d
			whole, lse := make([]float32, c.rows*stride), make([]float32, c.rows*c.group)
			a.LSE = lse
			a.Rows(whole, q, stride, qStride, c.rows, s)
			for _, chunk := range []int{1, 7, 64} {
				for i := 0; i < c.rows; i += chunk {
					m := min(chunk, c.rows-i)
					b := *a
					b.First, b.LSE = a.First+i, make([]float32, m*c.group)
					if a.Lo != nil {
						b.Lo = a.Lo[i:]
					}
					end := (b.First + m) * c.d
					b.Keys, b.Values = a.Keys[:end:end], a.Values[:end:end]
					out := make([]float32, m*stride)
					b.Rows(out, q[i*qStride:], stride, qStride, m, s)
					sameBits(t, fmt.Sprintf("%v chunk %d row %d", c, chunk, i), out, whole[i*stride:(i+m)*stride])
					sameBits(t, "lse", b.LSE, lse[i*c.group:(i+m)*c.group])
				}
			}
		}
	})
}

func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: element %d: %v, want %v", what, i, got[i], want[i])
		}
	}
}

func TestAttentionColumnSums(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		s := NewAttentionScratch()
		for n, c := range attentionCases {
			a, q, qStride := c.setup(uint64(n))
			a.LSE = make([]float32, c.rows*c.group)
			stride := c.group * c.d
			a.Rows(make([]float32, c.rows*stride), q, stride, qStride, c.rows, s)
			want := make([]float64, c.group*c.nk)
			for i := range c.rows {
				for g := range c.group {
					p, _, _ := a.naiveRow(q[i*qStride+g*c.d:i*qStride+(g+1)*c.d], i)
					for j, v := range p {
						want[g*c.nk+j] += v
					}
				}
			}
			got := make([]float32, c.group*c.nk)
			for b := 0; b*keyBlock < c.nk; b++ {
				a.ColumnSums(got, c.nk, q, qStride, c.rows, b, s)
			}
			for j, w := range want {
				if !(math.Abs(float64(got[j])-w) <= 4*c.tolerance()*max(1, w)) {
					t.Fatalf("%v: sum %d: %v, want %v", c, j, got[j], w)
				}
			}
			// In chunks that end at multiples of 64 of the row's position.
			again := make([]float32, c.group*c.nk)
			for i := 0; i < c.rows; {
				m := min(64-(a.First+i)%64, c.rows-i)
				part := *a
				part.First, part.LSE = a.First+i, a.LSE[i*c.group:]
				if a.Lo != nil {
					part.Lo = a.Lo[i:]
				}
				for b := 0; b*keyBlock < c.nk; b++ {
					part.ColumnSums(again, c.nk, q[i*qStride:], qStride, m, b, s)
				}
				i += m
			}
			sameBits(t, c.String(), again, got)
		}
	})
}

func TestAttentionTopProbs(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		s := NewAttentionScratch()
		for n, c := range attentionCases {
			for _, half := range []bool{false, true} {
				for _, back := range []int{0, 1, 17, c.nk} { // rows see so many keys less in the second pass
					a, q, qStride := c.setup(uint64(n))
					dense, rounded := *a, q
					if a.BF16 = half; a.tile().half() {
						dense.Keys, rounded = roundedToBF16(a.Keys), roundedToBF16(q)
					}
					a.LSE = make([]float32, c.rows*c.group)
					stride := c.group * c.d
					a.Rows(make([]float32, c.rows*stride), q, stride, qStride, c.rows, s)
					want, got := make([]float64, c.nk), make([]float32, c.nk)
					for j := range got {
						got[j] = float32(math.Inf(-1))
					}
					for i := range c.rows {
						for g := range c.group {
							p, _, _ := dense.naiveRow(rounded[i*qStride+g*c.d:][:c.d], i)
							for j := range max(0, a.First+i+1-back) {
								want[j] = max(want[j], p[j])
							}
						}
					}
					a.First -= back
					a.TopProbs(got, q, qStride, c.rows, s)
					for j, w := range want {
						if v := math.Exp2(float64(got[j])); !(math.Abs(v-w) <= 4*c.tolerance()) || w == 0 && v != 0 {
							t.Fatalf("%v, %d back: key %d: %v, want %v", c, back, j, v, w)
						}
					}
				}
			}
		}
	})
}

func TestAttentionWindowProbs(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		s := NewAttentionScratch()
		for n, c := range attentionCases {
			a, q, qStride := c.setup(uint64(n))
			probs := make([]float32, c.rows*c.group*c.nk)
			a.WindowProbs(probs, q, qStride, c.rows, s)
			for i := range c.rows {
				for g := range c.group {
					p, _, _ := a.naiveRow(q[i*qStride+g*c.d:i*qStride+(g+1)*c.d], i)
					for j, w := range p {
						if v := probs[(i*c.group+g)*c.nk+j]; !(math.Abs(float64(v)-w) <= c.tolerance()) || w == 0 && v != 0 {
							t.Fatalf("%v: row %d head %d key %d: %v, want %v", c, i, g, j, v, w)
						}
					}
				}
			}
		}
	})
}

// TestAttentionBlindRow checks that a row whose window is empty gives zeros and does not disturb its neighbours.
func TestAttentionBlindRow(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		c := attentionCase{d: 16, group: 1, nk: 20, rows: 3}
		a, q, qStride := c.setup(1)
		a.Lo = []int32{0, 19, 0}
		a.LSE = make([]float32, 3)
		out := make([]float32, 3*16)
		a.Rows(out, q, 16, qStride, 3, NewAttentionScratch())
		for _, v := range out[16:32] {
			if v != 0 {
				t.Fatalf("blind row gives %v", v)
			}
		}
		if !math.IsInf(float64(a.LSE[1]), -1) {
			t.Fatalf("lse of a blind row is %v", a.LSE[1])
		}
		if a.LSE[0] != a.LSE[0] || out[0] == 0 || out[32] == 0 {
			t.Fatal("neighbours of a blind row are damaged")
		}
		sums := make([]float32, 20)
		a.ColumnSums(sums, 20, q, qStride, 3, 0, NewAttentionScratch())
		var total float32
		for _, v := range sums {
			total += v
		}
		if math.Abs(float64(total)-2) > 1e-5 {
			t.Fatalf("column sums add to %v, want the 2 rows that see something", total)
		}
	})
}

func TestAttentionAllocatesNothing(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		c := attentionCase{d: 64, group: 3, nk: 200, rows: 64}
		a, q, qStride := c.setup(1)
		a.LSE = make([]float32, c.rows*c.group)
		s := NewAttentionScratch()
		out := make([]float32, c.rows*c.group*c.d)
		sums := make([]float32, c.group*c.nk)
		probs := make([]float32, 8*c.group*c.nk)
		n := testing.AllocsPerRun(3, func() {
			a.Rows(out, q, c.group*c.d, qStride, c.rows, s)
			a.ColumnSums(sums, c.nk, q, qStride, c.rows, 1, s)
			a.TopProbs(probs, q, qStride, c.rows, s)
			a.WindowProbs(probs, q, qStride, 8, s)
		})
		if n != 0 {
			t.Fatalf("%v allocations", n)
		}
	})
}
