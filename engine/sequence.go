package engine

import (
	"fmt"
	"slices"

	"pith/kvcache"
	"pith/policy"
)

// A Sequence is one stream of tokens with its cache. It is not safe for concurrent use; different sequences are.
type Sequence struct {
	e       *Engine
	recipe  *policy.Recipe
	budget  policy.Budget
	cache   *kvcache.Cache
	reserve *kvcache.Reservation
	next    kvcache.Position // of the next token
	maxLen  int              // prompt and room to generate: fixes longrope's factors
	logits  []float32        // of the last token fed, [Vocab]
	prompt  int              // tokens read before the last rewindable point: those that a recipe may have thinned out
	keep    int              // entries per head that the recipe keeps, once it has compressed
	shares  bool             // keep is the share that was asked for: no cap has cut it down
	steps   int              // generated since the recipe last acted
	mass    int              // side column of accumulated attention, -1 where the recipe wants none
	decay   float32          // of what is accumulated, with every step
	floor   int64            // bytes that a sequence which yields is promised
	queries queryRing
	broken  error // a step failed half-way: the cache is no longer whole
}

// NewSequence returns an empty sequence. maxLen bounds prompt and reply together; a recipe of nil keeps everything.
func (e *Engine) NewSequence(r *policy.Recipe, b policy.Budget, maxLen int) (*Sequence, error) {
	c := e.model.Config()
	if maxLen <= 0 || maxLen > c.Context {
		return nil, &ContextError{Prompt: maxLen, Context: c.Context}
	}
	s := &Sequence{e: e, recipe: recipeOrFull(r), budget: b, maxLen: maxLen, logits: make([]float32, c.Vocab)}
	if b.Bytes > 0 && s.recipe.Shrinks() && b.Keep.IsZero() {
		s.budget.Keep = policy.Percent(100) // the cap alone decides
	} else if s.recipe.HasBudget() && b.Keep.IsZero() {
		s.budget.Keep = policy.DefaultShare
	}
	f16 := e.plainBytes(maxLen, kvcache.Uniform(kvcache.F16))
	var err error
	if s.recipe, err = s.recipe.For(s.budget.Fraction(f16, maxLen), e.options.Calibration); err != nil {
		return nil, err
	}
	if err := s.recipe.Ready(e.options.Calibration); err != nil {
		return nil, err
	}
	storage := e.storage
	if s.recipe.Store.Given {
		storage = s.recipe.Store.Storage
	}
	var columns []kvcache.Column
	s.mass, s.decay = -1, 1
	mass := s.recipe.Yield != nil
	if mass {
		s.decay = s.recipe.Yield.Decay()
	}
	if s.recipe.When.Steps > 0 {
		signals := s.recipe.Signals()
		if signals.ColumnSums {
			mass, s.decay = true, float32(s.recipe.Forget())
		}
		s.queries.init(c.Layers, signals.Window, c.QHeads*c.HeadDim)
	}
	if mass {
		s.mass = 0
		columns = []kvcache.Column{{Name: "mass", Kind: kvcache.ColumnF32}}
	}
	s.cache = e.pool.NewCache(kvcache.Shape{Layers: c.Layers, KVHeads: c.KVHeads, HeadDim: c.HeadDim}, storage, columns...)
	if s.recipe.Read != nil {
		if s.recipe.Sketches() {
			err = s.cache.SetSketch()
		} else {
			err = s.cache.SetBounds(s.recipe.Read.Levels()...)
		}
		if err != nil {
			return nil, err
		}
	}
	if s.recipe.Yield != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.yielding = append(e.yielding, s)
	}
	return s, nil
}

// Close frees the cache.
func (s *Sequence) Close() {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	s.e.yielding = slices.DeleteFunc(s.e.yielding, func(o *Sequence) bool { return o == s })
	if s.cache != nil {
		s.cache.Free()
		s.cache = nil
	}
	if s.reserve != nil {
		s.reserve.Release()
		s.reserve = nil
	}
}

// Len is the number of tokens that the sequence has seen, kept or not.
func (s *Sequence) Len() int { return int(s.next) }

// Recipe returns the sequence's recipe.
func (s *Sequence) Recipe() *policy.Recipe { return s.recipe }

// Bytes is what the pool holds for the sequence: whole pages with scales, positions and side columns.
func (s *Sequence) Bytes() int64 { return s.cache.Bytes() }

// FullBytes is what the full cache of as many tokens would take in the engine's default storage.
func (s *Sequence) FullBytes() int64 { return s.e.FullBytes(s.Len()) }

// Logits of the last token fed, as they reach the sampler. Borrowed until the next step.
func (s *Sequence) Logits() []float32 { return s.logits }

// Positions returns the original positions that one lane holds, ascending.
func (s *Sequence) Positions(layer, head int) []kvcache.Position {
	s.e.mu.Lock() // a sequence that yields changes while others compute
	defer s.e.mu.Unlock()
	return s.cache.Lane(layer, head).Positions(nil)
}

// Held returns how many entries one lane holds, and how many of them in fewer bits than the recipe's storage.
func (s *Sequence) Held(layer, head int) (entries, demoted int) {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	return s.held(layer, head)
}

func (s *Sequence) held(layer, head int) (entries, demoted int) {
	for _, segment := range s.cache.Lane(layer, head).Segments() {
		entries += segment.Len
		if segment.Demoted {
			demoted += segment.Len
		}
	}
	return entries, demoted
}

// Rewind forgets every token from position n on, so that a context can be asked again. Tokens that a window layer has already let go
// cannot come back: that is an error, and nothing is changed.
func (s *Sequence) Rewind(n int) error {
	if err := s.usable(); err != nil {
		return err
	}
	if n < s.prompt || n > s.Len() {
		return fmt.Errorf("engine: rewind to %d: the sequence holds tokens %d to %d on top of its prompt", n, s.prompt, s.Len())
	}
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	c := s.e.model.Config()
	for l, w := range c.Window {
		for h := range c.KVHeads {
			if slots := s.cache.Lane(l, h).Slots(nil); w > 0 && len(slots) > 0 && int(slots[0]) > max(0, n-w+1) {
				return fmt.Errorf("engine: rewind to %d: layer %d holds positions from %d on, its window of %d needs %d", n, l, slots[0], w, n-w+1)
			}
		}
	}
	for l := range c.Layers {
		for h := range c.KVHeads {
			s.cache.Lane(l, h).Truncate(kvcache.Position(n))
		}
	}
	s.next = kvcache.Position(n)
	return nil
}

// usable refuses a sequence whose cache a failed step has left half-way.
func (s *Sequence) usable() error {
	if s.cache == nil {
		return fmt.Errorf("engine: sequence: closed")
	}
	if s.broken != nil {
		return fmt.Errorf("engine: sequence: an earlier step failed: %w", s.broken)
	}
	return nil
}
