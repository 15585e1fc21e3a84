package engine

import (
	"errors"
	"slices"
	"sync"

	"pith/kvcache"
)

// scheduler gives every request its turn: prefills one after the other, a (layer, chunk) step at a time, and between two such steps
// one token for every sequence that decodes. One goroutine runs it; it sleeps while there is nothing to do.
type scheduler struct {
	e       *Engine
	mu      sync.Mutex // guards the fields below
	wake    *sync.Cond
	waiting []*job
	decoded []*job // decoding; only the loop's goroutine touches the jobs
	closed  bool
	done    chan struct{}
}

func (s *scheduler) start(e *Engine) {
	s.e = e
	s.wake = sync.NewCond(&s.mu)
	s.done = make(chan struct{})
	go s.run()
}

func (s *scheduler) submit(j *job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if len(s.waiting) >= s.e.options.Waiting {
		return ErrQueueFull
	}
	s.waiting = append(s.waiting, j)
	s.wake.Signal()
	return nil
}

// close ends every job with ErrClosed and waits for the loop.
func (s *scheduler) close() {
	s.mu.Lock()
	s.closed = true
	s.wake.Signal()
	s.mu.Unlock()
	<-s.done
}

// Load returns how many requests wait or are being prefilled, and how many decode.
func (e *Engine) Load() (waiting, decoding int) {
	e.loop.mu.Lock()
	defer e.loop.mu.Unlock()
	return len(e.loop.waiting), len(e.loop.decoded)
}

func (s *scheduler) run() {
	defer close(s.done)
	for {
		first, ok := s.next()
		if !ok {
			return
		}
		if first != nil {
			s.prefill(first)
		}
		s.decode()
	}
}

// next waits for work and returns the request whose prefill is to be advanced, nil if only decoding is due.
func (s *scheduler) next() (first *job, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && len(s.waiting) == 0 && len(s.decoded) == 0 {
		s.wake.Wait()
	}
	if s.closed {
		for _, j := range slices.Concat(s.waiting, s.decoded) {
			j.finish(ErrClosed)
		}
		s.waiting, s.decoded = nil, nil
		return nil, false
	}
	s.waiting = slices.DeleteFunc(s.waiting, func(j *job) bool {
		if err := j.ctx.Err(); err != nil && j.started.IsZero() {
			j.finish(err)
			return true
		}
		return false
	})
	if len(s.waiting) > 0 && len(s.decoded) < s.e.options.Running {
		first = s.waiting[0]
	}
	return first, true
}

// prefill advances one request; a finished one starts to decode.
func (s *scheduler) prefill(j *job) {
	err := j.seq.admit(j.need)
	if errors.Is(err, kvcache.ErrBudget) && len(s.decoded) > 0 {
		return // a neighbour's end will make room
	}
	done := false
	if err == nil {
		done, err = j.advancePrefill()
	}
	if !done && err == nil {
		return
	}
	s.mu.Lock()
	s.waiting = slices.DeleteFunc(s.waiting, func(w *job) bool { return w == j })
	s.mu.Unlock()
	if err != nil {
		j.finish(err)
		return
	}
	if j.take() {
		j.finish(nil)
		return
	}
	s.mu.Lock()
	s.decoded = append(s.decoded, j)
	s.mu.Unlock()
}

// decode gives every decoding sequence one token.
func (s *scheduler) decode() {
	live := s.decoded
	if len(live) == 0 {
		return
	}
	ended := map[*job]bool{}
	var seqs []*Sequence
	var ids []int32
	var jobs []*job
	for _, j := range live {
		if err := j.ctx.Err(); err != nil {
			ended[j] = true
			j.finish(err)
			continue
		}
		seqs, ids, jobs = append(seqs, j.seq), append(ids, j.next), append(jobs, j)
	}
	if len(seqs) > 0 {
		err := s.e.Step(seqs, ids)
		for _, j := range jobs {
			if err != nil || j.take() {
				ended[j] = true
				j.finish(err)
			}
		}
	}
	if len(ended) > 0 {
		s.mu.Lock()
		s.decoded = slices.DeleteFunc(slices.Clone(live), func(j *job) bool { return ended[j] })
		s.mu.Unlock()
	}
}
