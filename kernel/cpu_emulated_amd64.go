//go:build amxemu

package kernel

import _ "pith/internal/amxemu"

// hasTiles: the emulator has them.
func hasTiles() bool { return true }
