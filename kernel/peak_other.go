//go:build !amd64 && !arm64

package kernel

func fmaLoop(int) int { return 0 }

func readLoop(b []byte) {
	var sum byte
	for i := 0; i < len(b); i += 64 {
		sum += b[i]
	}
	sink = sum
}

var sink byte
