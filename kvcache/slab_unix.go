//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package kvcache

import "golang.org/x/sys/unix"

// mapMemory reserves n bytes of zeroed private memory. Nothing is resident until it is touched.
func mapMemory(n int) ([]byte, error) {
	mem, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	return mem, nil
}

func unmapMemory(mem []byte) { _ = unix.Munmap(mem) }

// commitMemory makes released memory usable again; here touching it is enough.
func commitMemory([]byte) error { return nil }
