//go:build !linux

package kernel

// permitTiles reports that nobody asked the system for tiles.
func permitTiles() bool { return false }
