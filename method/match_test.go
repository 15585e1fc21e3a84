package method_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pith/engine"
	"pith/kvcache"
	"pith/policy"
)

// matched is the recorded layer with every third entry kept, and what match makes of head h: its formula is checked in float64.
type matched struct {
	*dense
	h            int
	kept         []int
	queries      [][]float64 // at positions after the prompt
	mass         []float64   // of the whole
	out          [][]float64
	keys, values []float32 // kept, as they were
	k, v         []float32 // kept, matched
}

func newMatched(t *testing.T, spec string, h, rows, every int) *matched {
	t.Helper()
	m := &matched{dense: newDense(t), h: h}
	for j := 0; j < m.n; j += every {
		m.kept = append(m.kept, j)
		m.keys = append(m.keys, m.l.Keys[h][j*m.d:(j+1)*m.d]...)
		m.values = append(m.values, m.l.Values[h][j*m.d:(j+1)*m.d]...)
	}
	m.k, m.v = append([]float32(nil), m.keys...), append([]float32(nil), m.values...)
	r, err := policy.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	fit, err := r.Fit.Fit(m.l)
	if err != nil {
		t.Fatal(err)
	}
	fit(h, m.k, m.v, kvcache.Uniform(kvcache.F32))
	for i := range rows {
		row := (2*i + 1) * m.n / (2 * rows)
		part := float64(i) * (math.Sqrt(5) - 1) / 2
		at := float64(m.l.Positions[m.n-1]) + 1 + math.Floor((part-math.Floor(part))*1024)
		for q := h * m.g; q < (h+1)*m.g; q++ {
			m.ask(m.turned(m.query(q, row), at-float64(m.l.Positions[row])))
		}
	}
	return m
}

// turned is a query that stands so many positions later.
func (m *matched) turned(q []float64, by float64) []float64 {
	out := append([]float64(nil), q...)
	for i, f := range m.l.Rotation.InvFreq {
		sin, cos := math.Sincos(by * float64(f))
		a, b := i, i+m.d/2
		out[a], out[b] = q[a]*cos-q[b]*sin, q[a]*sin+q[b]*cos
	}
	return out
}

// ask adds a query with what the whole prompt answers.
func (m *matched) ask(q []float64) {
	p, mass := m.read(q, m.l.Keys[m.h])
	out := make([]float64, m.d)
	for j, w := range p {
		for c, v := range m.value(m.h, j) {
			out[c] += w * v
		}
	}
	m.queries, m.mass, m.out = append(m.queries, q), append(m.mass, mass), append(m.out, out)
}

// read is the attention of a query over keys, and the log of its mass.
func (m *matched) read(q []float64, keys []float32) (p []float64, mass float64) {
	most := math.Inf(-1)
	for j := 0; j < len(keys); j += m.d {
		z := m.scale() * dot64(q, widen(keys[j:j+m.d]))
		p, most = append(p, z), max(most, z)
	}
	sum := 0.0
	for j := range p {
		p[j] = math.Exp(p[j] - most)
		sum += p[j]
	}
	for j := range p {
		p[j] /= sum
	}
	return p, most + math.Log(sum)
}

// loss is the mean squared error of what the queries read, and of the log of the mass they meet.
func (m *matched) loss(keys, values []float32) (output, mass float64) {
	for i, q := range m.queries {
		p, z := m.read(q, keys)
		mass += (z - m.mass[i]) * (z - m.mass[i]) / float64(len(m.queries))
		for c := range m.d {
			e := -m.out[i][c]
			for j, w := range p {
				e += w * float64(values[j*m.d+c])
			}
			output += e * e / float64(len(m.queries))
		}
	}
	return output, mass
}

// Values must solve their least squares, whichever of the two systems is the smaller: the gradient is zero.
func TestMatchedValuesAreLeastSquares(t *testing.T) {
	for _, c := range []struct {
		spec        string
		rows, every int
	}{
		{"match(rows=100,ridge=0.1)", 100, 3}, // 300 queries, 167 entries
		{"match(rows=20,ridge=0.1)", 20, 3},   // 60 queries
		{"match(rows=20,ridge=0.1,mass=0)", 20, 9},
	} {
		m := newMatched(t, c.spec, 1, c.rows, c.every)
		n, d := len(m.kept), m.d
		weights, norm := make([][]float64, len(m.queries)), 0.0
		for i, q := range m.queries {
			weights[i], _ = m.read(q, m.k)
			norm += dot64(weights[i], weights[i]) / float64(len(m.queries))
		}
		lambda := 0.1 * float64(n) / float64(len(m.queries)) * norm
		var gradient, size float64
		for j := range n {
			for ch := range d {
				pull := lambda * float64(m.v[j*d+ch]-m.values[j*d+ch])
				g := pull
				for i, w := range weights {
					if w[j] < 1e-9 {
						continue
					}
					e := -m.out[i][ch]
					for k, u := range w {
						e += u * float64(m.v[k*d+ch])
					}
					g += w[j] * e
				}
				gradient, size = gradient+g*g, size+pull*pull
			}
		}
		if !(size > 0) || math.Sqrt(gradient/size) > 0.01 {
			t.Errorf("%s: the gradient is %.2g of the ridge's pull", c.spec, math.Sqrt(gradient/size))
		}
	}
}

