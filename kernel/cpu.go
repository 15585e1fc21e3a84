package kernel

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
)

// Tier is a level of instruction set. Higher tiers of an architecture include the lower ones; an operation that a tier does not
// implement itself is taken from the next lower tier that does.
type Tier uint8

const (
	Generic Tier = iota // portable Go
	AVX2                // AVX2, FMA, F16C
	AVX512              // AVX-512 F, BW, VL, DQ
	VNNI                // AVX512 with VNNI
	BF16                // VNNI with products of bf16
	AMX                 // BF16 with AMX tiles of int8 and of bf16

	NEON    // arm64: Advanced SIMD, which every such processor has
	DotProd // NEON with SDOT
)

// within reports whether a processor whose best tier is best has tier t. The tiers of arm64 follow those of amd64.
func (t Tier) within(best Tier) bool {
	return t == Generic || t <= best && (t >= NEON) == (best >= NEON)
}

var tierNames = [...]string{"generic", "avx2", "avx512", "vnni", "bf16", "amx", "neon", "dotprod"}

// String returns the name that PITH_CPU accepts.
func (t Tier) String() string {
	if int(t) < len(tierNames) {
		return tierNames[t]
	}
	return fmt.Sprintf("tier(%d)", uint8(t))
}

// ParseTier reads a tier's name, in any case.
func ParseTier(name string) (Tier, bool) {
	for i, s := range tierNames {
		if strings.EqualFold(s, name) {
			return Tier(i), true
		}
	}
	return Generic, false
}

var (
	bestTier        = detect()
	active, tierErr = choose(os.Getenv("PITH_CPU"), bestTier)
	current         atomic.Uint32 // the active Tier; changed by Force alone
)

func init() { current.Store(uint32(active)) }

// choose applies the environment's wish to what the processor has. A wish that cannot be met leaves the portable tier,
// so that nothing runs on instructions that were not asked for, and an error for Check.
func choose(wish string, best Tier) (Tier, error) {
	if wish == "" {
		return best, nil
	}
	t, ok := ParseTier(wish)
	if !ok {
		return Generic, fmt.Errorf("kernel: PITH_CPU: unknown tier %q, want one of %s", wish, strings.Join(tierNames[:], ", "))
	}
	if !t.within(best) {
		return Generic, fmt.Errorf("kernel: PITH_CPU: tier %s is not supported by this processor, best is %s", t, best)
	}
	return t, nil
}

// Check reports a PITH_CPU that names no tier or one that this processor lacks. Commands that compute call it first.
func Check() error { return tierErr }

// CPU returns the tier in use.
func CPU() Tier { return Tier(current.Load()) }

// Tiers returns every tier that can run here, lowest first.
func Tiers() []Tier {
	var ts []Tier
	for t := Generic; t <= bestTier; t++ {
		if t.within(bestTier) {
			ts = append(ts, t)
		}
	}
	return ts
}

// Force switches to tier t until restore is called. It is for tests, which run every tier of one machine, and must not
// overlap a computation. It panics when the processor lacks t.
func Force(t Tier) (restore func()) {
	if !t.within(bestTier) {
		panic(fmt.Sprintf("kernel: tier %s is not supported by this processor", t))
	}
	old := current.Swap(uint32(t))
	return func() { current.Store(old) }
}
