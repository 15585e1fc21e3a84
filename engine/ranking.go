package engine

import (
	"math"
	"slices"
)

// A ranking orders tokens by their logits. It keeps its buffers, so that a sampler allocates once.
type ranking struct {
	list, spare []uint64 // a key, ascending from the most likely token on, above an id
	ids         []int32
	count       [1 << rankBits]int32
}

const (
	rankBits  = 11      // of a digit: three of them make a key
	rankRadix = 1 << 11 // list length from which on digits are sorted faster than keys
)

// top returns the k most likely tokens, most likely first, ties by lower id, NaN last. Borrowed until the next call. O(n), and k·log k where k
// is small.
func (r *ranking) top(logits []float32, k int) []int32 {
	r.list, r.spare = grow(r.list, len(logits)), grow(r.spare, len(logits))
	last := len(r.count)
	if k < len(logits) {
		// Most tokens are told from the first k by the first digit of their key.
		clear(r.count[:])
		for _, l := range logits {
			r.count[rankKey(l)>>(32-rankBits)]++
		}
		last = 0
		for sum := 0; sum < k; last++ {
			sum += int(r.count[last])
		}
	}
	n := 0
	for id, l := range logits {
		key := rankKey(l)
		r.list[n] = uint64(key)<<32 | uint64(id)
		if int(key>>(32-rankBits)) < last {
			n++
		}
	}
	r.sort(n)
	r.ids = grow(r.ids, min(k, n))
	for i := range r.ids {
		r.ids[i] = int32(uint32(r.list[i]))
	}
	return r.ids
}

// sort orders the first n elements of the list.
func (r *ranking) sort(n int) {
	if n < rankRadix {
		slices.Sort(r.list[:n])
		return
	}
	for shift := 32; shift < 64; shift += rankBits {
		clear(r.count[:])
		for _, v := range r.list[:n] {
			r.count[v>>shift&(1<<rankBits-1)]++
		}
		at := int32(0)
		for i, c := range r.count {
			r.count[i] = at
			at += c
		}
		for _, v := range r.list[:n] {
			digit := v >> shift & (1<<rankBits - 1)
			r.spare[r.count[digit]] = v
			r.count[digit]++
		}
		r.list, r.spare = r.spare, r.list
	}
}

// rankKey is a number that is smaller for larger logits, and the largest for NaN; both zeros have the same.
func rankKey(l float32) uint32 {
	if l != l {
		return math.MaxUint32
	}
	b := math.Float32bits(l + 0) // -0 becomes 0
	return ^b ^ uint32(int32(b)>>31)&math.MaxInt32 ^ 1<<31
}
