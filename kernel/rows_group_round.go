package kernel

import (
	"cmp"
	"math"
	"slices"
)

// KeyRounding chooses the codes of grouped keys so that scores suffer least, not the keys themselves. The error e of a key costs what
// queries make of it, eᵀHe with H = E[q qᵀ], and queries lie in few directions: channels are rounded one after the other, each to the
// nearest code of what makes up best for the errors made so far (Babai's nearest plane; GPTQ, arXiv 2210.17323, does the same to weights).
// Steps and minima stay those of [EncodeGroupK].
type KeyRounding struct {
	d     int
	order []int     // channels in the order of rounding
	feed  []float32 // [d, d]: row i says what the errors of order[:i] ask of channel order[i]
}

// keyRoundingDamp is added to H's diagonal, relative to its mean: queries that were not seen count a little too.
const keyRoundingDamp = 0.01

// NewKeyRounding prepares rounding for d channels with H [d, d], symmetric; spread [d] is about the range of each channel, which decides the
// order: the costliest first.
func NewKeyRounding(h, spread []float64, d int) *KeyRounding {
	r := &KeyRounding{d: d, order: make([]int, d), feed: make([]float32, d*d)}
	mean := 0.0
	for c := range d {
		r.order[c] = c
		mean += h[c*d+c] / float64(d)
	}
	if !(mean > 0) || math.IsInf(mean, 0) {
		return r // no query was seen: every code is the nearest
	}
	cost := make([]float64, d)
	for c := range d {
		cost[c] = h[c*d+c] * spread[c] * spread[c]
	}
	slices.SortStableFunc(r.order, func(a, b int) int { return cmp.Compare(cost[b], cost[a]) })
	// With H = LLᵀ in the reverse order, eᵀHe = Σ_i (Σ_{j>=i} L_ji e_j)²: rounding goes from the last to the first.
	l := make([]float64, d*d)
	at := func(i int) int { return r.order[d-1-i] }
	for i := range d {
		for j := range i + 1 {
			s := h[at(i)*d+at(j)]
			if i == j {
				s += keyRoundingDamp * mean
			}
			for k := range j {
				s -= l[i*d+k] * l[j*d+k]
			}
			if i == j {
				l[i*d+i] = math.Sqrt(max(s, 1e-9*mean))
			} else {
				l[i*d+j] = s / l[j*d+j]
			}
		}
	}
	for i := range d {
		for j := i + 1; j < d; j++ {
			r.feed[(d-1-i)*d+d-1-j] = float32(-l[j*d+i] / l[i*d+i])
		}
	}
	return r
}

// Round replaces n keys of d channels by numbers that EncodeGroupK stores without further error. The extremes of a channel keep the codes
// that make its step.
func (r *KeyRounding) Round(keys []float32, n int, f GroupFormat) {
	for at := 0; at < n; at += f.Group {
		r.block(keys[at*r.d:min(n, at+f.Group)*r.d], f)
	}
}

func (r *KeyRounding) block(keys []float32, f GroupFormat) {
	d, n := r.d, len(keys)/r.d
	var s, extremes groupScales
	s.reset(d)
	for t := range n {
		for c, v := range keys[t*d : (t+1)*d] {
			s.see(c, v)
		}
	}
	extremes = s
	var header [4 * maxSlots]byte
	s.store(header[:], d, d, f.Bits)
	var steps groupScales
	steps.load(header[:], d, d)
	top := float32(int(1)<<f.Bits - 1)
	errs := make([]float32, d)
	for t := range n {
		key := keys[t*d : (t+1)*d]
		for i, c := range r.order {
			v := key[c]
			want := v
			if v != extremes.low[c] && v != extremes.high[c] {
				want += Dot(errs[:i], r.feed[i*d:i*d+i])
			}
			code := (want - s.low[c]) * s.inv[c]
			switch {
			case !(code > 0):
				code = 0
			default:
				code = float32(math.RoundToEven(float64(min(code, top))))
			}
			got := s.low[c] + steps.inv[c]*code
			errs[i] = got - v
			key[c] = got
		}
	}
}
