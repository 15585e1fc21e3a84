package kernel

import "syscall"

// Linux saves 8 KiB of tiles only for processes that asked, once, for all of their threads (Documentation/arch/x86/xstate.rst).
const (
	archReqXcompPerm = 0x1023 // of arch_prctl, since Linux 5.16
	featureTileData  = 18     // its bit in XCR0
)

// permitTiles asks for the use of tiles and reports whether it was granted. Older kernels and filters of system calls
// refuse.
//
// From then on a signal that arrives while a thread has live tiles brings them along: the frame grows from about 3 KiB to
// 12 KiB (AT_MINSIGSTKSZ is 11,952 on Sapphire Rapids). Go's signal stacks have 32 KiB (runtime: mpreinit, malg(32<<10)),
// which leaves its handlers 20; the system call fails if a thread's stack is too small, and the tier is then absent. Tiles are
// live inside the kernels alone, so that other signals keep their small frames.
func permitTiles() bool {
	_, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archReqXcompPerm, featureTileData, 0)
	return errno == 0
}
