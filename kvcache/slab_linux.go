package kvcache

import "golang.org/x/sys/unix"

// hugePage is the size in which the processor holds addresses of large pages; slabs begin at a multiple of it, as Linux maps large anonymous
// memory since 6.7. Elsewhere a page less is huge.
const hugePage = 2 << 20

// adviseSlab asks for huge pages: in virtual machines a page of 4 KiB costs two walks through tables, and a decode step over a long cache reads
// each page once. See releaseMemory for what is given back.
func adviseSlab(mem []byte) { _ = unix.Madvise(mem, unix.MADV_HUGEPAGE) }

// releaseMemory gives the physical pages slab[from:to] back at once; the range reads as zeros afterwards. A huge page of which a part has gone must
// not be made whole again by the system, or resident memory would no longer follow use: its range has small pages from then on.
func releaseMemory(slab []byte, from, to int) {
	_ = unix.Madvise(slab[from:to], unix.MADV_DONTNEED)
	_ = unix.Madvise(slab[from&^(hugePage-1):min((to+hugePage-1)&^(hugePage-1), len(slab))], unix.MADV_NOHUGEPAGE)
}

// adviseBlock keeps huge pages away from memory of which perhaps only the beginning is touched.
func adviseBlock(mem []byte) { _ = unix.Madvise(mem, unix.MADV_NOHUGEPAGE) }

// adviseWhole asks for huge pages.
func adviseWhole(mem []byte) { _ = unix.Madvise(mem, unix.MADV_HUGEPAGE) }
