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
		underSignals(t, n*rows, func() func([]float32) {
			s := NewScratch()
			return func(dst []float32) {
				clear(dst)
				MatMul(nil, s, dst, x, n, m, Prefill, false)
			}
		})
	})
}

func TestAttentionSurvivesSignals(t *testing.T) {
	forTiers(t, func(t *testing.T) {
		c := attentionCase{d: 64, group: 3, nk: 200, rows: 64}
		a, q, qStride := c.setup(1)
		a.BF16 = true
		underSignals(t, c.rows*c.group*c.d, func() func([]float32) {
			s := NewAttentionScratch()
			return func(dst []float32) { a.Rows(dst, q, c.group*c.d, qStride, c.rows, s) }
		})
	})
}

// underSignals compares n results computed under fire by three workers, each with a function of its own, with undisturbed ones.
func underSignals(t *testing.T, n int, worker func() func(dst []float32)) {
	want := make([]float32, n)
	worker()(want)
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
			compute, got := worker(), make([]float32, n)
			for first := true; first || time.Now().Before(end); first = false {
				compute(got)
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
}
