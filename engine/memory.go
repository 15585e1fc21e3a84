package engine

import (
	"sort"

	"pith/kvcache"
	"pith/policy"
)

// FullBytes is what the full cache of n tokens takes in the engine's default storage: whole pages; layers with a window hold no
// more than that.
func (e *Engine) FullBytes(n int) int64 { return e.cacheBytes(n, n, 0, e.storage, nil, nil) }

// cacheBytes is what a sequence of n prompt tokens holds with base entries per deciding lane and room for extra tokens on top.
func (e *Engine) cacheBytes(n, base, extra int, s kvcache.Storage, columns []kvcache.Column, levels []int) int64 {
	c := e.model.Config()
	page := e.pool.PageBytes()
	var sum int64
	for _, w := range c.Window {
		entries, tail := base, extra
		if w > 0 {
			entries = e.windowEntries(n, w)
			tail = min(tail, w+windowSlack)
		}
		lane := kvcache.BytesWithTail(entries, tail, c.HeadDim, s, page, columns...)
		if len(levels) > 0 {
			lane += kvcache.BoundsFor(entries+tail, c.HeadDim, s, page, levels...)
		}
		sum += int64(c.KVHeads) * lane
	}
	return sum
}

// windowEntries bounds a lane of a window layer: the window and the slack that lets old entries go a page at a time.
func (e *Engine) windowEntries(tokens, window int) int { return min(tokens, window+windowSlack) }

// windowSlack is how many entries beyond its window a lane may hold before the old ones are dropped: dropping moves the rest, so it
// is done seldom.
const windowSlack = 64

// PrefillBytes is the memory that a prefill of n tokens works in beside weights and cache: hidden states, the keys and values of one
// layer, and what the recipe's signals and what it fits retain.
func (e *Engine) PrefillBytes(n int, r *policy.Recipe) int64 {
	c := e.model.Config()
	row := int64(c.Dim) + 2*int64(c.KVHeads*c.HeadDim)
	signals := recipeOrFull(r).Signals()
	if signals.Queries || signals.ColumnSums {
		row += int64(c.QHeads * c.HeadDim)
	}
	if signals.Hidden {
		row += int64(c.Dim)
	}
	bytes := 4*row*int64(n) + c.WorkspaceBytes(min(n, e.options.Chunk), signals.Moments)
	bytes += 4 * int64(min(n, signals.Window)) * int64(c.QHeads*c.HeadDim)
	if signals.Window > 0 {
		bytes += 4 * int64(signals.Window) * int64(n) * int64(c.QHeads) // the window's probabilities
	}
	if r := recipeOrFull(r); r.Fit != nil {
		layers := 1
		if r.Span() != 1 || r.Prober() != nil {
			layers = len(e.decided)
		}
		bytes += int64(layers) * r.Fit.Retains(n, c.QHeads, c.KVHeads, c.HeadDim)
	}
	return bytes
}

// room is what a sequence will hold on top of the prompt that its recipe compresses.
type room struct {
	rest     int // tokens read after it, kept whole
	generate int // tokens generated
}

// base is the number of entries per head that the sequence may keep of a prompt of n tokens with room on top: its share, cut down to
// what its cap holds.
func (s *Sequence) base(n int, on room) (int, error) {
	base := n
	switch {
	case s.recipe.InBytes:
		r := s.ruler(n)
		base = r.Entries(s.lanes(), n, s.recipe.Allocate == nil)
	case s.recipe.Evicts():
		base = s.budget.Keep.Of(n)
	}
	if s.budget.Bytes <= 0 {
		return base, nil
	}
	need := func(b int) int64 { return s.bound(n, b, on) }
	if need(base) <= s.budget.Bytes {
		return base, nil
	}
	refusal := &MemoryError{Recipe: s.recipe.String(), Prompt: n, Generate: on.rest + on.generate, Need: need(base), Cap: s.budget.Bytes}
	if !s.recipe.Evicts() {
		return 0, refusal
	}
	base = sort.Search(base, func(b int) bool { return need(b+1) > s.budget.Bytes })
	if base < policy.MinBase {
		refusal.Need = need(policy.MinBase)
		return 0, refusal
	}
	return base, nil
}

