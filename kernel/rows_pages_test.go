package kernel

import (
	"bytes"
	"fmt"
	"testing"
)

// TestPagesEqualRows checks that products over pages of any length, and so cut into calls anyhow, have the bits of those over all rows together.
func TestPagesEqualRows(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		for _, d := range []int{16, 40, 64, 128, 256} {
			for _, lengths := range [][]int{{1}, {7, 8, 9}, {31, 31, 31, 2}, {16, 15, 3, 64, 65, 130, 12}, {3, 3, 40}} {
				for _, g := range []int{1, 2, 3, 4, 7} {
					if g != 3 && d != 64 {
						continue
					}
					n, stride := 0, 2
					for _, m := range lengths {
						n += m
					}
					stride += n
					r := newRand(uint64(d*n + g))
					x, q, w := normals(r, n*d, 1), normals(r, g*d, 1), normals(r, g*stride, 1)
					for _, f := range rowFormats {
						size := f.Bytes(d)
						b := make([]byte, n*size)
						EncodeRows(b, x, n, d, f)
						var pages []RowPage
						for i, at := 0, 0; i < len(lengths); i++ {
							page := append([]byte(nil), b[at*size:(at+lengths[i])*size]...)
							pages = append(pages, RowPage{page, lengths[i]})
							at += lengths[i]
						}
						all, sums := make([]float32, g*stride), normals(r, g*d, 1)
						got, gotSums := make([]float32, g*stride), append([]float32(nil), sums...)
						for i := range all {
							all[i], got[i] = -7, -7 // what lies between the heads stays
						}
						DotRowsGroup(all, stride, q, b, g, n, d, f)
						AccumulateRowsGroup(sums, w, stride, b, g, n, d, f)
						var p Queries
						p.Set(q, g, d, f)
						p.DotPages(got, stride, append(pages, pages[:1]...), len(pages))
						AccumulatePages(gotSums, w, stride, append(pages, pages...), len(pages), g, d, f)
						sameBits(t, fmt.Sprintf("%v d%d g%d %v dot", f, d, g, lengths), got, all)
						sameBits(t, fmt.Sprintf("%v d%d g%d %v sum", f, d, g, lengths), gotSums, sums)
					}
				}
			}
		}
	})
}

func TestCopyRows(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		r := newRand(9)
		for _, size := range []int{20, 32, 34, 68, 128, 130, 160, 256, 300} {
			from := make([]byte, 100*size)
			for i := range from {
				from[i] = byte(r.Uint32())
			}
			var rows []*byte
			var want []byte
			for range 40 {
				at := r.IntN(100) * size
				rows, want = append(rows, &from[at]), append(want, from[at:at+size]...)
			}
			got := make([]byte, len(want))
			CopyRows(got, rows, 7, size)
			CopyRows(got[7*size:], rows[7:], 33, size)
			if !bytes.Equal(got, want) {
				t.Fatalf("rows of %d bytes are not copied", size)
			}
		}
	})
}
