package kvcache

import (
	"fmt"
	"slices"

	"pith/kernel"
)

// Gather decodes the whole lane in slot order: keys and values to dstK and dstV, [Len, HeadDim] each, positions to dstPos.
// Any of them may be nil. Key channels that the lane does not hold become 0.
func (l *Lane) Gather(dstK, dstV []float32, dstPos []Position) {
	l.gather(0, l.Len(), dstK, dstV, dstPos)
}

// GatherSlots decodes slots [lo, hi) in the same way.
func (l *Lane) GatherSlots(lo, hi int, dstK, dstV []float32, dstPos []Position) {
	l.gather(lo, hi, dstK, dstV, dstPos)
}

func (l *Lane) gather(lo, hi int, dstK, dstV []float32, dstPos []Position) {
	base := 0
	for i := range l.segs {
		s := &l.segs[i]
		a, b := max(lo-base, 0), min(hi-base, s.len())
		if a < b {
			at, d := base+a-lo, l.HeadDim()
			var k, v []float32
			var pos []Position
			if dstK != nil {
				k = dstK[at*d:]
			}
			if dstV != nil {
				v = dstV[at*d:]
			}
			if dstPos != nil {
				pos = dstPos[at:]
			}
			l.decode(s, a, b, k, v, pos)
		}
		base += s.len()
	}
}

// decode writes entries [lo, hi) of a segment.
func (l *Lane) decode(s *segment, lo, hi int, dstK, dstV []float32, dstPos []Position) {
	sc := getScratch()
	defer sc.put()
	pool, d := l.cache.pool, l.HeadDim()
	if dstK != nil || dstPos != nil {
		for c := s.keys.from(pool, lo, &sc.page); c.slot < hi; {
			r, slot, _ := c.next(hi - c.slot)
			if dstPos != nil {
				copy(dstPos[slot-lo:], r.positions())
			}
			switch {
			case dstK == nil:
			case s.channels == nil:
				decodeRun(&s.keys.layout, &r, dstK[(slot-lo)*d:], &sc.tile)
			default:
				w := s.keys.dims
				narrow := floats(&sc.k, r.n*w)
				decodeRun(&s.keys.layout, &r, narrow, &sc.tile)
				rows := dstK[(slot-lo)*d : (slot-lo+r.n)*d]
				clear(rows)
				for i := range r.n {
					for j, ch := range s.channels {
						rows[i*d+int(ch)] = narrow[i*w+j]
					}
				}
			}
		}
	}
	if dstV != nil {
		for c := s.valuesFrom(pool, lo, &sc.page); c.slot < hi; {
			r, slot, _ := c.next(hi - c.slot)
			decodeRun(&s.values.layout, &r, dstV[(slot-lo)*d:], &sc.tile)
		}
	}
}

// AppendSelected stores rows pick, ascending, of n entries in contiguous scratch: positions pos [n], keys and values [n, HeadDim]. It
// is how a plan is executed: what is not picked never reaches a page. All or none, as Append.
func (l *Lane) AppendSelected(pos []Position, k, v []float32, pick []int32) error {
	return l.AppendMerged(pos, k, v, pick, nil)
}

// Merge adds a weighted entry to one that is kept: k[To] += Key*k[From], v[To] += Value*v[From]. With From equal to To the
// weights replace the 1 that the target's own key and value count with, so that any affine combination can be said
// (MergingPress' mean is Value = 1/(1+sum) for itself and w/(1+sum) for each other).
type Merge struct {
	From, To   int32
	Key, Value float32
}

// AppendMerged stores rows pick as AppendSelected does, after the merges have been applied, in f32, to what is stored. The
// scratch itself is not changed.
func (l *Lane) AppendMerged(pos []Position, k, v []float32, pick []int32, merges []Merge) error {
	d, n := l.HeadDim(), len(pos)
	if len(k) != n*d || len(v) != n*d {
		return fmt.Errorf("kvcache: append: %d positions with %d key and %d value channels of %d each", n, len(k), len(v), d)
	}
	if len(pick) == 0 {
		return nil
	}
	if err := ascending(pick, n); err != nil {
		return fmt.Errorf("kvcache: append: %w", err)
	}
	if len(merges) == 0 && len(pick) == n {
		return l.Append(pos, k, v)
	}
	sc := getScratch()
	defer sc.put()
	gk, gv := floats(&sc.k, len(pick)*d), floats(&sc.v, len(pick)*d)
	sc.pos = sc.pos[:0]
	for i, p := range pick {
		sc.pos = append(sc.pos, pos[p])
		copy(gk[i*d:(i+1)*d], k[int(p)*d:])
		copy(gv[i*d:(i+1)*d], v[int(p)*d:])
	}
	if err := merge(gk, gv, k, v, d, pick, merges); err != nil {
		return err
	}
	return l.Append(sc.pos, gk, gv)
}

// ascending checks indices below n.
func ascending(list []int32, n int) error {
	last := int32(-1)
	for _, p := range list {
		if p <= last || int(p) >= n {
			return fmt.Errorf("index %d after %d of %d entries", p, last, n)
		}
		last = p
	}
	return nil
}

// merge applies merges to the gathered rows: targets' own weights first, so that the order of the list does not matter for them.
func merge(gk, gv, k, v []float32, d int, pick []int32, merges []Merge) error {
	n := len(k) / d
	for own := range 2 {
		for _, m := range merges {
			if (m.From == m.To) != (own == 0) {
				continue
			}
			i, ok := slices.BinarySearch(pick, m.To)
			if !ok || m.From < 0 || int(m.From) >= n {
				return fmt.Errorf("kvcache: merge of entry %d into %d: the target is not kept or the source not among %d entries", m.From, m.To, n)
			}
			from, to := int(m.From)*d, i*d
			if own == 0 {
				kernel.Scale(gk[to:to+d], m.Key)
				kernel.Scale(gv[to:to+d], m.Value)
				continue
			}
			kernel.AddScaled(gk[to:to+d], k[from:from+d], m.Key)
			kernel.AddScaled(gv[to:to+d], v[from:from+d], m.Value)
		}
	}
	return nil
}

// SetChannels makes bulk appends from now on store only these key channels, ascending (ThinK, arXiv 2407.21018); nil stands
// for all. What decode adds one by one keeps every channel. The list's bytes are counted with each segment that has it.
func (l *Lane) SetChannels(channels []uint16) error {
	if channels == nil {
		l.channels = nil
		return nil
	}
	list := make([]int32, len(channels))
	for i, c := range channels {
		list[i] = int32(c)
	}
	if err := ascending(list, l.HeadDim()); err != nil || len(list) == 0 {
		return fmt.Errorf("kvcache: channels: %d given: %w", len(list), err)
	}
	l.channels = slices.Clone(channels)
	return nil
}
