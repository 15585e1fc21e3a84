//go:build !amd64 && !arm64

package kernel

// kernelSets has no sets beside the portable code yet.
var kernelSets [AMX + 1]*kernelSet
