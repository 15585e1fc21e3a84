package model

import (
	"math"

	"pith/kernel"
	"pith/kvcache"
)

// Rope describes the rotary position embedding (arXiv 2104.09864) and how it was stretched beyond its training length.
type Rope struct {
	Dims      int     // channels of a head that are rotated, from the first on; even
	Base      float64 // theta
	LocalBase float64 // theta of window layers, which are never stretched; 0: they are rotated like the others
	Halves    bool    // channels i and i+Dims/2 form a plane; otherwise 2i and 2i+1
	Skip      []bool  // layers without rotation; nil: none

	Scaling    string  // none, linear, yarn or longrope
	Factor     float64 // of the stretch
	Original   int     // context length before the stretch; 0 = not stated
	AttnFactor float64 // magnitude of rotated vectors, on top of yarn's own; 0 = not stated
	ExtFactor  float64 // yarn: share of the mixture of frequencies
	BetaFast   float64 // yarn: planes that turn more often over the original context keep their frequency
	BetaSlow   float64 // yarn: planes that turn less often are interpolated
}

// read fills the rotation from the keys that all architectures share.
func (r *Rope) read(k *keys, c *Config) {
	r.Dims = k.countOr("rope.dimension_count", c.HeadDim)
	if r.Dims < 2 || r.Dims%2 != 0 || r.Dims > c.HeadDim {
		k.fail("rope.dimension_count", "%d of a head of %d channels", r.Dims, c.HeadDim)
	}
	r.Base = k.positive("rope.freq_base", 10000)
	r.Scaling = k.string("rope.scaling.type", "none")
	r.Factor = k.floatOr("rope.scaling.factor", 0)
	if old := k.floatOr("rope.scale_linear", 0); old > 0 && r.Factor == 0 && r.Scaling == "none" {
		r.Scaling, r.Factor = "linear", old
	}
	r.Original = k.countOr("rope.scaling.original_context_length", 0)
	r.AttnFactor = k.floatOr("rope.scaling.attn_factor", k.floatOr("rope.scaling.yarn_attn_factor", 0))
	r.ExtFactor = k.floatOr("rope.scaling.yarn_ext_factor", 1)
	r.BetaFast = k.positive("rope.scaling.yarn_beta_fast", 32)
	r.BetaSlow = k.positive("rope.scaling.yarn_beta_slow", 1)
	switch r.Scaling {
	case "none":
		r.Factor = 1
	case "linear", "yarn":
		if r.Scaling == "yarn" && r.Base <= 1 {
			k.fail("rope.freq_base", "%v with scaling %q", r.Base, r.Scaling)
		}
		if r.Factor <= 0 {
			k.fail("rope.scaling.factor", "%v with scaling %q", r.Factor, r.Scaling)
		}
	case "longrope":
	default:
		k.fail("rope.scaling.type", "%q is not supported", r.Scaling)
	}
	if r.Original == 0 && (r.Scaling == "yarn" || r.Scaling == "longrope") {
		k.fail("rope.scaling.original_context_length", "missing, with scaling %q", r.Scaling)
	}
}

// Rotation is how one layer encodes positions: plane i turns by InvFreq[i] radians a position.
type Rotation struct {
	InvFreq []float32 // [planes]; empty: the layer does not rotate
	Scale   float32   // rotated channels are multiplied by it
	Halves  bool      // channels i and i+planes form plane i; otherwise 2i and 2i+1
	HeadDim int       // channels from 2*planes on stay as they are
}

// rotations are the different ones of a model.
type rotations struct {
	short, long, local *Rotation
	original           int // sequences that may grow longer take long
}

// bind computes the rotations; the frequency factors of llama3 and longrope lie in the file as tensors.
func (r *rotations) bind(b *binder, c *Config) {
	rope := &c.Rope
	planes := rope.Dims / 2
	r.original = rope.Original
	var short, long []float32
	if rope.Scaling == "longrope" {
		short = b.factors("rope_factors_short.weight", planes)
		long = b.factors("rope_factors_long.weight", planes)
	} else if b.has("rope_freqs.weight") { // llama3: finished factors, with no key beside them
		short = b.factors("rope_freqs.weight", planes)
	}
	if b.checking {
		return // the number of planes is not yet believed
	}
	r.short = rope.rotation(c, short)
	r.long, r.local = r.short, r.short
	if long != nil {
		r.long = rope.rotation(c, long)
	}
	if rope.LocalBase > 0 {
		plain := Rope{Dims: rope.Dims, Base: rope.LocalBase, Halves: rope.Halves, Scaling: "none", Factor: 1}
		r.local = plain.rotation(c, nil)
	}
}

// factors binds divisors of the frequencies.
func (b *binder) factors(name string, planes int) []float32 {
	v := b.vector(name, planes)
	for i, f := range v {
		if !(f > 0) || math.IsInf(float64(f), 0) {
			b.fail(name, "factor %v of plane %d", f, i)
		}
	}
	return v
}

// rotation computes the frequencies. factors, if any, divide them.
func (r *Rope) rotation(c *Config, factors []float32) *Rotation {
	rot := &Rotation{InvFreq: make([]float32, r.Dims/2), Scale: 1, Halves: r.Halves, HeadDim: c.HeadDim}
	for i := range rot.InvFreq {
		// Rounded to f32 at each step as in training: at position 10,000 one unit in the last place is an angle of 1e-3.
		power := float32(math.Pow(r.Base, float64(float32(2*i)/float32(r.Dims))))
		f := 1 / power
		if factors != nil {
			f = 1 / (power * factors[i])
		}
		if r.Scaling == "linear" {
			f /= float32(r.Factor)
		}
		rot.InvFreq[i] = f
	}
	if r.AttnFactor > 0 {
		rot.Scale = float32(r.AttnFactor)
	}
	switch r.Scaling {
	case "yarn":
		r.yarn(rot)
	case "longrope":
		// LongRoPE (arXiv 2402.13753), the magnitude of its section 3: sqrt(1 + ln(s)/ln(original)).
		if s := float64(c.Context) / float64(r.Original); r.AttnFactor == 0 && s > 1 && r.Original > 1 {
			rot.Scale = float32(math.Sqrt(1 + math.Log(s)/math.Log(float64(r.Original))))
		}
	}
	return rot
}

