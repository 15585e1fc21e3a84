package kernel

import "golang.org/x/sys/cpu"

// detect returns the best tier of this processor. Advanced SIMD belongs to every arm64 that Go runs on.
func detect() Tier {
	if cpu.ARM64.HasASIMDDP {
		return DotProd
	}
	return NEON
}
