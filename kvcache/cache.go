package kvcache

import (
	"fmt"
	"sync/atomic"
)

// Shape is the size of a cache: a lane for each layer and KV head.
type Shape struct{ Layers, KVHeads, HeadDim int }

// ColumnKind is the type of a side column's values in memory. They are read and written as float32.
type ColumnKind uint8

const (
	ColumnF32 ColumnKind = iota // 4 bytes an entry
	ColumnU16                   // 2 bytes, 0 to 65535, rounded to nearest and clamped
	ColumnU8                    // 1 byte, 0 to 255, rounded to nearest and clamped
)

func (k ColumnKind) bytes() int { return [...]int{4, 2, 1}[k] }

// Column declares state that lives beside every entry: an accumulated sum, an age, a gate's delay line. It lies in the
// key pages, is counted, moves with its entry and starts at zero.
type Column struct {
	Name string
	Kind ColumnKind
}

// Cache is the memory of one sequence. Different lanes may be used concurrently, one lane by one goroutine at a time
// unless all of them only read.
type Cache struct {
	pool    *Pool
	shape   Shape
	columns []Column
	widths  []int
	bounds  []int // entries of a block, for each level
	sketch  bool  // lanes keep a sketch
	storage Storage
	reserve *Reservation
	lanes   []Lane // [Layers][KVHeads]
	pages   atomic.Int64
	side    atomic.Int64 // bytes charged for channel lists
	freed   bool
}

// NewCache returns an empty cache whose lanes store their entries as storage says. No memory is taken yet.
// It panics if a page of the pool does not hold one entry: choose the size with [PageBytes].
func (p *Pool) NewCache(s Shape, storage Storage, columns ...Column) *Cache {
	c := &Cache{pool: p, shape: s, storage: storage, columns: columns, lanes: make([]Lane, s.Layers*s.KVHeads)}
	for _, col := range columns {
		c.widths = append(c.widths, col.Kind.bytes())
	}
	for i := range c.lanes {
		c.lanes[i] = Lane{cache: c, storage: storage}
	}
	for _, st := range []Storage{storage, residualStorage} {
		if err := c.check(st); err != nil {
			panic(err)
		}
	}
	return c
}

// check reports whether a page holds an entry in this storage.
func (c *Cache) check(s Storage) error {
	keys, values := newLayouts(c.pool.pageBytes, s, c.shape.HeadDim, c.shape.HeadDim, c.widths)
	if !keys.fits() || !values.fits() {
		return fmt.Errorf("kvcache: storage %v: an entry of %d channels does not fit in a page of %d bytes", s, c.shape.HeadDim, c.pool.pageBytes)
	}
	return nil
}

// Pool is where the cache's pages come from.
func (c *Cache) Pool() *Pool { return c.pool }

// Shape is the number of layers, KV heads and channels.
func (c *Cache) Shape() Shape { return c.shape }

// Columns are the declared side columns.
func (c *Cache) Columns() []Column { return c.columns }

// Column is the index of the side column of that name, by which lanes read and write it.
func (c *Cache) Column(name string) (int, bool) {
	for i, col := range c.columns {
		if col.Name == name {
			return i, true
		}
	}
	return 0, false
}

// Attach makes the cache draw its pages from r first. The cache owns r from now on and releases it when freed; a reservation
// attached before is released.
func (c *Cache) Attach(r *Reservation) {
	if c.reserve != nil && c.reserve != r {
		c.reserve.Release()
	}
	c.reserve = r
}

// Reservation is what Attach was given, nil without.
func (c *Cache) Reservation() *Reservation { return c.reserve }

// Lane is the cache of one layer and KV head.
func (c *Cache) Lane(layer, head int) *Lane { return &c.lanes[layer*c.shape.KVHeads+head] }

// Bytes is what the cache holds of the pool: whole pages, with positions, scales, columns and channel lists.
func (c *Cache) Bytes() int64 { return c.pages.Load()*int64(c.pool.pageBytes) + c.side.Load() }

// Entries is the number of entries of all lanes.
func (c *Cache) Entries() int64 {
	var n int64
	for i := range c.lanes {
		n += int64(c.lanes[i].Len())
	}
	return n
}

// SetStorage changes how entries appended to a layer from now on are stored. What is there stays as it is; see
// [Lane.Recode].
func (c *Cache) SetStorage(layer int, s Storage) error {
	if err := c.check(s); err != nil {
		return err
	}
	for h := range c.shape.KVHeads {
		c.Lane(layer, h).storage = s
	}
	return nil
}

// Overflows is the number of values that did not fit f16 and turned their lanes to bf16.
func (c *Cache) Overflows() int64 {
	var n int64
	for i := range c.lanes {
		n += c.lanes[i].overflow
	}
	return n
}

// Free hands every page back and releases the reservation. The cache must not be used afterwards; freeing it again is
// harmless.
func (c *Cache) Free() {
	if c == nil || c.freed {
		return
	}
	c.freed = true
	for i := range c.lanes {
		c.lanes[i].Clear()
	}
	c.reserve.Release()
}

// take appends n pages to ids, or changes nothing.
func (c *Cache) take(ids []pageID, n int) ([]pageID, error) {
	ids, err := c.pool.take(ids, n, c.reserve)
	if err == nil && n > 0 {
		c.pages.Add(int64(n))
	}
	return ids, err
}

func (c *Cache) give(ids []pageID) {
	c.pool.give(ids, c.reserve)
	c.pages.Add(-int64(len(ids)))
}

// chargeSide counts bytes that describe a segment and do not lie in pages; negative ones go back. With ErrBudget nothing has changed.
func (c *Cache) chargeSide(bytes int) error {
	if bytes == 0 {
		return nil
	}
	p, r := c.pool, c.reserve
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes < 0 {
		p.refund(int64(-bytes), r)
	} else if err := p.charge(int64(bytes), r); err != nil {
		return err
	}
	c.side.Add(int64(bytes))
	return nil
}

// Storage is how NewCache was told to store entries.
func (c *Cache) Storage() Storage { return c.storage }