// yarn mixes frequencies (arXiv 2309.00071): planes that turn more than BetaFast times over the original context keep
// theirs, those that turn less than BetaSlow times are slowed by Factor, with a ramp over the planes between (section 3.2,
// its ends rounded to whole planes). Vectors grow by 0.1 ln(Factor) + 1 (section 3.4).
func (r *Rope) yarn(rot *Rotation) {
	// The plane that turns so often over the original context.
	plane := func(turns float64) float64 {
		return float64(r.Dims) * math.Log(float64(r.Original)/(turns*2*math.Pi)) / (2 * math.Log(r.Base))
	}
	low := max(math.Floor(plane(r.BetaFast)), 0)
	high := min(math.Ceil(plane(r.BetaSlow)), float64(r.Dims-1))
	for i, f := range rot.InvFreq {
		ramp := min(max((float64(i)-low)/max(high-low, 1e-3), 0), 1)
		keep := (1 - ramp) * r.ExtFactor
		rot.InvFreq[i] = float32(float64(f)/r.Factor*(1-keep) + float64(f)*keep)
	}
	if r.Factor > 1 && r.ExtFactor != 0 {
		rot.Scale *= float32(0.1*math.Log(r.Factor) + 1)
	}
}

// of is the rotation of a layer for sequences that may grow to maxLen; nil where the layer does not rotate.
func (r *rotations) of(c *Config, l, maxLen int) *Rotation {
	switch {
	case c.Rope.Skip != nil && c.Rope.Skip[l]:
		return nil
	case c.Window[l] > 0:
		return r.local
	case maxLen > r.original:
		return r.long
	}
	return r.short
}

// Rotation returns how layer l encodes positions in a sequence that may grow to maxLen.
func (m *Model) Rotation(l, maxLen int) Rotation {
	if r := m.rotations.of(m.config, l, maxLen); r != nil {
		return *r
	}
	return Rotation{Scale: 1, HeadDim: m.config.HeadDim}
}

// angles writes the cosines and sines of a position, times scale.
func (r *Rotation) angles(cos, sin []float32, pos kvcache.Position, scale float32) {
	for i, f := range r.InvFreq {
		// The angle is an f32 product, as in training.
		s, c := math.Sincos(float64(float32(pos) * f))
		cos[i], sin[i] = float32(c)*scale, float32(s)*scale
	}
}

// apply turns every head of x, [heads*HeadDim].
func (r *Rotation) apply(x, cos, sin []float32) {
	turn := kernel.RotatePairs
	if r.Halves {
		turn = kernel.RotateHalves
	}
	for ; len(x) >= r.HeadDim; x = x[r.HeadDim:] {
		turn(x[:r.HeadDim], cos, sin)
	}
}

// Rotate turns one row of heads, [heads*HeadDim], in place, as queries and keys at a position are. It allocates tables;
// the forward pass keeps its own.
func (r Rotation) Rotate(x []float32, pos kvcache.Position) {
	cos, sin := make([]float32, len(r.InvFreq)), make([]float32, len(r.InvFreq))
	r.angles(cos, sin, pos, r.Scale)
	r.apply(x, cos, sin)
}

// Unrotate undoes Rotate up to rounding.
func (r Rotation) Unrotate(x []float32, pos kvcache.Position) {
	cos, sin := make([]float32, len(r.InvFreq)), make([]float32, len(r.InvFreq))
	r.angles(cos, sin, pos, 1/r.Scale)
	for i := range sin {
		sin[i] = -sin[i]
	}
	r.apply(x, cos, sin)
}

// sincosWork is about the cost of one sine and cosine, in elements of a cheap step.
const sincosWork = 32

// fillAngles brings the tables of the workspace to the rows' positions. Decode steps find them filled by the layer before.
func (p *pass) fillAngles() {
	p.eachOf(rowTask{do: angleRow, width: p.c.Rope.Dims / 2 * sincosWork}, p.n)
}

func angleRow(t *rowTask, i int) {
	p, ws := t.pass, t.pass.ws
	rot := p.m.rotations.of(p.c, p.layer, p.rows.maxLen(i))
	pos := p.rows.Pos[i]
	if ws.angles[i] == rot && ws.anglesAt[i] == pos {
		return
	}
	planes := len(rot.InvFreq)
	rot.angles(ws.cos[i*planes:(i+1)*planes], ws.sin[i*planes:(i+1)*planes], pos, rot.Scale)
	ws.angles[i], ws.anglesAt[i] = rot, pos
}

// rotateRow turns the queries (dst) and keys (src) of one row.
func rotateRow(t *rowTask, i int) {
	ws, c := t.pass.ws, t.pass.c
	rot := ws.angles[i]
	planes := len(rot.InvFreq)
	cos, sin := ws.cos[i*planes:(i+1)*planes], ws.sin[i*planes:(i+1)*planes]
	q, k := c.QHeads*c.HeadDim, c.KVHeads*c.HeadDim
	rot.apply(t.dst[i*q:(i+1)*q], cos, sin)
	rot.apply(t.src[i*k:(i+1)*k], cos, sin)
}
