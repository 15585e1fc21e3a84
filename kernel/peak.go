package kernel

import "time"

// PeakFMA measures the f32 multiply-adds of one core, two operations each, in GFLOP/s: independent chains in registers,
// best of a few runs of about a millisecond. It is the yardstick of the benchmarks. It returns 0 on the generic tier.
func PeakFMA() float64 {
	const n = 200_000
	best := 0.0
	for range 8 {
		start := time.Now()
		lanes := fmaLoop(n)
		if lanes == 0 {
			return 0
		}
		best = max(best, n*12*2*float64(lanes)/float64(time.Since(start).Nanoseconds()))
	}
	return best
}

// ReadMatrices reads every byte that products with the matrices read, each thread a share that lies together, and returns their number. Its time is what
// memory alone would leave of a decode step.
func ReadMatrices(w *Workers, matrices []*Matrix) (bytes int64) {
	t := readTask{threads: w.Threads()}
	for _, m := range matrices {
		t.parts = append(t.parts, m.stored())
		t.bytes += m.Bytes()
	}
	w.Run(t.threads, &t)
	return int64(t.bytes)
}

// readTask reads parts as one run of bytes, cut into as many pieces as there are threads.
type readTask struct {
	parts          [][]byte
	bytes, threads int
}

func (t *readTask) Do(_, i int) {
	t.share(i, func(b []byte) {
		for ; len(b) > 0; b = b[min(len(b), 1<<20):] {
			readLoop(b[:min(len(b), 1<<20)])
		}
	})
}

// share calls f with what lies in piece i of each part.
func (t *readTask) share(i int, f func([]byte)) {
	lo, hi := t.bytes*i/t.threads, t.bytes*(i+1)/t.threads
	at := 0
	for _, p := range t.parts {
		f(p[min(len(p), max(0, lo-at)):min(len(p), max(0, hi-at))])
		at += len(p)
	}
}
