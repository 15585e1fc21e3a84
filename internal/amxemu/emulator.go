//go:build amxemu && linux && amd64

package amxemu

// #cgo CFLAGS: -O2
// void pith_amx_install(void);
import "C"

func init() { C.pith_amx_install() }
