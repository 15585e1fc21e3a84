package policy

// A Profiler is an Allocator that judges heads by looking at their layer, not only at scores: which ones retrieve, which ones look no
// further than the newest entries. What it says of a layer waits in Scored.Profile until the layer is decided.
type Profiler interface {
	Allocator
	Signals() Signals
	// Profile returns one value per KV head.
	Profile(l *Layer) ([]float32, error)
}

// Pins are the first and the newest entries that a head keeps whatever their score.
type Pins struct{ Sinks, Recent int }

// PinsOf returns what head h keeps whatever its score: the layer's pins, or those that an allocator has set for the head.
func (s *Scored) PinsOf(h int) Pins {
	if s.Pins != nil {
		return s.Pins[h]
	}
	return Pins{s.Sinks, s.Recent}
}

// profiler is the recipe's allocator if it looks at layers itself.
func (r *Recipe) profiler() Profiler {
	p, _ := r.Allocate.(Profiler)
	return p
}

// profile lets the allocator look at a layer.
func (run *Run) profile(l *Layer, s *Scored) (err error) {
	if p := run.recipe.profiler(); p != nil {
		s.Profile, err = p.Profile(l)
	}
	return err
}
