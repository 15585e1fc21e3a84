package acceptance

import (
	"slices"
	"testing"

	"pith/kvcache"
	"pith/policy"
)

// A reach says what a reading recipe reads for the newest row of a prompt, a mean over the heads of the layers that it does not read whole.
type reach struct {
	spec  string
	mass  float64 // share of the attention that lies in what is read
	best  float64 // the most that as many whole blocks can hold
	bytes float64 // share of the cache's bytes that is touched, bounds included
	heads float64
}

// look adds the heads of one layer. The keys lie in lanes as the engine's do, and the recipe sees the bounds of those.
func (r *reach) look(t *testing.T, l *policy.Layer, share policy.Share) {
	t.Helper()
	recipe, err := policy.Parse(r.spec)
	if err != nil {
		t.Fatal(err)
	}
	if l.Index < recipe.Read.Dense() {
		return // a layer that is read whole
	}
	g, d, n := l.Group(), l.HeadDim, l.Tokens
	for h := range l.KVHeads {
		c := kvcache.NewPool(4096, 0).NewCache(kvcache.Shape{Layers: 1, KVHeads: 1, HeadDim: d}, kvcache.Uniform(kvcache.F16))
		page := 1
		if recipe.Sketches() {
			err = c.SetSketch()
		} else {
			page, err = recipe.Read.Levels()[0], c.SetBounds(recipe.Read.Levels()...)
		}
		if err != nil {
			t.Fatal(err)
		}
		lane := c.Lane(0, 0)
		if err := lane.Append(l.Positions, l.Keys[h], l.Values[h]); err != nil {
			t.Fatal(err)
		}
		q := kvcache.Query{Q: l.LastQueries[(len(l.LastQueries)/d-l.QHeads+h*g)*d:][:g*d], Group: g, Scale: l.Scale}
		touched := 0
		recipe.Read.Read(&policy.Reading{Entries: n, Budget: share.Of(n), Group: g, Blocks: lane.Blocks,
			Bound: func(level int, within []kvcache.Span) ([]float32, []kvcache.Span) {
				bounds, blocks := lane.Bound(nil, nil, level, &q, within, new(kvcache.AttendScratch))
				touched += len(bounds) * 4 * d // the smallest and the largest of every channel, f16
				return bounds, blocks
			},
			Loss: func() ([]float32, int) {
				touched += n / 64 * (16*d + 2*d + 2*64 + 2*2*d + 64) // keys in 2 bits, a mean, scales, two mean values, and distances from them
				var look kvcache.Glance
				for i := range look.Begin(lane, &q) {
					look.Look(lane, &q, i, new(kvcache.AttendScratch))
				}
				return look.Loss(lane, &q)
			}}, &q)
		for _, slot := range q.Slots {
			q.Spans = append(q.Spans, kvcache.Span{Lo: int(slot), Hi: int(slot) + 1})
		}
		probs, err := l.WindowProbs(h, 1)
		if err != nil {
			t.Fatal(err)
		}
		blocks := make([]float64, (n+page-1)/page) // mass of each, over the group
		of := func(slot int) int { return slot / page }
		read := 0
		for i, p := range probs {
			blocks[of(i%n)] += float64(p) / float64(g)
		}
		for _, s := range q.Spans {
			read += s.Hi - s.Lo
			for b := of(s.Lo); b <= of(s.Hi-1); b++ {
				r.mass += blocks[b]
			}
		}
		slices.Sort(blocks)
		for _, m := range blocks[len(blocks)-(read+page-1)/page:] {
			r.best += m
		}
		r.bytes += float64(touched+read*4*d) / float64(n*4*d)
		r.heads++
		c.Free()
	}
}

// An eighth of 2,000 entries, chosen by bounds, holds nearly the attention that the best eighth of whole blocks holds, and with the bounds a quarter
// of the bytes are touched.
func TestSeed8BoundsFindTheAttention(t *testing.T) {
	reaches := []*reach{{spec: "quest"}, {spec: "hierarchy"}}
	for seed := range seeds {
		lookAt(t, seed, 2000, func(l *policy.Layer) { reachAll(t, l, reaches) })
	}
	for _, r := range reaches {
		mass, best, bytes := r.shares(t)
		if bytes > 0.25 || mass < 0.9*best {
			t.Errorf("%s: %.3f of the attention in %.1f%% of the bytes, %.3f at best", r.spec, mass, 100*bytes, best)
		}
	}
}

// In a long context an eighth of the entries covers nine tenths of the attention for a quarter of the bytes.
func TestSeed8AnEighthOfALongContextCoversTheAttention(t *testing.T) {
	for i := range readLong(t).reach {
		if mass, _, bytes := longOnce.reach[i].shares(t); mass < 0.9 || bytes > 0.25 {
			t.Errorf("%s: %.3f of the attention in %.1f%% of the bytes", longOnce.reach[i].spec, mass, 100*bytes)
		}
	}
}

// shares are means over the heads.
func (r *reach) shares(t *testing.T) (mass, best, bytes float64) {
	t.Helper()
	mass, best, bytes = r.mass/r.heads, r.best/r.heads, r.bytes/r.heads
	t.Logf("%s: %.3f of the attention, %.3f at best; %.1f%% of the bytes", r.spec, mass, best, 100*bytes)
	return mass, best, bytes
}

// reachAll looks at one layer with an eighth as the budget.
func reachAll(t *testing.T, l *policy.Layer, reaches []*reach) {
	t.Helper()
	share, err := policy.ParseShare("12.5%")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reaches {
		r.look(t, l, share)
	}
}
