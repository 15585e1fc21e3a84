package model

import (
	"pith/gguf"
	"pith/kernel"
	"pith/kvcache"
)

// A few channels of the residual stream dwarf the others, in every row and most layers. Activations are rounded to 8 bits in groups of 32
// with one scale, so such a channel makes the step of its whole group coarse. Those channels are taken out of the integer products and
// added in floating point, as LLM.int8() does (Dettmers et al., arXiv 2208.07339, section 3.2). Which ones they are is a property of the
// weights and hardly depends on the text: a short made-up prompt shows them once, when a model is opened, so that every prompt is
// computed alike.
//
// This is done before attention's projections, where the outliers are largest, and before the output matrix, whose rounding nothing
// averages out: on SmolLM2 the mean KL from exact rows over the same cache goes from .0023 to .0014 (docs/performance.md). Before the
// feed-forward part it would bring another .0004 and cost as much time again: the results are three times as wide, and another walk
// through them is not free.

const (
	outlierMost  = 4    // channels of an input
	outlierLeast = 0.03 // share of an input's error of rounding that a channel must be to blame for
	outlierRows  = 32   // of the made-up prompt
	outlierSkip  = 8    // its first rows, which have outliers of their own
	outlierPiece = 4096 // outputs that one task adds
	roundedGroup = 32   // activations that share a scale
)

// outliers are channels of one block's input and their columns of the matrices that it goes through.
type outliers struct {
	channels []int32
	columns  [][]float32 // [product][len(channels), outputs]
}

// apart is a call of products under way.
type apart struct {
	o        *outliers
	x        []float32 // [n, width]
	kept     []float32 // [n, channels] of x
	width    int
	products [3]kernel.Product
	pieces   int // of a row of results
}

// products multiplies n rows of x by up to three matrices at once, its outliers apart. x is as before afterwards.
func (p *pass) products(x []float32, n int, o *outliers, products ...kernel.Product) {
	if p.m.seeking {
		o.seek(p.m.workers, x, n, products)
	}
	k := len(o.channels)
	if k == 0 {
		p.matmuls(x, n, products...)
		return
	}
	a := &p.ws.apart
	*a = apart{o: o, x: x, kept: p.ws.outliers[:n*k], width: len(x) / n, pieces: 1}
	outputs := 0
	for i, q := range products {
		a.products[i] = q
		a.pieces = max(a.pieces, (q.M.Rows+outlierPiece-1)/outlierPiece)
		outputs += q.M.Rows
	}
	p.eachOf(rowTask{do: takeOutliers, width: a.width}, n)
	p.matmuls(x, n, products...)
	p.eachOf(rowTask{do: addOutliers, width: outputs / a.pieces}, n*a.pieces)
	*a = apart{}
}

// takeOutliers puts a row's outliers aside.
func takeOutliers(t *rowTask, i int) {
	a := &t.pass.ws.apart
	row, k := a.x[i*a.width:(i+1)*a.width], len(a.o.channels)
	for j, c := range a.o.channels {
		a.kept[i*k+j], row[c] = row[c], 0
	}
}

// addOutliers puts a row's outliers back and adds to one piece of its results what they contribute.
func addOutliers(t *rowTask, i int) {
	a := &t.pass.ws.apart
	row, piece := i/a.pieces, i%a.pieces
	k := len(a.o.channels)
	kept := a.kept[row*k : (row+1)*k]
	if piece == 0 {
		for j, c := range a.o.channels {
			a.x[row*a.width+int(c)] = kept[j]
		}
	}
	for at, columns := range a.o.columns {
		q := &a.products[at]
		from, to := piece*outlierPiece, min((piece+1)*outlierPiece, q.M.Rows)
		if from >= to {
			continue
		}
		dst := q.Dst[row*q.M.Rows+from : row*q.M.Rows+to]
		for j, v := range kept {
			kernel.Axpy(dst, v, columns[j*q.M.Rows+from:])
		}
	}
}

