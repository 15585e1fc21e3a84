package kvcache

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// ErrBudget is wrapped by every error that means "the pool has no room for this". The call that returned it has changed
// nothing; the caller compresses, queues, stops or refuses.
var ErrBudget = errors.New("kvcache: budget exceeded")

// BudgetError carries the figures of a refused request, in bytes.
type BudgetError struct {
	Wanted int64 // what the call needed on top of what it held or had reserved
	Free   int64 // what was neither handed out nor reserved
	Budget int64 // the cap
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("kvcache: pool: %d bytes wanted, %d free of a budget of %d", e.Wanted, e.Free, e.Budget)
}

func (e *BudgetError) Unwrap() error { return ErrBudget }

// pageID is a page's number: slab = id / perSlab, place in the slab = id % perSlab.
type pageID uint32

const (
	// slabBytes is the unit in which address space is asked for; only touched pages are resident.
	slabBytes = 16 << 20
	// trimBytes of free but still resident pages may pile up before they go back in one batch: a system call per page
	// would cost more than the page's copy, a larger pile would show in resident memory.
	trimBytes = 1 << 20
)

// Pool hands out equal pages under one byte budget. All methods are safe for concurrent use.
type Pool struct {
	pageBytes int
	perSlab   int

	slabs atomic.Pointer[[][]byte] // replaced, never changed, so that page lookups need no lock

	mu       sync.Mutex // guards everything below
	budget   int64      // 0 = unbounded
	used     int64      // bytes of pages and blocks handed out
	peak     int64
	reserved int64    // bytes promised to reservations and not yet drawn
	warm     []pageID // free, still resident; last in, first out
	cold     []pageID // free, given back to the system
	next     pageID   // pages from here on have never been handed out
	resident int64    // bytes of slab pages touched and not given back
	blocks   int64    // bytes of blocks handed out, part of used
	closed   bool
}

// NewPool returns a pool of pages of pageBytes bytes (a positive multiple of 4096, see [PageBytes]) that never
// hands out more than budget bytes; a budget of 0 is unbounded. Address space is taken as needed.
func NewPool(pageBytes int, budget int64) *Pool {
	if pageBytes <= 0 || pageBytes%4096 != 0 {
		panic(fmt.Sprintf("kvcache: pool: page of %d bytes is not a positive multiple of 4096", pageBytes))
	}
	p := &Pool{pageBytes: pageBytes, perSlab: max(1, slabBytes/pageBytes), budget: max(budget, 0)}
	p.slabs.Store(&[][]byte{})
	return p
}

// PageBytes is the size of one page.
func (p *Pool) PageBytes() int { return p.pageBytes }

// Used is the number of bytes handed out: whole pages, and blocks.
func (p *Pool) Used() int64 { p.mu.Lock(); defer p.mu.Unlock(); return p.used }

// Peak is the largest value Used has had since the start or the last ResetPeak.
func (p *Pool) Peak() int64 { p.mu.Lock(); defer p.mu.Unlock(); return p.peak }

// ResetPeak starts a new measurement of Peak.
func (p *Pool) ResetPeak() { p.mu.Lock(); defer p.mu.Unlock(); p.peak = p.used }

// Budget is the cap in bytes, 0 when unbounded.
func (p *Pool) Budget() int64 { p.mu.Lock(); defer p.mu.Unlock(); return p.budget }

// SetBudget changes the cap; 0 lifts it. Below what is in use it takes nothing away, but nothing more is handed out
// until use has fallen.
func (p *Pool) SetBudget(bytes int64) { p.mu.Lock(); defer p.mu.Unlock(); p.budget = max(bytes, 0) }

// Reserved is the number of bytes promised to reservations and not yet drawn from them.
func (p *Pool) Reserved() int64 { p.mu.Lock(); defer p.mu.Unlock(); return p.reserved }

// Available is what may still be handed out or reserved, in bytes; the largest int64 when unbounded.
func (p *Pool) Available() int64 { p.mu.Lock(); defer p.mu.Unlock(); return p.available() }

// Resident is the number of bytes of pages that the pool has touched and not given back to the operating system, plus its
// blocks: Used plus at most a batch of free pages. Where the system has huge pages it may hold up to one more of them at the end of a slab.
func (p *Pool) Resident() int64 { p.mu.Lock(); defer p.mu.Unlock(); return p.resident + p.blocks }

func (p *Pool) available() int64 {
	if p.budget == 0 {
		return 1<<63 - 1
	}
	return max(0, p.budget-p.used-p.reserved)
}

// charge moves bytes to used, out of r first. The caller holds mu.
func (p *Pool) charge(bytes int64, r *Reservation) error {
	var drawn int64
	if r != nil {
		drawn = min(r.left, bytes)
	}
	if free := p.available(); bytes-drawn > free {
		return &BudgetError{Wanted: bytes - drawn, Free: free, Budget: p.budget}
	}
	if r != nil {
		r.left -= drawn
		r.drawn += drawn
		p.reserved -= drawn
	}
	p.used += bytes
	p.peak = max(p.peak, p.used)
	return nil
}

// refund is the inverse of charge: what was drawn from r returns to it. The caller holds mu.
func (p *Pool) refund(bytes int64, r *Reservation) {
	p.used -= bytes
	if r != nil && !r.released {
		back := min(r.drawn, bytes)
		r.drawn -= back
		r.left += back
		p.reserved += back
	}
}

