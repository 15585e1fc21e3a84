//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows)

package kvcache

// Without memory mapping the slabs come from the Go heap and released pages stay with the process.
func mapMemory(n int) ([]byte, error) { return make([]byte, n), nil }
func unmapMemory([]byte)              {}
func releaseMemory([]byte, int, int)  {}
func adviseSlab([]byte)               {}
func adviseBlock([]byte)              {}
func adviseWhole([]byte)              {}
func commitMemory([]byte) error       { return nil }
