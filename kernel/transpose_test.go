package kernel

import "testing"

func TestTransposeMovesEveryElement(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		for _, rows := range []int{0, 1, 3, 15, 16, 17, 32, 50} {
			for _, cols := range []int{0, 1, 3, 4, 7, 63, 64, 65, 131} {
				src, dst := normals(newRand(uint64(rows*200+cols)), rows*cols, 1), make([]float32, rows*cols)
				Transpose(dst, src, rows, cols)
				for r := range rows {
					for c := range cols {
						if dst[c*rows+r] != src[r*cols+c] {
							t.Fatalf("%d x %d: row %d column %d", rows, cols, r, c)
						}
					}
				}
			}
		}
	})
}