// lanes is the number of lanes that the recipe decides.
func (s *Sequence) lanes() int { return s.e.model.Config().KVHeads * len(s.e.decided) }

// ruler measures what a recipe whose share is one of bytes may keep of a prompt of n tokens: that share of what the lanes would take in
// f16.
func (s *Sequence) ruler(n int) policy.Ruler {
	d, page := s.e.model.Config().HeadDim, s.e.pool.PageBytes()
	full := int64(s.lanes()) * kvcache.BytesFor(n, d, kvcache.Uniform(kvcache.F16), page)
	storage, columns := s.cache.Storage(), s.cache.Columns()
	return policy.Ruler{Limit: s.budget.Keep.Scale(full, n), Page: int64(page),
		Bytes: func(n int) int64 { return kvcache.BytesFor(n, d, storage, page, columns...) }}
}

// measure lets a run fill the pages of a share of bytes, or of what its cap has left of that.
func (s *Sequence) measure(run *policy.Run, n int) {
	if !s.recipe.InBytes {
		return
	}
	r := s.ruler(n)
	if run.Base() < r.Entries(s.lanes(), n, s.recipe.Allocate == nil) {
		r.Limit = min(r.Limit, int64(s.lanes())*r.Bytes(run.Base()))
	}
	run.Measure(r)
}

// need is the number of pool bytes that the sequence will hold at most after reading n more tokens with room on top. A need that the
// engine's pool can never meet is refused.
func (s *Sequence) need(n int, on room, compress bool) (int64, error) {
	base := n
	if compress {
		var err error
		if base, err = s.base(n, on); err != nil {
			return 0, err
		}
	}
	bytes := s.Bytes() + s.bound(n, base, on)
	if budget := s.e.pool.Budget(); budget > 0 && bytes > budget {
		return 0, &MemoryError{Recipe: s.recipe.String(), Prompt: n, Generate: on.rest + on.generate, Need: bytes, Cap: budget}
	}
	return bytes, nil
}

// bound is the most that n prompt tokens cut to base entries per head, and what comes on top, can take at any moment. Where heads get
// unequal shares every lane may end in a page that is almost empty, so that each is counted one longer. A lane whose rest is demoted is
// whole for a moment, one lane at a time.
func (s *Sequence) bound(n, base int, on room) int64 {
	c, page, storage := s.e.model.Config(), s.e.pool.PageBytes(), s.cache.Storage()
	extra := on.generate
	if steps := s.recipe.When.Steps; steps > 0 {
		extra = min(extra, steps) // the recipe cuts lanes back before they grow further
	}
	var levels []int
	if s.recipe.Read != nil {
		levels = s.recipe.Read.Levels()
	}
	bytes := s.e.cacheBytes(n, base, on.rest+extra, storage, s.cache.Columns(), levels)
	lanes := int64(c.KVHeads * len(s.e.decided))
	if s.recipe.Allocate != nil || s.recipe.Select != nil {
		bytes += 2 * lanes * int64(page)
	}
	if d, ok := s.recipe.Rest.(policy.Demoter); ok {
		bytes += lanes * kvcache.BytesFor(n-base, c.HeadDim, d.DemotesTo(), page, s.cache.Columns()...)
		bytes += kvcache.BytesFor(n, c.HeadDim, storage, page, s.cache.Columns()...)
	}
	return bytes
}

// admit reserves what the sequence needs in a pool with a cap. An error that wraps kvcache.ErrBudget means: not now.
func (s *Sequence) admit(need int64) error {
	if s.e.pool.Budget() == 0 || s.reserve != nil {
		return nil
	}
	r, err := s.e.pool.Reserve(need)
	if err != nil {
		return err
	}
	s.reserve = r
	s.cache.Attach(r)
	return nil
}
