package kvcache

import "golang.org/x/sys/unix"

// adviseSlab keeps huge pages away: a 2 MiB page stays resident until all of it is free, which would break the promise
// that resident memory follows use.
func adviseSlab(mem []byte) { _ = unix.Madvise(mem, unix.MADV_NOHUGEPAGE) }

// releaseMemory gives the physical pages back at once; the range reads as zeros afterwards.
func releaseMemory(mem []byte) { _ = unix.Madvise(mem, unix.MADV_DONTNEED) }

// adviseWhole asks for huge pages, of which the processor finds the addresses sooner.
func adviseWhole(mem []byte) { _ = unix.Madvise(mem, unix.MADV_HUGEPAGE) }
