package quant

import (
	"math"
	"testing"
)

// exactF16 is the definition of binary16 in f64, where every value of it is exact.
func exactF16(h uint16) float64 {
	sign := 1.0
	if h>>15 == 1 {
		sign = -1
	}
	e, m := int(h>>10&31), float64(h&0x3ff)
	switch e {
	case 0:
		return sign * math.Ldexp(m, -24)
	case 31:
		if m != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+m, e-25)
}

func TestF16EveryValue(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		got, want := float64(F16ToF32(h)), exactF16(h)
		if math.IsNaN(want) {
			if !math.IsNaN(got) {
				t.Fatalf("%#04x: %g, want NaN", h, got)
			}
			if back := F32ToF16(F16ToF32(h)); back != h|0x200 {
				t.Fatalf("%#04x: NaN comes back as %#04x", h, back)
			}
			continue
		}
		if got != want || math.Signbit(got) != math.Signbit(want) {
			t.Fatalf("%#04x: %g, want %g", h, got, want)
		}
		if back := F32ToF16(float32(want)); back != h {
			t.Fatalf("%#04x: comes back as %#04x", h, back)
		}
	}
}

func TestF16RoundsToNearestEven(t *testing.T) {
	check := func(f float32, want uint16) {
		t.Helper()
		if got := F32ToF16(f); got != want {
			t.Fatalf("%g (%#08x): %#04x, want %#04x", f, math.Float32bits(f), got, want)
		}
		if got := F32ToF16(-f); got != want|0x8000 {
			t.Fatalf("%g: %#04x, want %#04x", -f, got, want|0x8000)
		}
	}
	for i := range 0x7c00 {
		h := uint16(i)
		// Between h and its successor (65536 stands for infinity): the midpoint goes to the even one.
		low, high := exactF16(h), exactF16(h+1)
		if h+1 == 0x7c00 {
			high = 65536
		}
		middle := float32((low + high) / 2) // exact: 12 significant bits
		check(middle, h+h&1)
		check(math.Nextafter32(middle, 0), h)
		check(math.Nextafter32(middle, math.MaxFloat32), h+1)
	}
	check(0x1p-25, 0)
	check(math.SmallestNonzeroFloat32, 0)
	check(math.MaxFloat32, 0x7c00)
	check(float32(math.Inf(1)), 0x7c00)
}

func TestBF16EveryValue(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		f := BF16ToF32(h)
		if math.Float32bits(f) != uint32(h)<<16 {
			t.Fatalf("%#04x: %#08x", h, math.Float32bits(f))
		}
		want := h
		if f != f {
			want |= 0x40
		}
		if got := F32ToBF16(f); got != want {
			t.Fatalf("%#04x: comes back as %#04x", h, got)
		}
		if h&0x7fff >= 0x7f80 {
			continue
		}
		middle := math.Float32frombits(uint32(h)<<16 | 0x8000)
		if got := F32ToBF16(middle); got != h+h&1 {
			t.Fatalf("midpoint above %#04x: %#04x", h, got)
		}
		if got := F32ToBF16(math.Float32frombits(uint32(h)<<16 | 0x7fff)); got != h {
			t.Fatalf("below the midpoint above %#04x: %#04x", h, got)
		}
		if got := F32ToBF16(math.Float32frombits(uint32(h)<<16 | 0x8001)); got != h+1 {
			t.Fatalf("beyond the midpoint above %#04x: %#04x", h, got)
		}
	}
}
