package engine

import (
	"sort"

	"pith/kvcache"
	"pith/policy"
)

// FullBytes is what the full cache of n tokens takes in the engine's default storage: whole pages; layers with a window hold no
// more than that.
func (e *Engine) FullBytes(n int) int64 { return e.plainBytes(n, e.storage) }

// plainBytes is what n tokens take that are read at once and kept.
func (e *Engine) plainBytes(n int, s kvcache.Storage) int64 {
	y := kvcache.Load{HeadDim: e.model.Config().HeadDim, Storage: s}
	y.Prompt = n
	return e.cacheBytes(y, y)
}

// cacheBytes is what a sequence holds at most whose deciding lanes come to hold one load and whose window lanes another, of which no more
// than the window stays.
func (e *Engine) cacheBytes(decided, window kvcache.Load) int64 {
	c, page := e.model.Config(), e.pool.PageBytes()
	sum := int64(len(e.decided)) * decided.Bytes(page)
	for _, w := range c.Window {
		if w > 0 {
			y := window
			y.Prompt, y.Tail = min(y.Prompt, w+windowSlack), min(y.Tail, w+windowSlack)
			sum += y.Bytes(page)
		}
	}
	return int64(c.KVHeads) * sum
}

// windowSlack is how many entries beyond its window a lane may hold before the old ones are dropped: dropping moves the rest, so it
// is done seldom.
const windowSlack = 64

