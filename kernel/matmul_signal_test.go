//go:build linux

package kernel

import (
	"math"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"pith/quant"
)

// Vector and tile registers outlive signals and switches between more threads than processors: the bits stay the same.
func TestMatMulSurvivesSignals(t *testing.T) {
	forTiers(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		const rows, cols, n = 48, 1024, 32
		m := randomMatrix(t, r, quant.Q4_1, rows, cols)
		x := randomRows(r, n*cols)
		want := make([]float32, n*rows)
		MatMul(nil, NewScratch(), want, x, n, m, Prefill, false)
		end := time.Now().Add(100 * time.Millisecond)
		var work, signals sync.WaitGroup
		stop := make(chan struct{})
		signals.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					// Go's own signal for preemption; the runtime takes foreign ones for spurious.
					_ = syscall.Kill(syscall.Getpid(), syscall.SIGURG)
					time.Sleep(50 * time.Microsecond)
				}
			}
		})
		for range 3 {
			work.Go(func() {
				s, got := NewScratch(), make([]float32, n*rows)
				for first := true; first || time.Now().Before(end); first = false {
					clear(got)
					MatMul(nil, s, got, x, n, m, Prefill, false)
					for i := range got {
						if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
							t.Errorf("element %d is %v, undisturbed %v", i, got[i], want[i])
							return
						}
					}
				}
			})
		}
		work.Wait()
		close(stop)
		signals.Wait()
	})
}
