package gguf

import (
	"fmt"
	"runtime/debug"
	"sync"
	"unsafe"
)

// FaultError says that a mapped file could not be read: it was truncated after Open, or its medium failed.
type FaultError struct {
	Path   string
	Offset int64 // of the byte whose read faulted
}

func (e *FaultError) Error() string {
	return fmt.Sprintf("gguf: %s: mapped file unreadable at byte %d, truncated or medium failed", e.Path, e.Offset)
}

// Guard runs f and turns a fault on the bytes of an open File into a *FaultError. Without it the runtime ends the
// whole process at such a fault, because it can't tell it from a bug. Every other panic, faults elsewhere included,
// passes through.
//
// The protection belongs to the goroutine that calls Guard and does not extend to goroutines that f starts or hands
// work to. A pool of workers that reads weights therefore does this, once per worker:
//
//	debug.SetPanicOnFault(true)                       // at the start of the goroutine
//	defer func() { fault = recover() }()              // around each task
//
// and panics again with the recovered value, unchanged, in the goroutine that waits for the tasks, after all workers
// have stopped. That goroutine runs under Guard, which recognises the value by its address. The pool need not import
// this package. Assembly needs no preparation, as long as it keeps the stack pointer where its frame declares it: the
// runtime unwinds from the faulting instruction to the Go caller. What the task was writing stays half written.
//
// A guarded call costs some ten nanoseconds; guard steps, not rows.
func Guard(f func() error) (err error) {
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		r := recover()
		if r == nil {
			return
		}
		// The runtime's error for a fault at a known address; a nil dereference is another type.
		fault, ok := r.(interface{ Addr() uintptr })
		if !ok {
			panic(r)
		}
		if err = mapped.find(fault.Addr()); err == nil {
			panic(r)
		}
	}()
	return f()
}

// mapped lists the mappings that are open, so that Guard can tell a fault in one of them from a bug.
var mapped registry

type registry struct {
	mu    sync.Mutex // guards parts
	parts map[*part]span
}

type span struct{ start, end uintptr }

func (r *registry) add(p *part) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.parts == nil {
		r.parts = map[*part]span{}
	}
	start := uintptr(unsafe.Pointer(unsafe.SliceData(p.data))) // compared with fault addresses only
	r.parts[p] = span{start, start + uintptr(len(p.data))}
}

func (r *registry) remove(p *part) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.parts, p)
}

// find returns the error for a fault at an address, nil if no mapping holds it.
func (r *registry) find(address uintptr) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, s := range r.parts {
		if address >= s.start && address < s.end {
			return &FaultError{p.path, int64(address - s.start)}
		}
	}
	return nil
}
