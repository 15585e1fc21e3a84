package kvcache

import (
	"fmt"
	"unsafe"
)

// Block is contiguous memory outside the Go heap: the scratch of a layer under prefill, hidden states, undecided layers. It
// is zeroed when it comes, becomes resident as it is touched and goes back to the operating system when freed.
type Block struct {
	pool *Pool // nil: not charged
	r    *Reservation
	mem  []byte
}

// NewBlock maps bytes of memory charged to the budget, drawn from r first (nil: from what is free). Errors wrap ErrBudget.
func (p *Pool) NewBlock(bytes int64, r *Reservation) (*Block, error) {
	bytes = max(bytes, 1)
	p.mu.Lock()
	err := p.charge(bytes, r)
	if err == nil {
		p.blocks += bytes
	}
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	b, err := NewBlock(bytes)
	if err != nil {
		p.mu.Lock()
		p.refund(bytes, r)
		p.blocks -= bytes
		p.mu.Unlock()
		return nil, err
	}
	b.pool, b.r = p, r
	return b, nil
}

// NewBlock maps bytes of memory that no budget counts.
func NewBlock(bytes int64) (*Block, error) {
	mem, err := mapMemory(int(max(bytes, 1)))
	if err != nil {
		return nil, fmt.Errorf("kvcache: block of %d bytes: %w", bytes, err)
	}
	adviseBlock(mem)
	return &Block{mem: mem}, nil
}

// Whole says that all of the block will be in use until it is freed, so that huge pages cost nothing.
func (b *Block) Whole() { adviseWhole(b.mem) }

// Bytes is the memory itself, borrowed until Free.
func (b *Block) Bytes() []byte { return b.mem }

// Floats is the memory as float32, borrowed until Free.
func (b *Block) Floats() []float32 {
	if len(b.mem) < 4 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b.mem))), len(b.mem)/4)
}

// Free unmaps the memory. Freeing twice, or a nil block, is harmless.
func (b *Block) Free() {
	if b == nil || b.mem == nil {
		return
	}
	bytes := int64(len(b.mem))
	unmapMemory(b.mem)
	b.mem = nil
	if b.pool != nil {
		b.pool.mu.Lock()
		b.pool.refund(bytes, b.r)
		b.pool.blocks -= bytes
		b.pool.mu.Unlock()
	}
}
