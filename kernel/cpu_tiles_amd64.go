//go:build !amxemu

package kernel

import "golang.org/x/sys/cpu"

// hasTiles reports whether tiles of int8 and of bf16 can be used.
func hasTiles() bool {
	x := &cpu.X86
	return x.HasAMXTile && x.HasAMXInt8 && x.HasAMXBF16 && enabledState()&tileState == tileState && permitTiles()
}

// tileState are the bits of XCR0 for the configuration and the data of tiles (Intel SDM volume 1, 13.3).
const tileState = 1<<17 | 1<<18
