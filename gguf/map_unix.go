//go:build unix

package gguf

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapFile maps the first size bytes of a file for reading.
func mapFile(f *os.File, size int) (data []byte, unmap func() error, err error) {
	data, err = syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return data, func() error { return syscall.Munmap(data) }, nil
}

// forget lets the system take back the whole pages of a mapping's part until they are read again.
func forget(mem []byte) {
	page := os.Getpagesize()
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(mem)))) & (page - 1)
	if len(mem) < skip+page {
		return
	}
	mem = mem[skip:]
	_ = unix.Madvise(mem[:len(mem)&^(page-1)], unix.MADV_DONTNEED)
}
