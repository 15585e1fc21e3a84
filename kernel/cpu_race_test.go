//go:build race

package kernel

// raceDetector: sync.Pool then drops entries at random, so allocations cannot be counted.
const raceDetector = true
