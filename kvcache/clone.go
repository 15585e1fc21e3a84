package kvcache

import (
	"fmt"
	"slices"
)

// Clone returns a cache with the same entries, stored in the same bits in pages of its own, drawn from r first, which it owns from then
// on (nil: none). A compressed document is so continued by several conversations. All or, with ErrBudget, nothing.
func (c *Cache) Clone(r *Reservation) (*Cache, error) {
	o := &Cache{pool: c.pool, shape: c.shape, storage: c.storage, columns: c.columns, widths: c.widths, bounds: c.bounds, sketch: c.sketch,
		lanes: make([]Lane, len(c.lanes)), reserve: r}
	lists := int(c.side.Load())
	if err := o.chargeSide(lists); err != nil {
		return nil, fmt.Errorf("kvcache: clone: %w", err)
	}
	ids, err := o.take(nil, int(c.pages.Load()))
	if err != nil {
		_ = o.chargeSide(-lists)
		return nil, fmt.Errorf("kvcache: clone: %w", err)
	}
	for i := range c.lanes {
		from, to := &c.lanes[i], &o.lanes[i]
		*to = Lane{cache: o, storage: from.storage, channels: from.channels, overflow: from.overflow, segs: slices.Clone(from.segs)}
		for j := range to.segs {
			s := &to.segs[j]
			s.bounds = slices.Clone(s.bounds)
			s.keys.recs = slices.Clone(s.keys.recs)
			for y := range s.each(0) {
				for k, id := range y.ids {
					copy(o.pool.page(ids[k]), c.pool.page(id))
				}
				n := len(y.ids)
				y.ids = slices.Clone(ids[:n])
				ids = ids[n:]
			}
		}
	}
	return o, nil
}
