//go:build !linux

package kernel

// physicalCores is unknown here: every logical processor counts.
func physicalCores() int { return 0 }
