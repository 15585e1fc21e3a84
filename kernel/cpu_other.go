//go:build !amd64

package kernel

func detect() Tier { return Generic }
