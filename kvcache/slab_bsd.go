//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package kvcache

import "golang.org/x/sys/unix"

func adviseSlab([]byte) {}

// releaseMemory marks the pages as reclaimable. These kernels take MADV_DONTNEED as a mere hint and take the pages
// back under pressure with MADV_FREE.
func releaseMemory(slab []byte, from, to int) { _ = unix.Madvise(slab[from:to], unix.MADV_FREE) }

func adviseBlock([]byte) {}

func adviseWhole([]byte) {}
