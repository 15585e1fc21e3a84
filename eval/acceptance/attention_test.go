package acceptance

import (
	"math"
	"testing"

	"pith/engine"
	"pith/policy"
)

// denseAttention is the softmax of every row of a layer over the entries that it sees, in float64: [query head][row][entry]. It is the matrix that
// no method here ever makes.
func denseAttention(l *policy.Layer) [][][]float64 {
	d, n, width := l.HeadDim, l.Tokens, l.QHeads*l.HeadDim
	all := make([][][]float64, l.QHeads)
	for q := range all {
		keys := l.Keys[q/l.Group()]
		for row := range n {
			z, top, sum := make([]float64, row+1), math.Inf(-1), 0.0
			for j := range z {
				for c := range d {
					z[j] += float64(l.AllQueries[row*width+q*d+c]) * float64(keys[j*d+c])
				}
				z[j] *= float64(l.Scale)
				top = max(top, z[j])
			}
			for j := range z {
				z[j] = math.Exp(z[j] - top)
				sum += z[j]
			}
			for j := range z {
				z[j] /= sum
			}
			all[q] = append(all[q], z)
		}
	}
	return all
}

// H2O's sums, streamed over blocks of keys, TOVA's row and SnapKV's window are those of the dense matrix.
func TestSeed10ScoresEqualADenseReference(t *testing.T) {
	const n, rows, width = 260, 16, 5
	e := realIn(t, true)
	prompt, _, _ := window(t, e, 1, n, 1)
	full := at("full", policy.Budget{})
	look := func(l *policy.Layer) error {
		if l.Index%10 != 0 {
			return nil
		}
		attention := denseAttention(l)
		g := float64(l.Group())
		l.Base = n // windows are whole
		for spec, want := range map[string]func(h, j int) float64{
			"h2o": func(h, j int) (sum float64) {
				for q := h * l.Group(); q < (h+1)*l.Group(); q++ {
					for row := j; row < n; row++ {
						sum += attention[q][row][j] / g
					}
				}
				return sum
			},
			"h2o(forget=0.95,kernel=5)": func(h, j int) (sum float64) {
				for q := h * l.Group(); q < (h+1)*l.Group(); q++ {
					for i := max(0, j-width/2); i <= min(j+width/2, n-1); i++ {
						for row := i; row < n; row++ {
							sum += attention[q][row][i] * math.Pow(0.95, float64(n-1-row)) / (g * width)
						}
					}
				}
				return sum
			},
			"tova": func(_, j int) (sum float64) {
				for q := range attention {
					sum += attention[q][n-1][j] / float64(len(attention))
				}
				return sum
			},
			"snapkv(window=16,kernel=5)": func(h, j int) (sum float64) {
				for q := h * l.Group(); q < (h+1)*l.Group(); q++ {
					for i := max(0, j-width/2); i <= min(j+width/2, n-rows-1); i++ {
						for row := n - rows; row < n; row++ {
							sum += attention[q][row][i] / (g * rows * width)
						}
					}
				}
				return sum
			},
		} {
			r, err := policy.Parse(spec)
			if err != nil {
				return err
			}
			scores, err := r.Score.Score(l)
			if err != nil {
				return err
			}
			var worst, largest float64
			for h := range scores {
				for j := range n - rows { // the window is pinned
					worst = max(worst, math.Abs(float64(scores[h][j])-want(h, j)))
					largest = max(largest, want(h, j))
				}
			}
			if worst > 1e-4*largest {
				t.Errorf("%s, layer %d: scores differ by %.2g, the largest is %.3g", spec, l.Index, worst, largest)
			}
		}
		return nil
	}
	read(t, e, prompt, engine.PrefillOptions{Layer: look, Signals: policy.Signals{Window: rows, Queries: true, ColumnSums: true}}, 1, full)
	full.seq.Close()
}
