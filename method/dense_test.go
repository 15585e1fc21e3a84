package method_test

import (
	"math"
	"testing"

	"pith/policy"
)

// Scores that no reference measured are compared with their formula, computed densely in float64 from the recorded layer.

// dense is the recorded layer in float64, a prefix of it so that quadratic sums stay short.
type dense struct {
	l       *policy.Layer
	n, d, g int
}

// denseTokens is how much of the recorded layer is taken.
const denseTokens = 500

func newDense(t *testing.T) *dense {
	t.Helper()
	r := readRecorded(t)
	whole := r.layer()
	l := whole.Slice(0, denseTokens)
	l.Prompt = denseTokens
	raw, d := r.data["Q_prerope.bin"], r.HeadDim
	l.Moments = func(skip int) []policy.Moments {
		out := make([]policy.Moments, r.QHeads)
		for h := range out {
			out[h] = denseMoments(raw[(h*r.Tokens+skip)*d:(h*r.Tokens+denseTokens)*d], d)
		}
		return out
	}
	return &dense{l: l, n: denseTokens, d: d, g: l.Group()}
}

func (x *dense) query(q, row int) []float64 {
	return widen(x.l.AllQueries[(row*x.l.QHeads+q)*x.d:][:x.d])
}

func (x *dense) key(h, j int) []float64   { return widen(x.l.Keys[h][j*x.d:][:x.d]) }
func (x *dense) value(h, j int) []float64 { return widen(x.l.Values[h][j*x.d:][:x.d]) }

