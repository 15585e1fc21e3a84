package engine

import (
	"math"
	"slices"

	"pith/kernel"
	"pith/model"
	"pith/policy"
)

// tap collects, while a layer runs, the signals that the recipes of a prefill ask for.
type tap struct {
	signals policy.Signals
	on      bool // this layer is one that recipes decide
	ordinal int  // of this layer among those

	lastQueries []float32 // [Window][QHeads*HeadDim]
	lastRows    int
	allQueries  []float32 // [n][QHeads*HeadDim]
	hidden      []float32 // [n][Dim]
	lse         []float32 // [KVHeads][n][Group]
	moments     []moments // [QHeads]
	scale, soft float32
	sums        policy.ColumnSums // of the finished layer, nil unless asked for

	buffers [4]buffer // behind lastQueries, allQueries, hidden, lse
}

// open makes room for one layer.
func (t *tap) open(p *Prefill, c *model.Config) (err error) {
	t.on = c.Window[p.layer] == 0
	if !t.on {
		return nil
	}
	t.ordinal = slices.Index(p.e.decided, p.layer)
	width := c.QHeads * c.HeadDim
	t.lastRows = min(t.signals.Window, p.n)
	room := func(dst *[]float32, b *buffer, wanted bool, n int) {
		if err == nil && wanted {
			*dst, err = b.floats(n)
		}
	}
	room(&t.lastQueries, &t.buffers[0], t.lastRows > 0, t.lastRows*width)
	room(&t.allQueries, &t.buffers[1], t.signals.Queries || t.signals.ColumnSums, p.n*width)
	room(&t.hidden, &t.buffers[2], t.signals.Hidden, p.n*c.Dim)
	room(&t.lse, &t.buffers[3], t.masses(), p.n*c.QHeads)
	if t.signals.Moments {
		t.moments = make([]moments, c.QHeads)
		for i := range t.moments {
			t.moments[i].init(c.HeadDim)
		}
	}
	return err
}

// masses reports whether rows leave the log-sum-exp of their scores.
func (t *tap) masses() bool { return t.on && (t.signals.ColumnSums || t.signals.Masses) }

// free gives the scratch back.
func (t *tap) free() {
	for i := range t.buffers {
		t.buffers[i].free()
	}
	*t = tap{}
}

// chunk takes over what n rows from p.row on show.
func (t *tap) chunk(p *Prefill, h *model.Heads, n int) {
	if !t.on {
		return
	}
	t.scale, t.soft = h.Scale, h.SoftCap
	c := p.e.model.Config()
	width := c.QHeads * c.HeadDim
	if from := max(p.row, p.n-t.lastRows); from < p.row+n {
		copy(t.lastQueries[(from-(p.n-t.lastRows))*width:], h.Q[(from-p.row)*width:n*width])
	}
	if t.signals.Queries || t.signals.ColumnSums {
		copy(t.allQueries[p.row*width:], h.Q[:n*width])
	}
	if t.signals.Hidden {
		copy(t.hidden[p.row*c.Dim:], h.Hidden[:n*c.Dim])
	}
	if t.signals.Moments {
		p.e.parallel(c.QHeads, func(i int) { t.moments[i].add(h.QRaw, n, width, i*c.HeadDim, p.row) })
	}
}

// view shows the finished layer to the recipes.
func (t *tap) view(p *Prefill) *policy.Layer {
	c := p.e.model.Config()
	d := c.HeadDim
	l := &policy.Layer{
		Index: p.layer, Layers: c.Layers, Decided: len(p.e.decided), Ordinal: t.ordinal, Tokens: p.n, Prompt: p.total,
		QHeads: c.QHeads, KVHeads: c.KVHeads, HeadDim: d, Scale: t.scale, SoftCap: t.soft, Positions: p.rows.Pos[:p.n], Calibration: p.e.options.Calibration,
		LastQueries: t.lastQueries, Parallel: p.e.parallel, BF16: !p.e.options.Exact,
		Keys: make([][]float32, c.KVHeads), Values: make([][]float32, c.KVHeads),
	}
	for h := range l.Keys {
		l.Keys[h] = p.keys[h][p.prefix[h]*d : (p.prefix[h]+p.n)*d]
		l.Values[h] = p.values[h][p.prefix[h]*d : (p.prefix[h]+p.n)*d]
	}
	r := p.e.model.Rotation(p.layer, p.rows.MaxLen)
	l.Rotation = policy.Rotation{InvFreq: r.InvFreq, Halves: r.Halves, Scale: r.Scale}
	if t.signals.Queries {
		l.AllQueries = t.allQueries
	}
	if t.signals.Hidden {
		l.HiddenRows = t.hidden
	}
	if t.signals.Masses && p.prefix[0] == 0 {
		rows := p.n * l.Group()
		for h := range c.KVHeads {
			l.Masses = append(l.Masses, t.lse[h*rows:(h+1)*rows])
		}
	}
	if t.signals.ColumnSums {
		t.sums = func(forget float64) [][]float32 {
			sums, _ := policy.Once(l, columnSums(forget), func() ([][]float32, error) { return t.columnSums(p, l, forget), nil })
			return sums
		}
		l.ColumnSums = t.sums
	}
	if t.signals.Moments {
		l.Moments = func(skip int) []policy.Moments {
			out := make([]policy.Moments, c.QHeads)
			p.e.parallel(c.QHeads, func(i int) { out[i] = t.moments[i].finish(skip) })
			return out
		}
	}
	if t.signals.OutputNorms {
		l.OutputNorms = func() [][]float32 {
			norms := make([][]float32, c.QHeads)
			g := l.Group()
			for i := range norms {
				norms[i] = make([]float32, p.n)
			}
			for h := range c.KVHeads {
				p.e.model.OutputNorms(norms[h*g:(h+1)*g], p.layer, h, l.Values[h])
			}
			return norms
		}
	}
	return l
}

// columnSums is the key under which a layer keeps its sums with a factor.
type columnSums float64

// columnSums adds up the attention that each entry received from every row, [KVHeads][n], added over the group. It is a second pass over the scores: the
// softmax of a row is known only once the row is done, and no n x n matrix is ever held. One task owns 64 keys and adds its rows in
// order, so the sums do not depend on the number of threads. A row that counts w is one whose log-sum-exp is larger by -log w.
func (t *tap) columnSums(p *Prefill, l *policy.Layer, forget float64) [][]float32 {
	c := p.e.model.Config()
	g, n, width := l.Group(), p.n, c.QHeads*c.HeadDim
	lse := t.lse
	if forget < 1 {
		lse = slices.Clone(lse)
		for i := range lse {
			age := n - 1 - i/g%n
			lse[i] -= float32(float64(age) * math.Log(forget))
		}
	}
	all := make([]float32, c.QHeads*n)
	blocks := (n + 63) / 64
	p.e.workers.Run(c.KVHeads*blocks, task(func(worker, i int) {
		head, block := i/blocks, i%blocks
		a := kernel.Attention{HeadDim: c.HeadDim, Group: g, Scale: t.scale, SoftCap: t.soft, Keys: l.Keys[head], LSE: lse[head*n*g:][:n*g]}
		a.ColumnSums(all[head*g*n:], n, t.allQueries[head*g*c.HeadDim:], width, n, block, p.e.attends[worker])
	}))
	sums := make([][]float32, c.KVHeads)
	for h := range sums {
		sums[h] = all[h*g*n : (h*g+1)*n]
		for i := 1; i < g; i++ {
			kernel.Add(sums[h], all[(h*g+i)*n:(h*g+i+1)*n])
		}
	}
	return sums
}
