package policy

// An Adapter is a method that puts a whole recipe together for a budget, instead of asking which one is best there. It stands alone in
// its spec; its parts are those of the recipe for a middling budget, so that whoever asks what it does before there is a budget gets
// an answer.
type Adapter interface {
	// Recipe returns the spec that serves a budget of this fraction of the f16 cache's bytes, for a model of which c is known; nil: nothing is.
	Recipe(fraction float64, c *Calibration) string
}

// For returns the recipe that serves a budget of this fraction of the f16 cache's bytes: itself, unless it adapts.
func (r *Recipe) For(fraction float64, c *Calibration) (*Recipe, error) {
	if r.Adapt == nil {
		return r, nil
	}
	return Parse(r.Adapt.Recipe(fraction, c))
}

// Fraction is what the budget allows of a cache of n tokens that takes full bytes.
func (b Budget) Fraction(full int64, n int) float64 {
	fraction := 1.0
	if !b.Keep.IsZero() {
		fraction = float64(b.Keep.Scale(1<<40, n)) / (1 << 40)
	}
	if b.Bytes > 0 {
		fraction = min(fraction, float64(b.Bytes)/float64(full))
	}
	return fraction
}
