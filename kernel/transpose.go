package kernel

// transposeColumns is the number of columns that Transpose takes at a time: what they become stays in the second cache.
const transposeColumns = 64

// Transpose writes the transpose of src [rows, cols] to dst [cols, rows], which must not overlap.
func Transpose(dst, src []float32, rows, cols int) {
	dst, src = dst[:rows*cols], src[:rows*cols]
	for c := 0; c < cols && rows > 0; c += transposeColumns {
		to, r := min(cols, c+transposeColumns), 0
		if k := kernels(); k != nil {
			for n := (to - c) &^ 3; n > 0 && r+16 <= rows; r += 16 {
				k.transpose(word(dst[c*rows+r:]), 4*rows, word(src[r*cols+c:]), 4*cols, n)
				if left := to - c - n; left > 0 {
					transposeGeneric(dst[(c+n)*rows+r:], src[r*cols+c+n:], 16, left, rows, cols)
				}
			}
		}
		if r < rows {
			transposeGeneric(dst[c*rows+r:], src[r*cols+c:], rows-r, to-c, rows, cols)
		}
	}
}

// transposeGeneric takes a part of rows x cols out of matrices whose rows are so many elements apart.
func transposeGeneric(dst, src []float32, rows, cols, dstStride, srcStride int) {
	for r := range rows {
		for c := range cols {
			dst[c*dstStride+r] = src[r*srcStride+c]
		}
	}
}
