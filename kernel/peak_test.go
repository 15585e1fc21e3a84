package kernel

import "testing"

// Every byte is in exactly one thread's share, wherever parts end.
func TestReadingSharesEveryByte(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 7, 300} {
		task := readTask{threads: threads}
		for _, n := range []int{16, 48, 0, 1, 160} {
			task.parts = append(task.parts, make([]byte, n))
			task.bytes += n
		}
		for i := range threads {
			task.share(i, func(b []byte) {
				for j := range b {
					b[j]++
				}
			})
		}
		for i, p := range task.parts {
			for j, n := range p {
				if n != 1 {
					t.Fatalf("%d threads: byte %d of part %d is read %d times", threads, j, i, n)
				}
			}
		}
	}
}
