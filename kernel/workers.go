package kernel

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Task is a unit of parallel work cut into pieces.
type Task interface {
	// Do computes piece i. worker, in [0, Threads), names the thread's own scratch: no two calls in flight share it.
	Do(worker, i int)
}

// spinTime is how long a thread watches for work before it parks. The gaps between the operations of a layer are far
// shorter, the gaps between two requests far longer.
const spinTime = 200 * time.Microsecond

// Workers is a fixed set of threads that share the pieces of one Task at a time. The caller of Run is one of them.
//
// Pieces are claimed one by one from a single word, so a thread that the operating system has taken away delays only
// the piece it holds. Neither Run nor a claim allocates. A nil *Workers runs everything on the caller.
//
// Three times one side announces (ticket, parked, waiting) and then looks at what the other announces. Both must not miss
// each other, or a thread sleeps for good. The announcement is a Swap whose result nobody needs: emulators of arm64 let
// the load of a Store-then-Load pass the store (QEMU 7.2 on x86: 1 in 400 pairs), never that of an exchange.
type Workers struct {
	run    sync.Mutex    // held during Run: one task at a time
	ticket atomic.Uint64 // pieces<<32 | next unclaimed piece
	_      [56]byte
	done   atomic.Int64 // pieces finished
	_      [56]byte
	task   Task // written before ticket publishes it, read only by the holder of a claim

	waiting  atomic.Bool   // the caller sleeps on finished
	finished chan struct{} // cap 1
	closed   atomic.Bool

	failed  atomic.Bool
	failure any // the first panic of the task; guarded by failed

	helpers []helper
}

// helper is one goroutine of the pool.
type helper struct {
	parked atomic.Bool
	wake   chan struct{} // cap 1
	_      [48]byte
}

// NewWorkers starts a pool of n threads, the caller of Run included. n <= 0 takes Cores().
func NewWorkers(n int) *Workers {
	if n <= 0 {
		n = Cores()
	}
	w := &Workers{finished: make(chan struct{}, 1), helpers: make([]helper, n-1)}
	for i := range w.helpers {
		w.helpers[i].wake = make(chan struct{}, 1)
		go w.help(i)
	}
	return w
}

// Threads returns the number of threads, at least 1.
func (w *Workers) Threads() int {
	if w == nil {
		return 1
	}
	return len(w.helpers) + 1
}

// Close ends the pool's goroutines. No Run may be in progress or follow.
func (w *Workers) Close() {
	if w == nil || w.closed.Swap(true) {
		return
	}
	for i := range w.helpers {
		w.rouse(i)
	}
}

// Run computes pieces 0..n-1 of task and returns when all are done. Calls are serialised; a task must not call Run of
// the same pool. A panic in any piece, including the fault of a mapped file that shrank, is raised again on the caller
// once no thread works for the task any more; the remaining pieces are skipped.
func (w *Workers) Run(n int, task Task) {
	if n <= 0 {
		return
	}
	if w == nil || len(w.helpers) == 0 || n == 1 {
		if w != nil {
			w.run.Lock()
			defer w.run.Unlock()
		}
		for i := range n {
			task.Do(0, i)
		}
		return
	}
	w.run.Lock()
	defer w.run.Unlock()
	w.task = task
	w.done.Store(0)
	w.ticket.Swap(uint64(n) << 32)
	for i := 0; i < len(w.helpers) && i < n-1; i++ {
		w.rouse(i)
	}
	w.work(0)
	w.await(int64(n))
	w.task = nil
	if w.failed.Load() {
		failure := w.failure
		w.failure = nil
		w.failed.Store(false)
		panic(failure)
	}
}

// rouse wakes helper i if it is parked.
func (w *Workers) rouse(i int) {
	h := &w.helpers[i]
	if h.parked.Load() && h.parked.CompareAndSwap(true, false) {
		h.wake <- struct{}{}
	}
}

// claim takes the next piece. A compare-and-swap that succeeds is valid for whatever task is current, even if the word
// was read during an earlier one, so no epoch is needed.
func (w *Workers) claim() (int, bool) {
	for {
		t := w.ticket.Load()
		next := t & 0xffffffff
		if next >= t>>32 {
			return 0, false
		}
		if w.ticket.CompareAndSwap(t, t+1) {
			return int(next), true
		}
	}
}

// work computes pieces until none is left to claim.
func (w *Workers) work(worker int) {
	for {
		i, ok := w.claim()
		if !ok {
			return
		}
		n := int64(w.ticket.Load() >> 32)
		w.do(worker, i)
		if w.done.Add(1) == n && w.waiting.Load() && w.waiting.CompareAndSwap(true, false) {
			w.finished <- struct{}{}
		}
	}
}

// do computes one piece and keeps its panic.
func (w *Workers) do(worker, i int) {
	defer func() {
		if r := recover(); r != nil && w.failed.CompareAndSwap(false, true) {
			w.failure = r
		}
	}()
	if !w.failed.Load() {
		w.task.Do(worker, i)
	}
}

// await returns when n pieces are done: it spins, then sleeps until the thread of the last piece signals. A thread that
// was held up between counting its piece and signalling may signal a later task, so every wake-up is checked.
func (w *Workers) await(n int64) {
	if spin(func() bool { return w.done.Load() == n }) {
		return
	}
	for {
		w.waiting.Swap(true)
		if w.done.Load() == n && w.waiting.CompareAndSwap(true, false) {
			return
		}
		<-w.finished
		if w.done.Load() == n {
			return
		}
	}
}

// help is the life of helper i.
func (w *Workers) help(i int) {
	// A fault in a mapped file becomes a panic of this goroutine, which do hands to the caller.
	debug.SetPanicOnFault(true)
	h := &w.helpers[i]
	ready := func() bool {
		t := w.ticket.Load()
		return t&0xffffffff < t>>32 || w.closed.Load()
	}
	for {
		w.work(i + 1)
		if w.closed.Load() {
			return
		}
		if spin(ready) {
			continue
		}
		h.parked.Swap(true)
		// Work published between the last look and parked must not be slept through.
		if ready() && h.parked.CompareAndSwap(true, false) {
			continue
		}
		<-h.wake
	}
}

// spin watches a condition for spinTime.
func spin(ready func() bool) bool {
	if ready() {
		return true
	}
	start := time.Now()
	for {
		for range 16 {
			pause()
			if ready() {
				return true
			}
		}
		if time.Since(start) > spinTime {
			return false
		}
	}
}

// Cores returns the number of threads that compute without sharing a core: the smallest of the processors that this
// process may use (affinity and cgroup quota) and the physical cores.
func Cores() int {
	n := runtime.GOMAXPROCS(0)
	if p := physicalCores(); p > 0 && p < n {
		n = p
	}
	return n
}
