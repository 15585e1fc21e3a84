package engine

import (
	"pith/kvcache"
	"pith/policy"
)

// execute carries out a plan on one sequence's lanes. Layers that are not decided yet wait outside the sequence's cache, so that its
// cap holds at every moment and entries are encoded once, when it is known which.
func (p *Prefill) execute(t *target, plan policy.Plan) error {
	for _, k := range plan.Keep {
		if p.full != nil && t.run.Recipe().Prober() != nil {
			if k.Final {
				if err := p.takeFromFull(t, k); err != nil {
					return err
				}
			}
			continue
		}
		held, waiting := t.held[k.Layer]
		if k.Fit != nil && !waiting {
			if err := p.storeFitted(t.seq, k, p.ownRows); err != nil {
				return err
			}
			continue
		}
		for h, entries := range k.Heads {
			var err error
			switch {
			case !waiting && k.Final:
				err = p.store(t.seq, h, entries, k)
			case !waiting:
				err = p.appendEntries(t.waiting(p.e).Lane(k.Layer, h), h, entries, nil)
			default:
				lane := t.staged.Lane(k.Layer, h)
				if err = lane.Keep(slotsOf(held[h], entries)); err == nil && k.Final {
					err = p.settle(t.seq.cache.Lane(k.Layer, h), lane, h, k.Fit)
				}
			}
			if err != nil {
				return err
			}
		}
		if k.Final {
			delete(t.held, k.Layer)
		} else {
			t.held[k.Layer] = k.Heads
		}
	}
	return nil
}

// kept are entries of one head on their way into a cache.
type kept struct {
	pos          []kvcache.Position
	keys, values []float32
}

func (k *kept) add(pos kvcache.Position, key, value []float32) {
	k.pos, k.keys, k.values = append(k.pos, pos), append(k.keys, key...), append(k.values, value...)
}

func newKept(n, d int) kept {
	return kept{make([]kvcache.Position, 0, n), make([]float32, 0, n*d), make([]float32, 0, n*d)}
}

// ownRows copies rows of the current layer.
func (p *Prefill) ownRows(head int, entries []int32) kept {
	d := p.e.model.Config().HeadDim
	k := newKept(len(entries), d)
	for _, e := range entries {
		at := (p.prefix[head] + int(e)) * d
		k.add(p.rows.Pos[e], p.keys[head][at:at+d], p.values[head][at:at+d])
	}
	return k
}

// gatherBlock is the number of entries of a lane that are decoded together where only some of them are wanted.
const gatherBlock = 512

// gather decodes entries of a lane, ascending. It holds them and one block of the lane, not the lane.
func gather(lane *kvcache.Lane, entries []int32) kept {
	d := lane.HeadDim()
	k := newKept(len(entries), d)
	pos, keys, values := make([]kvcache.Position, gatherBlock), make([]float32, gatherBlock*d), make([]float32, gatherBlock*d)
	for len(entries) > 0 {
		lo := int(entries[0]) / gatherBlock * gatherBlock
		hi := min(lo+gatherBlock, lane.Len())
		lane.GatherSlots(lo, hi, keys, values, pos)
		for len(entries) > 0 && int(entries[0]) < hi {
			i := int(entries[0]) - lo
			k.add(pos[i], keys[i*d:(i+1)*d], values[i*d:(i+1)*d])
			entries = entries[1:]
		}
	}
	return k
}

// store encodes what one head of the current layer keeps: its entries with what others add to them, the entries that stay in fewer
// bits, and the side columns that the recipe wants.
func (p *Prefill) store(s *Sequence, head int, entries []int32, k policy.LayerKeep) error {
	lane := s.cache.Lane(k.Layer, head)
	if k.Channels != nil {
		if err := lane.SetChannels(k.Channels[head]); err != nil {
			return err
		}
	}
	var merges []kvcache.Merge
	if k.Merges != nil {
		merges = k.Merges[head]
	}
	before := lane.Len()
	if k.Demoted != nil && len(k.Demoted[head]) > 0 {
		if err := p.appendEntries(lane, head, entries, nil); err != nil {
			return err
		}
		if err := s.seedMass(lane, before, entries, p.received(s), head); err != nil {
			return err
		}
		from := p.prefix[head] * lane.HeadDim()
		return lane.AppendDemoted(p.rows.Pos[:p.n], p.keys[head][from:], p.values[head][from:], k.Demoted[head], k.DemoteTo)
	}
	if err := p.appendEntries(lane, head, entries, merges); err != nil {
		return err
	}
	return s.seedMass(lane, before, entries, p.received(s), head)
}

// received is the attention that the current layer's entries received, if the sequence goes on adding to it.
func (p *Prefill) received(s *Sequence) [][]float32 {
	if s.mass < 0 || p.tap.sums == nil {
		return nil
	}
	return p.tap.sums(s.recipe.Forget())
}

// storeFitted stores a layer's entries after a recipe has changed them, all heads at once: from copies those that a head keeps.
func (p *Prefill) storeFitted(s *Sequence, k policy.LayerKeep, from func(head int, entries []int32) kept) error {
	heads := make([]kept, len(k.Heads))
	p.e.parallel(len(heads), func(h int) {
		heads[h] = from(h, k.Heads[h])
		k.Fit(h, heads[h].keys, heads[h].values, s.cache.Lane(k.Layer, h).Storage())
	})
	for h, f := range heads {
		if err := s.cache.Lane(k.Layer, h).Append(f.pos, f.keys, f.values); err != nil {
			return err
		}
	}
	return nil
}

// appendEntries encodes entries of the current layer's scratch into a lane.
func (p *Prefill) appendEntries(lane *kvcache.Lane, head int, entries []int32, merges []kvcache.Merge) error {
	d := p.e.model.Config().HeadDim
	from := p.prefix[head] * d
	if !p.options.Compress && p.probe == nil && len(entries) == p.n {
		// What comes on top of a compressed context stays whole until decode settles it.
		return lane.AppendTail(p.rows.Pos[:p.n], p.keys[head][from:from+p.n*d], p.values[head][from:from+p.n*d])
	}
	return lane.AppendMerged(p.rows.Pos[:p.n], p.keys[head][from:], p.values[head][from:], entries, merges)
}

// settle moves a decided lane from where it waited into the sequence's cache.
func (p *Prefill) settle(to, from *kvcache.Lane, head int, fit policy.Fit) error {
	n, d := from.Len(), p.e.model.Config().HeadDim
	keys, values, pos := make([]float32, n*d), make([]float32, n*d), make([]kvcache.Position, n)
	from.Gather(keys, values, pos)
	if fit != nil {
		fit(head, keys, values, to.Storage())
	}
	if err := to.Append(pos, keys, values); err != nil {
		return err
	}
	return from.Keep(nil)
}

// waiting is the cache in which undecided layers of the target wait.
func (t *target) waiting(e *Engine) *kvcache.Cache {
	if t.staged == nil {
		t.staged = e.staging.NewCache(t.seq.cache.Shape(), e.storage)
	}
	return t.staged
}

// slotsOf turns entries that stay into slots of a lane that holds others too, both ascending.
func slotsOf(held, stay []int32) []int32 {
	slots := make([]int32, 0, len(stay))
	for s, entry := range held {
		if len(slots) < len(stay) && stay[len(slots)] == entry {
			slots = append(slots, int32(s))
		}
	}
	return slots
}
