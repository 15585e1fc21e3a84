//go:build unix

package kernel

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"

	"pith/quant"
)

// A model file that shrinks while it is mapped faults inside whatever kernel reads it, on whatever thread. The fault reaches
// the caller as a runtime error, and the pool goes on working.
func TestMatMulSurvivesShrunkenFile(t *testing.T) {
	w := NewWorkers(3)
	defer w.Close()
	r := rand.New(rand.NewPCG(1, 2))
	const rows, cols = 512, 512
	forTiers(t, func(t *testing.T) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // holds for one goroutine, here the caller's
		for _, typ := range []quant.Type{quant.Q4_1, quant.Q4_K, quant.F16, quant.Q5_K} {
			good := randomMatrix(t, r, typ, rows, cols)
			name := filepath.Join(t.TempDir(), "weights")
			if err := os.WriteFile(name, good.data, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(name, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			data, err := syscall.Mmap(int(f.Fd()), 0, len(good.data), syscall.PROT_READ, syscall.MAP_SHARED)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Truncate(8192); err != nil {
				t.Fatal(err)
			}
			m, err := NewMatrix(typ, rows, cols, data)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{1, 9} {
				for _, exact := range []bool{false, true} {
					x, dst, s := randomRows(r, n*cols), make([]float32, n*rows), NewScratch()
					func() {
						defer func() {
							if _, ok := recover().(runtime.Error); !ok {
								t.Errorf("%s, %d rows, exact %v: no fault reached the caller", typ, n, exact)
							}
						}()
						MatMul(w, s, dst, x, n, m, Decode, exact)
					}()
					MatMul(w, s, dst, x, n, good, Decode, exact)
				}
			}
			syscall.Munmap(data)
			f.Close()
		}
	})
}
