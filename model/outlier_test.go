package model

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pith/kernel"
)

// spikedRows are normal rows in which the given channels are about fifty times as large.
func spikedRows(n, width int, channels ...int) []float32 {
	r := rand.New(rand.NewPCG(3, 4))
	x := make([]float32, n*width)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for i := range n {
		for _, c := range channels {
			x[i*width+c] = 50 * (1 + r.Float32())
		}
	}
	return x
}

func TestOutliersAreThoseThatMakeRoundingCoarse(t *testing.T) {
	if got := outliersOf(spikedRows(20, 256, 7, 130), 256); len(got) < 2 || !slices.Equal(slices.Sorted(slices.Values(got[:2])), []int32{7, 130}) {
		t.Errorf("channels %v, want 7 and 130 first", got)
	}
	if got := outliersOf(spikedRows(200, 2048), 2048); len(got) > 0 {
		t.Errorf("channels %v of rows without outliers", got)
	}
	if got := outliersOf(make([]float32, 512), 256); len(got) > 0 {
		t.Errorf("channels %v of zeros", got)
	}
	nan := make([]float32, 256)
	for i := range nan {
		nan[i] = float32(math.NaN())
	}
	if got := outliersOf(nan, 256); len(got) > 0 {
		t.Errorf("channels %v of no numbers", got)
	}
}

// TestOutliersApartAreNearerToTheProduct compares products of rows with outliers, with and without taking them apart, with sums in f64 over
// the dequantised weights.
func TestOutliersApartAreNearerToTheProduct(t *testing.T) {
	m := open(t, openPacked(t, "wide-llama/q4_k"), 2, false)
	c, a := m.config, &m.layers[0].(*llamaLayer).attention
	const n = 30
	channels := []int{3, c.Dim - 1}
	x := spikedRows(n, c.Dim, channels...)
	before := slices.Clone(x)
	ws := m.NewWorkspace()
	defer ws.Close()
	ws.reserve(c, n, false)
	for _, w := range []*kernel.Matrix{a.q.weight, m.output} {
		p := &pass{m: m, c: c, ws: ws, rows: &Rows{Phase: kernel.Prefill}, n: n}
		plain, apart, alone := make([]float32, n*w.Rows), make([]float32, n*w.Rows), make([]float32, w.Rows)
		p.matmul(plain, x, w)
		o := &outliers{}
		o.seek(m.workers, x, n, []kernel.Product{{M: w}})
		for _, ch := range channels {
			if !slices.Contains(o.channels, int32(ch)) {
				t.Fatalf("channels %v without %d", o.channels, ch)
			}
		}
		p.products(x, n, o, kernel.Product{Dst: apart, M: w})
		if !equalBits(x, before) {
			t.Fatal("the input has changed")
		}
		p.products(x[4*c.Dim:5*c.Dim], 1, o, kernel.Product{Dst: alone, M: w})
		if !equalBits(alone, apart[4*w.Rows:5*w.Rows]) {
			t.Error("a row alone has other bits than in company")
		}
		row := make([]float32, c.Dim)
		var plainOff, apartOff float64
		for r := range w.Rows {
			w.Row(row, r)
			for i := range n {
				var want float64
				for j, v := range row {
					want += float64(v) * float64(x[i*c.Dim+j])
				}
				plainOff += math.Pow(float64(plain[i*w.Rows+r])-want, 2)
				apartOff += math.Pow(float64(apart[i*w.Rows+r])-want, 2)
			}
		}
		if ratio := math.Sqrt(apartOff / plainOff); !(ratio < 0.5) {
			t.Errorf("the error is %.3f times that without taking outliers apart", ratio)
		} else {
			t.Logf("%d x %d: error %.3f times", w.Rows, w.Cols, ratio)
		}
	}
}

// TestExactArithmeticHasNoOutliers: nothing is rounded, so nothing is taken apart; neither are inputs of matrices without an integer form.
func TestExactArithmeticHasNoOutliers(t *testing.T) {
	for _, m := range []*Model{open(t, openPacked(t, "wide-llama/q4_k"), 1, true), open(t, openPacked(t, "mixtral/f16"), 1, false)} {
		if len(m.outliers.channels) > 0 || m.seeking {
			t.Errorf("channels %v", m.outliers.channels)
		}
	}
}
