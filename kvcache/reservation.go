package kvcache

// Reservation is room promised to one owner: bytes nobody else can be given. What its owner allocates is drawn from it
// first and returns to it when freed, so that a cache that evicts and grows again keeps its room. Its methods are safe
// for concurrent use.
type Reservation struct {
	pool *Pool
	// All guarded by pool.mu.
	left     int64 // still promised
	drawn    int64 // allocated out of it and not yet freed
	released bool
}

// Reserve sets bytes aside, rounded up to whole pages, or returns an error that wraps ErrBudget. The owner must Release it
// or hand it to a cache by Attach.
func (p *Pool) Reserve(bytes int64) (*Reservation, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &Reservation{pool: p}
	if err := r.grow(p.roundUp(bytes)); err != nil {
		return nil, err
	}
	return r, nil
}

func (p *Pool) roundUp(bytes int64) int64 {
	page := int64(p.pageBytes)
	return (max(bytes, 0) + page - 1) / page * page
}

// grow adds bytes to what is left. The caller holds pool.mu.
func (r *Reservation) grow(bytes int64) error {
	if free := r.pool.available(); bytes > free {
		return &BudgetError{Wanted: bytes, Free: free, Budget: r.pool.budget}
	}
	r.left += bytes
	r.pool.reserved += bytes
	return nil
}

// Left is what may still be drawn, in bytes.
func (r *Reservation) Left() int64 { r.pool.mu.Lock(); defer r.pool.mu.Unlock(); return r.left }

// Resize makes Left equal to bytes, rounded up to whole pages; growing may fail with ErrBudget and then changes nothing.
// After a prefill the room for its peak shrinks so to the room for generation.
func (r *Reservation) Resize(bytes int64) error {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	if r.released {
		return nil
	}
	return r.grow(max(r.pool.roundUp(bytes)-r.left, -r.left))
}

// Settle forgets what has been drawn: pages freed later go to everybody.
func (r *Reservation) Settle() { r.pool.mu.Lock(); defer r.pool.mu.Unlock(); r.drawn = 0 }

// Release returns the undrawn rest to everybody. What has been drawn stays with its owner. Releasing twice is harmless.
func (r *Reservation) Release() {
	if r == nil {
		return
	}
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	r.pool.reserved -= r.left
	r.left, r.drawn, r.released = 0, 0, true
}