// findOutliers sends the made-up prompt through the model and lets every block look at its input.
func (m *Model) findOutliers() error {
	m.seeking = true
	defer func() { m.seeking = false }()
	c := m.config
	n := min(outlierRows, c.Context)
	ids := make([]int32, n)
	rows := &Rows{X: make([]float32, n*c.Dim), Pos: make([]kvcache.Position, n), Phase: kernel.Prefill, MaxLen: n}
	for i := range ids {
		ids[i] = int32(i * c.Vocab / n)
		rows.Pos[i] = kvcache.Position(i)
	}
	ws := m.NewWorkspace()
	defer ws.Close()
	scores := make([]float32, n)
	attend := func(_ int, h *Heads) error { causal(c, h, scores); return nil }
	return gguf.Guard(func() error {
		if err := m.Embed(rows.X, ids); err != nil {
			return err
		}
		for l := range c.Layers {
			if err := m.Layer(l, rows, attend, ws); err != nil {
				return err
			}
		}
		ws.reserve(c, n, false)
		p := &pass{m: m, c: c, ws: ws, rows: rows, n: n}
		m.outliers.seek(m.workers, p.norm(rows.X, m.outputNorm), n, []kernel.Product{{M: m.output}})
		return nil
	})
}

// causal is plain attention among the rows of one call, shorter than any window.
func causal(c *Config, h *Heads, scores []float32) {
	d, q, kv := c.HeadDim, c.QHeads*c.HeadDim, c.KVHeads*c.HeadDim
	clear(h.Out)
	for i := range len(h.K) / kv {
		for head := range c.QHeads {
			at := head / c.Group() * d
			for j := range i + 1 {
				scores[j] = h.Scale * kernel.Dot(h.Q[i*q+head*d:][:d], h.K[j*kv+at:][:d])
			}
			if h.SoftCap > 0 {
				kernel.SoftCap(scores[:i+1], h.SoftCap)
			}
			kernel.Softmax(scores[:i+1])
			for j, w := range scores[:i+1] {
				kernel.Axpy(h.Out[i*q+head*d:][:d], w, h.V[j*kv+at:][:d])
			}
		}
	}
}

// seek chooses the channels and takes their columns. Where one of the products does not round its input, there are none.
func (o *outliers) seek(w *kernel.Workers, x []float32, n int, products []kernel.Product) {
	for _, q := range products {
		if !q.M.RoundsActivations() {
			return
		}
	}
	width := len(x) / n
	o.columns = nil
	o.channels = outliersOf(x[min(outlierSkip, n-1)*width:], width)
	k := len(o.channels)
	if k == 0 {
		return
	}
	for _, q := range products {
		columns := make([]float32, k*q.M.Rows)
		w.Run(k, columnTask(func(j int) { q.M.Column(columns[j*q.M.Rows:(j+1)*q.M.Rows], int(o.channels[j])) }))
		o.columns = append(o.columns, columns)
	}
}

// columnTask adapts a function to kernel.Task.
type columnTask func(i int)

func (t columnTask) Do(_, i int) { t(i) }

// outliersOf chooses channels of rows of x by what rounding loses to them, the worst first. The error of a group is as the square of its
// largest element m₁; without that one it is as the square of the next, m₂. So a row blames m₁²-m₂² on one channel of each group.
func outliersOf(x []float32, width int) []int32 {
	var chosen []int32
	skip, blame := make([]bool, width), make([]float64, width)
	var total float64
	for len(chosen) < outlierMost {
		clear(blame)
		var all float64
		for at := 0; at < len(x); at += roundedGroup {
			var first, second float64 // the two largest squares of the group
			top := -1
			for i, v := range x[at : at+roundedGroup] {
				c := (at + i) % width
				square := float64(v) * float64(v)
				switch {
				case skip[c]:
				case square > first:
					first, second, top = square, first, c
				case square > second:
					second = square
				}
			}
			if top >= 0 {
				all += first
				blame[top] += first - second
			}
		}
		worst := 0
		for c, b := range blame {
			if b > blame[worst] {
				worst = c
			}
		}
		if len(chosen) == 0 {
			total = all
		}
		if !(blame[worst] >= outlierLeast*total) || blame[worst] == 0 {
			break
		}
		chosen, skip[worst] = append(chosen, int32(worst)), true
	}
	return chosen
}
