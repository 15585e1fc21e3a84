package kvcache

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// mapMemory reserves and commits n bytes. Commit charge is taken at once, resident pages only when touched.
func mapMemory(n int) ([]byte, error) {
	addr, err := windows.VirtualAlloc(0, uintptr(n), windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&addr))), n), nil
}

func unmapMemory(mem []byte) {
	_ = windows.VirtualFree(uintptr(unsafe.Pointer(unsafe.SliceData(mem))), 0, windows.MEM_RELEASE)
}

// releaseMemory decommits, so that both the working set and the commit charge shrink; commitMemory must run before reuse.
func releaseMemory(slab []byte, from, to int) {
	mem := slab[from:to]
	_ = windows.VirtualFree(uintptr(unsafe.Pointer(unsafe.SliceData(mem))), uintptr(len(mem)), windows.MEM_DECOMMIT)
}

func commitMemory(mem []byte) error {
	_, err := windows.VirtualAlloc(uintptr(unsafe.Pointer(unsafe.SliceData(mem))), uintptr(len(mem)), windows.MEM_COMMIT, windows.PAGE_READWRITE)
	return err
}

func adviseSlab([]byte) {}

func adviseBlock([]byte) {}

func adviseWhole([]byte) {}
