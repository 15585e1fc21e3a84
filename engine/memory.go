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
// layer, and what the recipe's signals retain.
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
	return bytes
}

// base is the number of entries per head that the sequence may keep of a prompt of n tokens with room for extra ones: its share, cut
// down to what its cap holds.
func (s *Sequence) base(n, extra int) (int, error) {
	base := n
	if s.recipe.Evicts() {
		base = s.budget.Keep.Of(n)
	}
	if s.budget.Bytes <= 0 {
		return base, nil
	}
	need := func(b int) int64 { return s.bound(n, b, extra) }
	if need(base) <= s.budget.Bytes {
		return base, nil
	}
	refusal := &MemoryError{Recipe: s.recipe.String(), Prompt: n, Generate: extra, Need: need(base), Cap: s.budget.Bytes}
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

// need is the number of pool bytes that the sequence will hold at most after reading n more tokens with room for extra ones. A need
// that the engine's pool can never meet is refused.
func (s *Sequence) need(n, extra int, compress bool) (int64, error) {
	base := n
	if compress {
		var err error
		if base, err = s.base(n, extra); err != nil {
			return 0, err
		}
	}
	bytes := s.Bytes() + s.bound(n, base, extra)
	if budget := s.e.pool.Budget(); budget > 0 && bytes > budget {
		return 0, &MemoryError{Recipe: s.recipe.String(), Prompt: n, Generate: extra, Need: bytes, Cap: budget}
	}
	return bytes, nil
}

// bound is the most that n prompt tokens cut to base entries per head, and extra ones on top, can take. Where heads get unequal
// shares every lane may end in a page that is almost empty, so that each is counted one longer.
func (s *Sequence) bound(n, base, extra int) int64 {
	if steps := s.recipe.When.Steps; steps > 0 {
		extra = min(extra, steps) // the recipe cuts lanes back before they grow further
	}
	var levels []int
	if s.recipe.Read != nil {
		levels = s.recipe.Read.Levels()
	}
	bytes := s.e.cacheBytes(n, base, extra, s.cache.Storage(), s.cache.Columns(), levels)
	if s.recipe.Allocate != nil || s.recipe.Select != nil {
		c := s.e.model.Config()
		bytes += int64(2*c.KVHeads*len(s.e.decided)) * int64(s.e.pool.PageBytes())
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
