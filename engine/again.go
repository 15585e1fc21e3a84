package engine

import (
	"cmp"
	"slices"

	"pith/kvcache"
	"pith/policy"
)

// queryRing remembers the rotated queries of the newest rows of each layer, for recipes that score again while tokens are generated.
type queryRing struct {
	rows, width int
	data        []float32 // [layer][rows][width]
	count       []int     // rows pushed so far, [layer]
}

func (r *queryRing) init(layers, rows, width int) {
	*r = queryRing{rows: rows, width: width, data: make([]float32, layers*rows*width), count: make([]int, layers)}
}

// push adds the row of one layer; a ring of no rows forgets it.
func (r *queryRing) push(layer int, q []float32) {
	if r.rows == 0 {
		return
	}
	at := layer*r.rows + r.count[layer]%r.rows
	copy(r.data[at*r.width:(at+1)*r.width], q)
	r.count[layer]++
}

// seed pushes the last rows of a prefill.
func (r *queryRing) seed(layer int, rows []float32) {
	for r.rows > 0 && len(rows) > 0 {
		r.push(layer, rows[:r.width])
		rows = rows[r.width:]
	}
}

// last returns the remembered rows of a layer, oldest first.
func (r *queryRing) last(layer int) []float32 {
	if r.rows == 0 {
		return nil
	}
	n := min(r.count[layer], r.rows)
	out := make([]float32, 0, n*r.width)
	for i := r.count[layer] - n; i < r.count[layer]; i++ {
		at := layer*r.rows + i%r.rows
		out = append(out, r.data[at*r.width:(at+1)*r.width]...)
	}
	return out
}

// seedMass writes the attention that the prefill's rows paid to the entries just appended to a lane.
func (s *Sequence) seedMass(lane *kvcache.Lane, before int, entries []int32, sums [][]float32, head int) error {
	if s.mass < 0 || sums == nil {
		return nil
	}
	column := make([]float32, lane.Len())
	lane.ReadColumn(s.mass, column)
	for i, j := range entries {
		column[before+i] = sums[head][j]
	}
	lane.WriteColumn(s.mass, column)
	return nil
}

// high is how many entries of a head the recipe keeps, in more bits where it demotes, of n tokens: what was asked for. A share that its recipe classifies
// again is one of all tokens so far, unless a cap has cut it down.
func (s *Sequence) high(n int) int {
	if s.recipe.Reclassifies() && s.shares {
		return max(s.keep, s.budget.Keep.Of(n))
	}
	return s.keep
}

// actAgain lets a recipe that acts while tokens are generated cut every lane back to its budget, once its number of steps has
// passed.
func (s *Sequence) actAgain() error {
	if s.recipe.When.Steps == 0 || s.keep == 0 {
		return nil
	}
	if s.steps++; s.steps < s.recipe.When.Steps {
		return nil
	}
	s.steps = 0
	run, err := s.recipe.NewRun(s.Len(), len(s.e.decided), s.high(s.Len()))
	if err != nil {
		return err
	}
	for ordinal, layer := range s.e.decided {
		if s.recipe.Reclassifies() {
			if err := s.classify(run, layer, ordinal); err != nil {
				return err
			}
			continue
		}
		if s.cache.Lane(layer, 0).Len() <= s.keep {
			continue
		}
		k, err := run.Again(s.layer(layer, ordinal))
		if err != nil {
			return err
		}
		for head, slots := range k.Heads {
			if err := s.cache.Lane(layer, head).Keep(slots); err != nil {
				return err
			}
		}
	}
	return nil
}

// classify moves the entries of one layer's lanes that its budget of those in more bits has no room for to fewer bits.
func (s *Sequence) classify(run *policy.Run, layer, ordinal int) error {
	if entries, low := s.held(layer, 0); entries-low <= run.Base() { // all heads hold as many
		return nil
	}
	l := s.layer(layer, ordinal)
	slots := s.inOrder(l)
	k, err := run.Again(l)
	if err != nil {
		return err
	}
	for head, entries := range k.Demoted {
		down := make([]int32, len(entries))
		for i, j := range entries {
			down[i] = slots[head][j]
		}
		slices.Sort(down)
		if err := s.cache.Lane(layer, head).Demote(down, k.DemoteTo); err != nil {
			return err
		}
	}
	return nil
}

// inOrder brings what a layer shows, which lies in the order of slots, into that of positions, marks what lies in fewer bits, and returns the slot
// of each entry. Every head holds every entry, so positions are the same for all.
func (s *Sequence) inOrder(l *policy.Layer) [][]int32 {
	all := make([][]int32, l.KVHeads)
	var columns, ordered [][]float32
	if l.ColumnSums != nil {
		columns, ordered = l.ColumnSums(s.recipe.Forget()), make([][]float32, l.KVHeads)
	}
	l.Low = make([][]bool, l.KVHeads)
	l.Do(l.KVHeads, func(h int) {
		lane, d := s.cache.Lane(l.Index, h), l.HeadDim
		pos := lane.Slots(make([]kvcache.Position, 0, l.Tokens))
		slots, low := make([]int32, l.Tokens), make([]bool, 0, l.Tokens)
		for i := range slots {
			slots[i] = int32(i)
		}
		slices.SortFunc(slots, func(a, b int32) int { return cmp.Compare(pos[a], pos[b]) })
		for _, part := range lane.Segments() {
			low = append(low, slices.Repeat([]bool{part.Demoted}, part.Len)...)
		}
		keys, values := make([]float32, 0, l.Tokens*d), make([]float32, 0, l.Tokens*d)
		l.Low[h] = make([]bool, l.Tokens)
		var sums []float32
		for i, slot := range slots {
			at := int(slot) * d
			keys, values = append(keys, l.Keys[h][at:at+d]...), append(values, l.Values[h][at:at+d]...)
			l.Low[h][i] = low[slot]
			if columns != nil {
				sums = append(sums, columns[h][slot])
			}
		}
		l.Keys[h], l.Values[h] = keys, values
		if columns != nil {
			ordered[h] = sums
		}
		all[h] = slots
	})
	l.ColumnSums = known(ordered)
	return all
}

// layer shows what the lanes of one layer hold, all equally long. Positions differ between heads and are not shown.
func (s *Sequence) layer(layer, ordinal int) *policy.Layer {
	c := s.e.model.Config()
	n := s.cache.Lane(layer, 0).Len()
	h := s.e.decoder.heads
	l := &policy.Layer{Index: layer, Layers: c.Layers, Decided: len(s.e.decided), Ordinal: ordinal, Tokens: n, Prompt: s.Len(),
		QHeads: c.QHeads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, Scale: h.scale, SoftCap: h.softCap,
		LastQueries: s.queries.last(layer), Parallel: s.e.parallel}
	var columns [][]float32
	for head := range c.KVHeads {
		lane := s.cache.Lane(layer, head)
		keys, values := make([]float32, n*c.HeadDim), make([]float32, n*c.HeadDim)
		lane.Gather(keys, values, nil)
		l.Keys, l.Values = append(l.Keys, keys), append(l.Values, values)
		if s.mass >= 0 {
			column := make([]float32, n)
			lane.ReadColumn(s.mass, column)
			columns = append(columns, column)
		}
	}
	l.ColumnSums = known(columns)
	return l
}

// known are sums that have been made already, with the recipe's factor; nil are none.
func known(columns [][]float32) policy.ColumnSums {
	if columns == nil {
		return nil
	}
	return func(float64) [][]float32 { return columns }
}
