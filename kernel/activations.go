package kernel

import (
	"math"
	"unsafe"

	"pith/quant"
)

// block is the number of activations that share one scale.
const block = 32

// tinyActivation is the magnitude below which a whole group counts as zero: the inverse of its scale could overflow.
const tinyActivation = 0x1p-100

// activations are the rows of x in 8 bits: in every group of 32, x = scale*code with code in [-127, 127]. The sums serve
// the offsets and zero points of the weights. Rows lie stride and groupStride elements apart.
type activations struct {
	cols, groups        int // groups = cols/32
	stride, groupStride int // at least cols and groups

	codes  []int8    // [n][stride]
	scale  []float32 // [n][groupStride]
	sum32  []float32 // [n][groupStride]    scale * sum of the group's codes
	sum16  []float32 // [n][2*groupStride]  the same over halves of a group
	isum32 []int32   // [n][groupStride]    sum of the group's codes
	isum16 []int32   // [n][2*groupStride]
	pairs  []int8    // [n][stride]  codes in the order of pairCodes; see wrap

	// Whole strips of sixteen rows, side by side, where the AMX tier reads them; see interleave.
	stripScale, strip32 []float32 // [n/16][groupStride][16]  scale, sum32
	strip16             []float32 // [n/16][2*groupStride][16]  sum16
}

// resize makes room for n rows of cols elements, a multiple of 32, and extra groups behind each.
func (a *activations) resize(n, cols, extra int) {
	a.cols, a.groups = cols, cols/block
	a.stride, a.groupStride = cols+extra*block, a.groups+extra
	g := n * a.groupStride
	a.codes = grow(a.codes, n*a.stride)
	a.scale, a.sum32, a.isum32 = grow(a.scale, g), grow(a.sum32, g), grow(a.isum32, g)
	a.sum16, a.isum16 = grow(a.sum16, 2*g), grow(a.isum16, 2*g)
}

// resizeStrips makes room for interleave, after resize.
func (a *activations) resizeStrips(strips int) {
	g := strips * amxRows * a.groupStride
	a.stripScale, a.strip32, a.strip16 = grow(a.stripScale, g), grow(a.strip32, g), grow(a.strip16, 2*g)
}

// sumsFor returns the sums that a format's kernels read; the int32 ones are passed as the words they are.
func (a *activations) sumsFor(f *quant.Format) []float32 {
	switch {
	case f.Zero == 0 && f.Group == 32:
		return a.sum32
	case f.Zero == 0:
		return a.sum16
	case f.Group == 32:
		return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(a.isum32))), len(a.isum32))
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(a.isum16))), len(a.isum16))
}

// grow returns s with length n; the contents are lost when it must be replaced.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// encode writes row r from x.
func (a *activations) encode(r int, x []float32) {
	g := r * a.groupStride
	if k := kernels(); k != nil {
		k.encode(&a.codes[r*a.stride], &a.scale[g], &a.sum32[g], &a.sum16[2*g], &a.isum32[g], &a.isum16[2*g], &x[:a.cols][0], a.groups)
		return
	}
	encodeActivationsGeneric(a.codes[r*a.stride:][:a.cols], a.scale[g:][:a.groups], a.sum32[g:], a.sum16[2*g:], a.isum32[g:], a.isum16[2*g:], x)
}

// encodeActivationsGeneric rounds x to 8 bits, half to even. A group that holds an infinity or a NaN gets the scale NaN,
// so that the result says so.
func encodeActivationsGeneric(codes []int8, scale, sum32, sum16 []float32, isum32, isum16 []int32, x []float32) {
	for g := range scale {
		v, c := x[g*block:][:block], codes[g*block:][:block]
		// Magnitudes compare as their bits do, and NaN lies above everything.
		var top uint32
		for _, f := range v {
			top = max(top, math.Float32bits(f)&0x7fffffff)
		}
		amax := math.Float32frombits(top)
		var s, inverse float32
		if !(amax < tinyActivation) {
			s = amax/127 + (amax - amax) // the difference is 0, or NaN for an infinite amax
			inverse = 1 / s
		}
		var sums [2]int32
		if s == s {
			for i, f := range v {
				q := nearestEven(float32(f * inverse)) // two roundings, fused nowhere
				c[i] = int8(q)
				sums[i/16] += q
			}
		} else {
			clear(c)
		}
		scale[g] = s
		isum16[2*g], isum16[2*g+1] = sums[0], sums[1]
		isum32[g] = sums[0] + sums[1]
		sum16[2*g], sum16[2*g+1] = s*float32(sums[0]), s*float32(sums[1])
		sum32[g] = s * float32(isum32[g])
	}
}

// nearestEven rounds |v| < 2^22 to the nearest integer, half to even: adding 1.5*2^23 leaves the integer in the low bits.
func nearestEven(v float32) int32 {
	const magic = 12582912
	return int32(math.Float32bits(v+magic)) - int32(math.Float32bits(magic))
}

// spreadGroups returns how many groups to leave behind a row of activations where many rows are used together, so that their codes do not meet in
// a few sets of the first cache: with an odd multiple of 128 bytes between them, sixteen rows lie in sixteen sets. It also makes a row's groups whole
// fours, for interleave.
func spreadGroups(groups int) int {
	const odd = 4
	return (odd - groups) & 7
}