// take appends n pages to dst, or changes nothing and returns an error.
func (p *Pool) take(dst []pageID, n int, r *Reservation) ([]pageID, error) {
	if n <= 0 {
		return dst, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	bytes := int64(n) * int64(p.pageBytes)
	if err := p.charge(bytes, r); err != nil {
		return dst, err
	}
	start := len(dst)
	for len(dst)-start < n {
		id, err := p.pop()
		if err != nil {
			for _, id := range dst[start:] {
				p.warm = append(p.warm, id)
			}
			p.refund(bytes, r)
			return dst[:start], err
		}
		dst = append(dst, id)
	}
	return dst, nil
}

// pop removes one page from the free lists, or opens a new one. The caller holds mu.
func (p *Pool) pop() (pageID, error) {
	if k := len(p.warm); k > 0 {
		id := p.warm[k-1]
		p.warm = p.warm[:k-1]
		return id, nil
	}
	if k := len(p.cold); k > 0 {
		id := p.cold[k-1]
		if err := commitMemory(p.page(id)); err != nil {
			return 0, fmt.Errorf("kvcache: pool: page of %d bytes: %w", p.pageBytes, err)
		}
		p.cold = p.cold[:k-1]
		p.resident += int64(p.pageBytes)
		return id, nil
	}
	slabs := *p.slabs.Load()
	if int(p.next) == len(slabs)*p.perSlab {
		if p.closed {
			return 0, errors.New("kvcache: pool: used after Close")
		}
		mem, err := mapMemory(p.perSlab * p.pageBytes)
		if err != nil {
			return 0, fmt.Errorf("kvcache: pool: slab of %d bytes: %w", p.perSlab*p.pageBytes, err)
		}
		adviseSlab(mem)
		grown := append(slices.Clone(slabs), mem)
		p.slabs.Store(&grown)
	}
	id := p.next
	p.next++
	p.resident += int64(p.pageBytes)
	return id, nil
}

// page is the memory of a page: borrowed until it is given back.
func (p *Pool) page(id pageID) []byte {
	slab := (*p.slabs.Load())[int(id)/p.perSlab]
	off := int(id) % p.perSlab * p.pageBytes
	return slab[off : off+p.pageBytes : off+p.pageBytes]
}

// pagesFrom is the memory of a page and of all that follow it in its slab: borrowed until they are given back.
func (p *Pool) pagesFrom(id pageID) []byte {
	return (*p.slabs.Load())[int(id)/p.perSlab][int(id)%p.perSlab*p.pageBytes:]
}

// pages is the memory of several pages where they lie one behind the other, else nil: borrowed until one is given back.
func (p *Pool) pages(ids []pageID) []byte {
	for i, id := range ids {
		if id != ids[0]+pageID(i) {
			return nil
		}
	}
	first, n := int(ids[0]), len(ids)
	if first%p.perSlab+n > p.perSlab {
		return nil
	}
	slab := (*p.slabs.Load())[first/p.perSlab]
	off := first % p.perSlab * p.pageBytes
	return slab[off : off+n*p.pageBytes : off+n*p.pageBytes]
}

// give takes pages back; what they were drawn from gets its bytes again.
func (p *Pool) give(ids []pageID, r *Reservation) {
	if len(ids) == 0 {
		return
	}
	for _, id := range ids {
		mangle(p.page(id))
	}
	p.mu.Lock()
	p.refund(int64(len(ids))*int64(p.pageBytes), r)
	p.warm = append(p.warm, ids...)
	full := len(p.warm)*p.pageBytes >= trimBytes
	p.mu.Unlock()
	if full {
		p.Trim()
	}
}

// Trim gives all free pages back to the operating system now and returns their number of bytes. The pool does it by
// itself for every mebibyte freed; call it after a large cache has been freed and before measuring resident memory.
func (p *Pool) Trim() int64 {
	p.mu.Lock()
	ids := p.warm
	p.warm = nil
	p.mu.Unlock()
	if len(ids) == 0 {
		return 0
	}
	// The pages are in no list while the system calls run, so nobody waits for the lock meanwhile. Neighbours go in one
	// call; descending order makes the cold list, a stack, hand them out ascending.
	slices.SortFunc(ids, func(a, b pageID) int { return int(int64(b) - int64(a)) })
	slabs := *p.slabs.Load()
	for i := 0; i < len(ids); {
		j := i + 1
		for j < len(ids) && ids[j]+1 == ids[j-1] && int(ids[j])/p.perSlab == int(ids[i])/p.perSlab {
			j++
		}
		low := ids[j-1]
		off := int(low) % p.perSlab * p.pageBytes
		releaseMemory(slabs[int(low)/p.perSlab], off, off+(j-i)*p.pageBytes)
		i = j
	}
	bytes := int64(len(ids)) * int64(p.pageBytes)
	p.mu.Lock()
	p.cold = append(p.cold, ids...)
	p.resident -= bytes
	p.mu.Unlock()
	return bytes
}

// Close unmaps the slabs. Every cache of the pool must have been freed; Close reports an error and leaves the memory
// mapped when pages are still handed out.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.used != 0 {
		return fmt.Errorf("kvcache: pool: closed with %d bytes handed out", p.used)
	}
	if p.closed {
		return nil
	}
	p.closed = true
	for _, mem := range *p.slabs.Load() {
		unmapMemory(mem)
	}
	p.slabs.Store(&[][]byte{})
	p.warm, p.cold, p.next, p.resident = nil, nil, 0, 0
	return nil
}
