package kvcache

import "sync"

// scratch is memory for gathering, encoding and compacting one lane; a pool of them serves all lanes.
type scratch struct {
	k, v   []float32
	tile   []float32
	page   []byte // of cursors
	rows   []byte
	pos    []Position
	picked []int32
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func getScratch() *scratch { return scratches.Get().(*scratch) }
func (s *scratch) put()    { scratches.Put(s) }

func floats(buf *[]float32, n int) []float32 {
	if cap(*buf) < n {
		*buf = make([]float32, n)
	}
	*buf = (*buf)[:n]
	return *buf
}

func bytesOf(buf *[]byte, n int) []byte {
	if cap(*buf) < n {
		*buf = make([]byte, n)
	}
	*buf = (*buf)[:n]
	return *buf
}

// upTo is the list lo, lo+1, … of n indices.
func upTo(buf *[]int32, lo, n int) []int32 {
	list := (*buf)[:0]
	for i := range n {
		list = append(list, int32(lo+i))
	}
	*buf = list
	return list
}
