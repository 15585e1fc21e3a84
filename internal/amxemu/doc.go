// Package amxemu executes the tile instructions of AMX on a processor that lacks them, so that the kernels of that tier can be tested for their results where
// no such processor is at hand: linux on amd64 with AVX-512 and bf16, for which the rest of those kernels is made. With the build tag amxemu package kernel
// imports it and finds the tier. It needs a C compiler.
//
//	CGO_ENABLED=1 PITH_CPU=amx go test -tags amxemu ./kernel
//
// An instruction that the processor does not know raises SIGILL. The handler, which stands before Go's, reads the bytes at the program counter, does to a
// thread's own copy of the tiles what the instruction says, and goes on behind it; anything else it hands on. It is stricter than a processor: what would be
// undefined or is certainly a mistake (tiles not configured, or twice; shapes that do not fit; one tile as two operands) ends the process.
//
// Reference: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, LDTILECFG, STTILECFG to TILEZERO, TDPBF16PS, TDPBSSD.
package amxemu
