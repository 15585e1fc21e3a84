package engine

import (
	"cmp"
	"math"
	"slices"

	"pith/kvcache"
	"pith/policy"
)

// Sequences whose recipe yields (policy.Yielder) hold all of their entries while there is room. Where a prefill, a step or a newcomer lacks
// memory, blocks of them go, the least relevant of all layers and sequences first. What a sequence is promised is its floor: that is
// reserved like the need of any other sequence, so the floors of all fit the pool together. Only whoever needs room goes below its own.

// A claim is room that a sequence is about to take, or wants to reserve. Bytes is asked again after every round, since compaction changes
// which pages are full; a fixed claim stays what it is, whatever the sequence gives up.
type claim struct {
	seq   *Sequence
	bytes func() int64
	fixed bool
}

// relieve frees memory until all claims can be met. With an error that wraps kvcache.ErrBudget nothing is left to give. Where the givers
// hold less than is short, nothing is taken from them either: a newcomer that is refused costs its neighbours nothing. The caller holds e.mu.
func (e *Engine) relieve(claims ...claim) error {
	for {
		short, givers := e.shortage(claims)
		if short <= 0 {
			return nil
		}
		if short > spared(givers) || !reclaim(short, givers) {
			return &kvcache.BudgetError{Wanted: short + e.pool.Available(), Free: e.pool.Available(), Budget: e.pool.Budget()}
		}
	}
}

// spared is the most that the givers can give up together.
func spared(givers []giver) (sum int64) {
	for _, g := range givers {
		if g.spare > math.MaxInt64-sum {
			return math.MaxInt64
		}
		sum += g.spare
	}
	return sum
}

// A giver is a sequence that may be cut by so many bytes.
type giver struct {
	seq   *Sequence
	spare int64
}

// shortage is how many bytes the claims lack, and who may be asked for them.
func (e *Engine) shortage(claims []claim) (short int64, givers []giver) {
	var total int64
	for _, c := range claims {
		need := c.bytes()
		if c.seq != nil && c.seq.budget.Bytes > 0 && c.seq.recipe.Yield != nil {
			if over := c.seq.Bytes() + need - c.seq.budget.Bytes; over > 0 {
				return over, []giver{{c.seq, math.MaxInt64}}
			}
		}
		if c.seq != nil && c.seq.reserve != nil {
			need -= min(need, c.seq.reserve.Left())
		}
		total += need
	}
	if e.pool.Budget() == 0 {
		return 0, nil
	}
	for _, s := range e.yielding {
		spare := s.Bytes() - s.floor
		if i := slices.IndexFunc(claims, func(c claim) bool { return c.seq == s }); i >= 0 {
			spare = math.MaxInt64 // cut, it may need less
			if claims[i].fixed {
				spare = s.Bytes()
			}
		}
		if spare > 0 {
			givers = append(givers, giver{s, spare})
		}
	}
	return total - e.pool.Available(), givers
}

// block is a run of neighbouring slots of one lane.
type block struct {
	of        *giver
	lane      *kvcache.Lane
	lo, hi    int
	relevance float32 // mean of its entries
}

// reclaim drops the least relevant blocks of the givers, about as many as hold short bytes and at least one, and reports whether there was
// any. Only whole pages come free, so it may take several rounds.
func reclaim(short int64, givers []giver) bool {
	var blocks []block
	for i := range givers {
		blocks = givers[i].blocks(blocks)
	}
	slices.SortStableFunc(blocks, func(a, b block) int { return cmp.Compare(a.relevance, b.relevance) })
	gone := map[*kvcache.Lane][]block{}
	for _, b := range blocks {
		if short <= 0 {
			break
		}
		bytes := b.lane.Bytes() * int64(b.hi-b.lo) / int64(b.lane.Len())
		if bytes > b.of.spare {
			continue // what is promised stays
		}
		gone[b.lane] = append(gone[b.lane], b)
		b.of.spare -= bytes
		short -= bytes
	}
	for lane, list := range gone {
		slices.SortFunc(list, func(a, b block) int { return a.lo - b.lo })
		var stay []int32
		at := 0
		for _, b := range append(list, block{lo: lane.Len()}) {
			for ; at < b.lo; at++ {
				stay = append(stay, int32(at))
			}
			at = b.hi
		}
		if lane.Keep(stay) != nil {
			panic("engine: slots to keep do not ascend")
		}
	}
	return len(gone) > 0
}

// blocks appends the blocks that the giver can give up.
func (g *giver) blocks(list []block) []block {
	s := g.seq
	y := s.recipe.Yield
	sinks, recent := y.Pinned(nil)
	for _, layer := range s.e.decided {
		for head := range s.e.model.Config().KVHeads {
			lane := s.cache.Lane(layer, head)
			column := make([]float32, lane.Len())
			lane.ReadColumn(s.mass, column)
			for lo := sinks; lo < len(column)-recent; lo += y.Block() {
				hi := min(lo+y.Block(), len(column)-recent)
				var sum float32
				for _, r := range column[lo:hi] {
					sum += r
				}
				list = append(list, block{g, lane, lo, hi, sum / float32(hi-lo)})
			}
		}
	}
	return list
}

// relieveStep makes room for one entry in every lane of the sequences that yield.
func (e *Engine) relieveStep(seqs []*Sequence) error {
	var claims []claim
	for _, s := range seqs {
		if s.recipe.Yield != nil {
			claims = append(claims, claim{seq: s, bytes: s.stepBytes})
		}
	}
	if len(claims) == 0 {
		return nil
	}
	return e.relieve(claims...)
}

// stepBytes is what one decode step takes at most.
func (s *Sequence) stepBytes() int64 {
	var sum int64
	c := s.e.model.Config()
	for l := range c.Layers {
		for h := range c.KVHeads {
			sum += s.cache.Lane(l, h).StepGrowth(residualMost)
		}
	}
	return sum
}

// storeYielding stores what the current layer adds to a sequence that yields: all of it, or, where even what others give up does not make
// room for that, its most relevant entries.
func (p *Prefill) storeYielding(t *target, l *policy.Layer) error {
	s := t.seq
	scored, err := t.run.ScoreBy(l, s.recipe.Yield)
	if err != nil {
		return err
	}
	fit := p.n
	for {
		err := p.e.relieve(claim{seq: s, bytes: func() int64 { return p.layerBytes(s, fit) }})
		if err == nil {
			break
		}
		if fit <= 1 {
			return err
		}
		fit = max(1, fit*3/4)
	}
	for h := range p.keys {
		lane := s.cache.Lane(p.layer, h)
		before, entries := lane.Len(), scored.Top(h, fit)
		from := p.prefix[h] * lane.HeadDim()
		if err := lane.AppendSelected(p.rows.Pos[:p.n], p.keys[h][from:], p.values[h][from:], entries); err != nil {
			return err
		}
		if err := s.seedMass(lane, before, entries, scored.Scores, h); err != nil {
			return err
		}
	}
	return nil
}

// layerBytes is what n entries more in every lane of the current layer take at most.
func (p *Prefill) layerBytes(s *Sequence, n int) (sum int64) {
	for h := range p.keys {
		sum += s.cache.Lane(p.layer, h).Growth(n)
	}
	return sum
}