func widen(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

func dot64(a, b []float64) float64 {
	var sum float64
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

// attention is the softmax of one row over keys [from, to).
func (x *dense) attention(q, row, from, to int, scale float64) []float64 {
	z, query := make([]float64, to-from), x.query(q, row)
	most := math.Inf(-1)
	for j := range z {
		z[j] = scale * dot64(query, x.key(q/x.g, from+j))
		most = max(most, z[j])
	}
	var sum float64
	for j := range z {
		z[j] = math.Exp(z[j] - most)
		sum += z[j]
	}
	for j := range z {
		z[j] /= sum
	}
	return z
}

func (x *dense) scale() float64 { return 1 / math.Sqrt(float64(x.d)) }

// unrotated turns a key back from its position.
func (x *dense) unrotated(h, j int) []float64 {
	k, out := x.key(h, j), make([]float64, x.d)
	for i, f := range x.l.Rotation.InvFreq {
		sin, cos := math.Sincos(-float64(x.l.Positions[j]) * float64(f))
		a, b := i, i+x.d/2
		out[a], out[b] = k[a]*cos-k[b]*sin, k[a]*sin+k[b]*cos
	}
	return out
}

func standardised(scores [][]float64) [][]float64 {
	var sum, squares, n float64
	for _, s := range scores {
		for _, v := range s {
			sum, n = sum+v, n+1
		}
	}
	for _, s := range scores {
		for _, v := range s {
			squares += (v - sum/n) * (v - sum/n)
		}
	}
	for _, s := range scores {
		for j := range s {
			s[j] = (s[j] - sum/n) / math.Sqrt(squares/(n-1))
		}
	}
	return scores
}

// each fills [KVHeads][n].
func (x *dense) each(f func(h, j int) float64) [][]float64 {
	out := make([][]float64, x.l.KVHeads)
	for h := range out {
		out[h] = make([]float64, x.n)
		for j := range out[h] {
			out[h][j] = f(h, j)
		}
	}
	return out
}

// check compares a recipe's scores with the dense ones wherever entries are not pinned.
func (x *dense) check(t *testing.T, spec string, base int, want [][]float64) {
	t.Helper()
	recipe, err := policy.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	run, err := recipe.NewRun(x.n, x.l.Layers, base)
	if err != nil {
		t.Fatal(err)
	}
	var scored *policy.Scored
	run.Observe = func(s *policy.Scored) { scored = s }
	if _, err := run.Layer(x.l); err != nil {
		t.Fatal(err)
	}
	var scale, worst float64
	for h, s := range scored.Scores {
		for j, v := range s {
			if !scored.IsPinned(j) {
				scale = max(scale, math.Abs(want[h][j]))
				worst = max(worst, math.Abs(want[h][j]-float64(v)))
			}
		}
	}
	if worst > scoreTolerance*scale || scale == 0 {
		t.Errorf("%s: scores differ by %g, the largest is %g", spec, worst, scale)
	}
}

// nonCausal64 is the score of noncausal over entries [from, to).
func (x *dense) nonCausal64(from, to, chunk int, scale float64) [][]float64 {
	sums := make([][]float64, x.l.KVHeads)
	for h := range sums {
		sums[h] = make([]float64, to-from)
	}
	for lo := from; lo < to; lo += chunk {
		hi := min(lo+chunk, to)
		for q := range x.l.QHeads {
			for row := lo; row < hi; row++ {
				for j, p := range x.attention(q, row, lo, hi, scale) {
					sums[q/x.g][lo-from+j] += p / float64(x.g)
				}
			}
		}
	}
	out := make([][]float64, len(sums))
	for h := range sums {
		for j := range sums[h] {
			v := x.value(h, from+j)
			sums[h][j] *= math.Sqrt(dot64(v, v))
		}
		out[h] = make([]float64, to-from)
		for j := range out[h] {
			for i := max(0, j-1); i < min(j+2, to-from); i++ {
				out[h][j] += sums[h][i] / 3
			}
		}
	}
	return standardised(out)
}

// leverage64 is the exact leverage over entries [from, to), by elimination.
func (x *dense) leverage64(from, to int) [][]float64 {
	out := make([][]float64, x.l.KVHeads)
	for h := range out {
		rows := make([][]float64, to-from)
		mean := make([]float64, x.d)
		for j := range rows {
			rows[j] = x.unrotated(h, from+j)
			for c, v := range rows[j] {
				mean[c] += v / float64(to-from)
			}
		}
		gram := make([][]float64, x.d)
		for a := range gram {
			gram[a] = make([]float64, x.d)
			gram[a][a] = 0.01
		}
		for _, row := range rows {
			for c := range row {
				row[c] -= mean[c]
			}
			for a := range gram {
				for b := range gram {
					gram[a][b] += row[a] * row[b]
				}
			}
		}
		for _, row := range rows {
			out[h] = append(out[h], dot64(row, solve(gram, row)))
		}
	}
	return standardised(out)
}

// solve returns m⁻¹b by Gaussian elimination with pivots.
func solve(m [][]float64, b []float64) []float64 {
	n := len(b)
	a := make([][]float64, n)
	for i := range a {
		a[i] = append(append([]float64(nil), m[i]...), b[i])
	}
	for c := range n {
		best := c
		for r := c; r < n; r++ {
			if math.Abs(a[r][c]) > math.Abs(a[best][c]) {
				best = r
			}
		}
		a[c], a[best] = a[best], a[c]
		for r := c + 1; r < n; r++ {
			f := a[r][c] / a[c][c]
			for i := c; i <= n; i++ {
				a[r][i] -= f * a[c][i]
			}
		}
	}
	x := make([]float64, n)
	for r := n - 1; r >= 0; r-- {
		x[r] = a[r][n]
		for c := r + 1; c < n; c++ {
			x[r] -= a[r][c] * x[c]
		}
		x[r] /= a[r][r]
	}
	return x
}

func TestNonCausalScoresAreTheFormula(t *testing.T) {
	x := newDense(t)
	x.check(t, "noncausal(chunk=128)", 100, x.nonCausal64(0, x.n, 128, x.scale()))
	x.check(t, "noncausal(chunk=256,scale=no)", 100, x.nonCausal64(0, x.n, 256, 1))
}

func TestLeverageScoresAreTheFormula(t *testing.T) {
	x := newDense(t)
	x.check(t, "leverage(sketch=0)", 100, x.leverage64(0, x.n))
}

// A sketch loses some of the geometry but not which entries are unlike the rest.
func TestSketchedLeverageFollowsTheExactOne(t *testing.T) {
	x := newDense(t)
	exact, sketched := leverageOf(t, x, "leverage(sketch=0)"), leverageOf(t, x, "leverage(sketch=48,seed=3)")
	var product, a, b float64
	for h := range exact {
		for j := range exact[h] {
			u, v := float64(exact[h][j]), float64(sketched[h][j]) // z-normalised
			product, a, b = product+u*v, a+u*u, b+v*v
		}
	}
	if r := product / math.Sqrt(a*b); r < 0.9 {
		t.Errorf("correlation with the exact leverage is %.3f", r)
	}
}

func leverageOf(t *testing.T, x *dense, spec string) [][]float32 {
	t.Helper()
	recipe, err := policy.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	scores, err := recipe.Score.Score(x.l)
	if err != nil {
		t.Fatal(err)
	}
	return scores
}

func TestCompactorScoresAreTheFormula(t *testing.T) {
	x := newDense(t)
	for _, c := range []struct {
		spec string
		base int
		mix  float64
	}{{"compactor(sketch=0)", 125, 0.75}, {"compactor(sketch=0,blending=0.35,chunk=64)", 125, 0.35}} {
		chunk := 256
		if c.mix == 0.35 {
			chunk = 64
		}
		unusual, seen := x.leverage64(8, x.n-4), x.nonCausal64(8, x.n-4, chunk, x.scale())
		x.check(t, c.spec, c.base, x.each(func(h, j int) float64 {
			if j < 8 || j >= x.n-4 {
				return 0
			}
			return c.mix*unusual[h][j-8] + seen[h][j-8]
		}))
	}
}

func TestFinchScoresAreTheFormula(t *testing.T) {
	x := newDense(t)
	const window = 24
	want := x.each(func(h, j int) float64 { return 0 })
	for q := range x.l.QHeads {
		for row := x.n - window; row < x.n; row++ {
			for j, p := range x.attention(q, row, 0, row+1, x.scale()) {
				want[q/x.g][j] += p * float64(row+1) / float64(window*x.g)
			}
		}
	}
	x.check(t, "finch(window=24)", 100, want)
}

// KVzip+ weighs each attention by what it adds to its row before the maximum is taken. The recorded rows stand for a pass of their own.
func TestKVzipPlusScoresAreTheFormula(t *testing.T) {
	x := newDense(t)
	const prompt, rows, from, sinks, dim = 300, 70, 100, 4, 8
	l := &policy.ProbeLayer{Probe: policy.Probe{From: from, To: prompt}, Rows: rows, QHeads: x.l.QHeads, KVHeads: x.l.KVHeads, HeadDim: x.d,
		Scale: x.l.Scale, Tokens: prompt, Queries: x.l.AllQueries[prompt*x.l.QHeads*x.d:][:rows*x.l.QHeads*x.d],
		Parallel: func(n int, f func(int)) {
			for i := range n {
				f(i)
			}
		}}
	for h := range x.l.KVHeads {
		l.Keys = append(l.Keys, x.l.Keys[h][:(prompt+rows)*x.d])
	}
	norm := func(q, j int) float64 { return 1 + float64((q*31+j*17)%23) }
	l.OutputNorms = func() [][]float32 {
		norms := make([][]float32, x.l.QHeads)
		for q := range norms {
			for j := from; j < prompt; j++ {
				norms[q] = append(norms[q], float32(norm(q, j)))
			}
		}
		return norms
	}
	for i := range rows * dim {
		l.Hidden = append(l.Hidden, float32(i%13)+1)
	}
	want := x.each(func(h, j int) float64 { return 0 })
	for q := range x.l.QHeads {
		for r := range rows {
			var z []float64 // over sinks, the chunk and the pass's own rows
			var entry []int
			for j := range prompt + r + 1 {
				if j < sinks || j >= from {
					z = append(z, math.Exp(x.scale()*dot64(x.query(q, prompt+r), x.key(q/x.g, j))))
					entry = append(entry, j)
				}
			}
			sum, hidden := 0.0, 0.0
			for _, v := range z {
				sum += v
			}
			for _, v := range l.Hidden[r*dim : (r+1)*dim] {
				hidden += float64(v) * float64(v)
			}
			for i, j := range entry {
				if j >= from && j < prompt {
					want[q/x.g][j] = max(want[q/x.g][j], z[i]/sum*norm(q, j)/math.Sqrt(hidden))
				}
			}
		}
	}
	recipe, err := policy.Parse("kvzip(plus=yes)")
	if err != nil {
		t.Fatal(err)
	}
	got, err := recipe.Prober().Tap(l)
	if err != nil {
		t.Fatal(err)
	}
	for h := range got {
		for j, v := range got[h] {
			if math.Abs(float64(v)-want[h][from+j]) > scoreTolerance*want[h][from+j] {
				t.Fatalf("head %d entry %d: %g, the formula says %g", h, from+j, v, want[h][from+j])
			}
		}
	}
}

func TestQFilterScoresAreTheFormula(t *testing.T) {
	x := newDense(t)
	filters := make([][]float64, x.l.KVHeads)
	moments := x.l.Moments(0)
	for q, m := range moments {
		// The dominant eigenvector by repeated squaring of the matrix: another way than the one under test.
		a := make([][]float64, x.d)
		for i := range a {
			for j := range a {
				a[i] = append(a[i], float64(m.Covariance[i*x.d+j])+float64(m.Mean[i])*float64(m.Mean[j]))
			}
		}
		for range 30 {
			b := make([][]float64, x.d)
			trace := 0.0
			for i := range b {
				for j := range a {
					b[i] = append(b[i], dot64(a[i], a[j]))
				}
				trace += b[i][i]
			}
			for i := range b {
				for j := range b {
					b[i][j] /= trace
				}
			}
			a = b
		}
		mean := widen(m.Mean)
		u := make([]float64, x.d)
		for i := range u {
			u[i] = dot64(a[i], mean) // a is now u·uᵀ
		}
		length := math.Sqrt(dot64(u, u))
		if filters[q/x.g] == nil {
			filters[q/x.g] = make([]float64, x.d)
		}
		for i, v := range u {
			filters[q/x.g][i] += v / length / float64(x.g)
		}
	}
	x.check(t, "qfilter", 100, x.each(func(h, j int) float64 { return dot64(filters[h], x.unrotated(h, j)) }))
}

// reach64 is the score of reach.
func (x *dense) reach64(distance int) [][]float64 {
	best := x.each(func(h, j int) float64 { return 0 })
	for q := range x.l.QHeads {
		for row := range x.n {
			for j, p := range x.attention(q, row, 0, row+1, x.scale()) {
				if row-j > distance {
					best[q/x.g][j] = max(best[q/x.g][j], p)
				}
			}
		}
	}
	return best
}

func TestReachScoresAreTheFormula(t *testing.T) {
	x := newDense(t)
	x.check(t, "reach", 100, x.reach64(16))
	x.check(t, "reach(distance=0,recent=0)", 100, x.reach64(0))
}

// Ranks are counted one by one.
func TestUnionScoresAreTheFormula(t *testing.T) {
	x := newDense(t)
	for spec, names := range map[string][2]string{
		"union(first=knorm,ranks=layer)": {"knorm", "lagkv"}, "union(first=keydiff,second=knorm,weight=1)": {"keydiff", "knorm"},
	} {
		ranks := func(name string) [][]float64 {
			recipe, err := policy.Parse(name)
			if err != nil {
				t.Fatal(err)
			}
			scores, err := recipe.Score.Score(x.l)
			if err != nil {
				t.Fatal(err)
			}
			sinks, recent := recipe.Score.Pinned(x.l)
			return x.each(func(h, j int) float64 {
				if j < sinks || j >= x.n-recent {
					return 1
				}
				below, all := 0, 0
				for other := range scores {
					if names[0] == "keydiff" && other != h {
						continue
					}
					for i := sinks; i < x.n-recent; i++ {
						all++
						if scores[other][i] < scores[h][j] {
							below++
						}
					}
				}
				return float64(below) / float64(all)
			})
		}
		a, b := ranks(names[0]), ranks(names[1])
		weight := 1.0
		if names[1] == "lagkv" {
			weight = float64(float32(0.9))
		}
		x.check(t, spec, 100, x.each(func(h, j int) float64 { return max(a[h][j], weight*b[h][j]) }))
	}
}
