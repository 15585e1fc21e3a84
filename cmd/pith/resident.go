package main

import (
	"sync"
	"time"
)

// residentBytes is a process's physical memory, what belongs to files (a mapped model) apart: the system can drop that and read it
// again.
type residentBytes struct {
	Anonymous int64 `json:"anonymous"`
	File      int64 `json:"file"`
}

// A residentMeter samples the process's memory, because the system keeps no peaks of the two kinds. What lasts less than its
// interval may be missed.
type residentMeter struct {
	mu   sync.Mutex
	peak residentBytes
	tick *time.Ticker
	stop chan struct{}
	done chan struct{}
}

// residentInterval is short beside a layer's chunk and long beside the reading of one line of text.
const residentInterval = 5 * time.Millisecond

// startResidentMeter begins to measure; nil where the system tells nothing.
func startResidentMeter() *residentMeter {
	if _, ok := readResident(); !ok {
		return nil
	}
	m := &residentMeter{tick: time.NewTicker(residentInterval), stop: make(chan struct{}), done: make(chan struct{})}
	m.sample()
	go func() {
		defer close(m.done)
		defer m.tick.Stop()
		for {
			select {
			case <-m.stop:
				return
			case <-m.tick.C:
				m.sample()
			}
		}
	}()
	return m
}

func (m *residentMeter) sample() {
	now, ok := readResident()
	if !ok {
		return
	}
	m.mu.Lock()
	m.peak.Anonymous = max(m.peak.Anonymous, now.Anonymous)
	m.peak.File = max(m.peak.File, now.File)
	m.mu.Unlock()
}

// rest stops sampling while tokens are generated, until wake: memory grows slowly then, and the goroutine that samples takes a processor away from
// the threads of a step (2 to 7% of the speed of a small model on two).
func (m *residentMeter) rest() {
	if m != nil {
		m.tick.Stop()
	}
}

// wake samples and goes on doing so.
func (m *residentMeter) wake() {
	if m != nil {
		m.sample()
		m.tick.Reset(residentInterval)
	}
}

// reset starts a new peak at what is resident now.
func (m *residentMeter) reset() {
	if m == nil {
		return
	}
	m.mu.Lock()
	m.peak = residentBytes{}
	m.mu.Unlock()
	m.sample()
}

// Peak returns the largest values seen of each kind, nil where nothing is known.
func (m *residentMeter) Peak() *residentBytes {
	if m == nil {
		return nil
	}
	m.sample()
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.peak
	return &p
}

func (m *residentMeter) Close() {
	if m == nil {
		return
	}
	close(m.stop)
	<-m.done
}
