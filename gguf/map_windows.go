package gguf

import (
	"os"
	"syscall"
	"unsafe"
)

// mapFile maps the first size bytes of a file for reading. Windows refuses to truncate a mapped file, so faults can
// only come from the medium.
func mapFile(f *os.File, size int) (data []byte, unmap func() error, err error) {
	mapping, err := syscall.CreateFileMapping(syscall.Handle(f.Fd()), nil, syscall.PAGE_READONLY,
		uint32(uint64(size)>>32), uint32(size), nil)
	if err != nil {
		return nil, nil, os.NewSyscallError("CreateFileMapping", err)
	}
	defer syscall.CloseHandle(mapping) // the view keeps the mapping alive
	address, err := syscall.MapViewOfFile(mapping, syscall.FILE_MAP_READ, 0, 0, uintptr(size))
	if err != nil {
		return nil, nil, os.NewSyscallError("MapViewOfFile", err)
	}
	// The view is outside the Go heap and does not move; reading the address through a pointer to it is the form of
	// conversion that vet accepts for memory the runtime does not know.
	data = unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), size)
	return data, func() error { return syscall.UnmapViewOfFile(address) }, nil
}

// forget does nothing: Windows trims the pages of mapped files by itself, and has no call for a part of a view.
func forget([]byte) {}
