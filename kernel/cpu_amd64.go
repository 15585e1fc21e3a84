package kernel

import "golang.org/x/sys/cpu"

// detect returns the best tier of this processor. A flag counts only when the operating system saves the registers it
// needs, which x/sys/cpu has checked but for AMX.
func detect() Tier {
	x := &cpu.X86
	switch {
	case !(x.HasAVX2 && x.HasFMA && x.HasF16C):
		return Generic
	case !(x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512DQ):
		return AVX2
	case !x.HasAVX512VNNI:
		return AVX512
	case !x.HasAVX512BF16:
		return VNNI
	case !hasTiles():
		return BF16
	}
	return AMX
}

// enabledState returns XCR0. The processor must have AVX.
//
//go:noescape
func enabledState() uint64
