//go:build !amd64

package kernel

func fmaLoop(int) int { return 0 }
