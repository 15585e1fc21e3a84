package kernel

import "time"

// PeakFMA measures the f32 multiply-adds of one core, two operations each, in GFLOP/s: independent chains in registers,
// best of a few runs of about a millisecond. It is the yardstick of the benchmarks. It returns 0 on the generic tier.
func PeakFMA() float64 {
	const n = 200_000
	best := 0.0
	for range 8 {
		start := time.Now()
		lanes := fmaLoop(n)
		if lanes == 0 {
			return 0
		}
		best = max(best, n*12*2*float64(lanes)/float64(time.Since(start).Nanoseconds()))
	}
	return best
}