// PrefillBytes is the memory that a prefill of n tokens works in beside weights and cache: hidden states, the keys and values of one
// layer, what the recipe's signals and what it fits retain, a copy of what is fitted, at most another layer, and what each thread fits in. A second pass lays out its layers
// where those of the first were, and what it keeps is copied when they are free again.
func (e *Engine) PrefillBytes(n int, r *policy.Recipe) int64 {
	c := e.model.Config()
	row := int64(c.Dim) + 2*int64(c.KVHeads*c.HeadDim)
	signals := recipeOrFull(r).Signals()
	if signals.Queries || signals.ColumnSums {
		row += int64(c.QHeads * c.HeadDim)
	}
	if signals.ColumnSums || signals.Masses {
		row += int64(c.QHeads)
	}
	if signals.ColumnSums {
		row += 2 * int64(c.QHeads) // the sums, and log-sum-exps of rows that count less
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
		if r.Prober() == nil {
			bytes += 4 * 2 * int64(c.KVHeads*c.HeadDim) * int64(n)
		}
		bytes += int64(layers) * r.Fit.Retains(n, c.QHeads, c.KVHeads, c.HeadDim)
		bytes += int64(min(e.workers.Threads(), c.KVHeads)) * r.Fit.Works(n, c.QHeads, c.KVHeads, c.HeadDim)
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
	case s.recipe.Shrinks():
		base = s.budget.Keep.Of(n)
	}
	if s.budget.Bytes <= 0 {
		return base, nil
	}
	held := s.Bytes()
	if s.recipe.Yield != nil {
		held = 0 // what it holds is in n, and can shrink
	}
	need := func(b int) int64 { return held + s.bound(n, b, on) }
	if need(base) <= s.budget.Bytes {
		return base, nil
	}
	refusal := &MemoryError{Recipe: s.recipe.String(), Prompt: n, Generate: on.rest + on.generate, Need: need(base), Cap: s.budget.Bytes}
	if !s.recipe.Shrinks() {
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

// need is the number of pool bytes that the sequence will hold at most after reading n more tokens with room on top. A need that its cap,
// or the engine's pool, can never meet is refused.
func (s *Sequence) need(n int, on room, compress bool) (int64, error) {
	var bytes, limit int64
	if s.recipe.Yield != nil {
		base, err := s.base(s.Len()+n, on)
		if err != nil {
			return 0, err
		}
		bytes = s.bound(s.Len()+n, base, on)
	} else if compress {
		base, err := s.base(n, on)
		if err != nil {
			return 0, err
		}
		bytes = s.Bytes() + s.bound(n, base, on)
	} else {
		bytes, limit = s.Bytes()+s.growth(n, on), s.budget.Bytes
	}
	if budget := s.e.pool.Budget(); budget > 0 && (limit <= 0 || budget < limit) {
		limit = budget
	}
	if limit > 0 && bytes > limit {
		return 0, &MemoryError{Recipe: s.recipe.String(), Prompt: n, Generate: on.rest + on.generate, Need: bytes, Cap: limit}
	}
	return bytes, nil
}

// loads are what the sequence's deciding lanes and its window lanes come to hold of n prompt tokens, of which its recipe keeps base, and of
// what comes on top.
func (s *Sequence) loads(n, base int, on room) (decided, window kvcache.Load) {
	window = kvcache.Load{HeadDim: s.e.model.Config().HeadDim, Storage: s.cache.Storage(), Columns: s.cache.Columns(), Prompt: n, Tail: on.rest + on.generate}
	if s.recipe.Read != nil {
		window.Levels, window.Sketch = s.recipe.Read.Levels(), s.recipe.Sketches()
	}
	decided = window
	decided.Prompt = base
	steps := s.recipe.When.Steps
	if s.recipe.Yield != nil {
		steps = s.recipe.Yield.Block()
	}
	if steps > 0 { // lanes are cut back before they grow further
		decided.Held = base + on.rest + min(on.generate, steps)
		decided.Residual = max(residualMost, on.rest)
	}
	return decided, window
}

// bound is the most that n prompt tokens cut to base entries per head, and what comes on top, can take at any moment. Where heads get
// unequal shares every stream of every lane may end in a page that is almost empty, and every lane in a group that is.
func (s *Sequence) bound(n, base int, on room) int64 {
	decided, window := s.loads(n, base, on)
	decided.Thinned = s.recipe.Thin != nil
	if d, ok := s.recipe.Rest.(policy.Demoter); ok {
		decided.Demoted, decided.DemotedTo = n-base, d.DemotesTo()
		if all := n + on.rest + on.generate; s.recipe.Reclassifies() {
			high := base
			if base == s.budget.Keep.Of(n) {
				high = s.budget.Keep.Of(all) // a share grows with the tokens
			}
			decided.Held += high - base
			decided.Demoted = all - high
		}
	}
	bytes := s.e.cacheBytes(decided, window)
	if s.recipe.Allocate != nil || s.recipe.Select != nil || s.recipe.Yield != nil {
		bytes += int64(s.lanes()) * decided.Ragged(s.e.pool.PageBytes())
	}
	page := int64(s.e.pool.PageBytes())
	return (bytes + page - 1) / page * page // channel lists are not whole pages, reservations are
}

// growth is the most that n tokens which are kept whole, and what comes on top, add to what the sequence holds.
func (s *Sequence) growth(n int, on room) int64 {
	room := room{rest: on.rest + n, generate: on.generate}
	_, window := s.loads(n, 0, on)
	decided, _ := s.loads(0, 0, room)
	if d, ok := s.recipe.Rest.(policy.Demoter); ok && s.recipe.Reclassifies() {
		all, high := room.rest+room.generate, s.high(s.Len()+room.rest+room.generate)
		entries, low := s.held(s.e.decided[0], 0) // of all layers the most
		least, low0 := s.held(s.e.decided[len(s.e.decided)-1], 0)
		decided.Held = min(all, decided.Held+max(0, high-(least-low0)))
		decided.Demoted, decided.DemotedTo = max(0, entries-low+all-high), d.DemotesTo()
	} else if decided.Held > 0 {
		decided.Held += s.keep
	}
	return s.e.cacheBytes(decided, window)
}

// admit reserves what the sequence needs in a pool with a cap, what it holds already included. An error that wraps kvcache.ErrBudget
// means: not now.
func (s *Sequence) admit(need int64) error {
	if s.e.pool.Budget() == 0 {
		return nil
	}
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	wanted := max(0, need-s.Bytes())
	if err := s.e.relieve(claim{seq: s, bytes: func() int64 { return wanted }, fixed: true}); err != nil {
		return err
	}
	if s.reserve == nil {
		r, err := s.e.pool.Reserve(wanted)
		if err != nil {
			return err
		}
		s.reserve = r
		s.cache.Attach(r)
	}
	if s.recipe.Yield != nil {
		s.reserve.Settle() // what it gives up is everybody's
	}
	return s.reserve.Resize(wanted)
}
