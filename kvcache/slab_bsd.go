//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package kvcache

import "golang.org/x/sys/unix"

func adviseSlab([]byte) {}

// releaseMemory marks the pages as reclaimable. These kernels take MADV_DONTNEED as a mere hint and take the pages
// back under pressure with MADV_FREE.
func releaseMemory(mem []byte) { _ = unix.Madvise(mem, unix.MADV_FREE) }

func adviseWhole([]byte) {}