// The shift must be the same for all keys and solve its least squares.
func TestMatchedKeysShareTheMissingMass(t *testing.T) {
	m := newMatched(t, "match(rows=60,mass=0.1,ridge=0)", 0, 60, 4)
	d := m.d
	s := make([]float64, d)
	for c := range d {
		s[c] = float64(m.k[c]) - float64(m.keys[c])
	}
	for i := range m.k {
		if math.Abs(float64(m.k[i])-float64(m.keys[i])-s[i%d]) > 1e-5 {
			t.Fatalf("key %d channel %d moved by %g, the first by %g", i/d, i%d, m.k[i]-m.keys[i], s[i%d])
		}
		if m.v[i] != m.values[i] {
			t.Fatal("values moved")
		}
	}
	gradient, pull, trace := make([]float64, d), 0.0, 0.0
	for i, q := range m.queries {
		_, kept := m.read(q, m.keys)
		e := m.scale()*dot64(q, s) + kept - m.mass[i]
		for c := range d {
			gradient[c] += e * m.scale() * q[c]
			trace += m.scale() * m.scale() * q[c] * q[c]
		}
	}
	var sum float64
	for c := range d {
		own := 0.1 * trace / float64(d) * s[c]
		sum += (gradient[c] + own) * (gradient[c] + own)
		pull += own * own
	}
	if !(pull > 0) || math.Sqrt(sum/pull) > 1e-3 {
		t.Errorf("the gradient is %.2g of the ridge's pull", math.Sqrt(sum/pull))
	}
}

// Queries that were not in the sample must find more of the whole in what is matched, also in four bits.
func TestMatchServesQueriesThatItHasNotSeen(t *testing.T) {
	for h := range 3 {
		m := newMatched(t, "match(rows=100)", h, 0, 4)
		r := rand.New(rand.NewPCG(1, uint64(h)))
		for range 60 {
			row := r.IntN(m.n)
			m.ask(m.turned(m.query(h*m.g+r.IntN(m.g), row), float64(m.n-row+r.IntN(500))))
		}
		output, mass := m.loss(m.keys, m.values)
		matched, shifted := m.loss(m.k, m.v)
		if matched > 0.7*output || shifted > 0.5*mass {
			t.Errorf("head %d: error of outputs %.3g, matched %.3g; of masses %.3g, %.3g", h, output, matched, mass, shifted)
		}
	}
}

// What a fit holds until its layer is decided is memory of the prefill: one layer's, with a second pass all layers'.
func TestPrefillBytesCountWhatFitsHold(t *testing.T) {
	e := openTiny(t, "llama-tied-f32", engine.Options{Threads: 1})
	c := e.Config()
	bytes := func(spec string) int64 {
		r, err := policy.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		return e.PrefillBytes(700, r)
	}
	works := func(rows int) int64 { // of one thread
		r, err := policy.Parse(fmt.Sprintf("match(rows=%d)", rows))
		if err != nil {
			t.Fatal(err)
		}
		return r.Fit.Works(700, c.QHeads, c.KVHeads, c.HeadDim)
	}
	if p := int64(4 * 2 * 100 * c.QHeads / c.KVHeads * 700); works(100) < p || works(100) > 3*p {
		t.Errorf("100 rows work in %d bytes; the weights, held twice, are %d", works(100), p)
	}
	layer, more := int64(4*90*c.QHeads*(2*c.HeadDim+1)), works(100)-works(10)
	for spec, want := range map[string]int64{"expected+q4": layer, "kvzip+q4": int64(c.Layers) * layer, "expected+global+q4": int64(c.Layers) * layer} {
		if got := bytes(spec+"+match(rows=100)") - bytes(spec+"+match(rows=10)") - more; got != want {
			t.Errorf("%s: 90 rows more cost %d bytes, they hold %d", spec, got, want)
		}
	}
	want := int64(4*2*c.KVHeads*c.HeadDim*700 + 4*c.KVHeads*c.HeadDim*c.HeadDim) // what is fitted is copied; one matrix a head is held
	if got := bytes("expected+q4+rounding") - bytes("expected+q4"); got != want {
		t.Errorf("rounding costs %d bytes, copies and matrices take %d", got, want)
	}
}
