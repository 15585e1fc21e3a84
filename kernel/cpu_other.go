//go:build !amd64 && !arm64

package kernel

func detect() Tier { return Generic }
