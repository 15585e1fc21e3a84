package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pith/quant"
)

// Packing changes where a weight lies, not one bit of a result: in decode, in a prefill, for a panel's ragged columns, on every tier, also on
// those that go on reading the stored form.
func TestPackedMatricesGiveTheSameBits(t *testing.T) {
	w := NewWorkers(2)
	defer w.Close()
	packs := 0
	eachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for typ := range packedFields {
			for _, z := range []struct{ rows, cols, n int }{{16, 256, 1}, {64, 512, 1}, {48, 576, 2}, {192, 2304, 3}, {32, 2048, 5}, {80, 2304, 70}} {
				if f, _ := quant.Lookup(typ); z.cols%f.BlockElems != 0 {
					continue
				}
				m := randomMatrix(t, r, typ, z.rows, z.cols)
				x := randomRows(r, z.n*z.cols)
				want, got := make([]float32, z.n*z.rows), make([]float32, z.n*z.rows)
				p := *m
				if p.Packable() {
					p.Pack(w, make([]byte, m.Bytes()))
					packs++
				}
				for _, phase := range []Phase{Prefill, Decode} {
					for _, exact := range []bool{false, true} {
						MatMul(w, NewScratch(), want, x, z.n, m, phase, exact)
						MatMul(w, NewScratch(), got, x, z.n, &p, phase, exact)
						sameBits(t, fmt.Sprintf("%s %dx%d, %d rows, phase %d, exact %v", typ, z.rows, z.cols, z.n, phase, exact), got, want)
					}
				}
			}
		}
	})
	if VNNI.within(bestTier) && packs == 0 {
		t.Error("nothing was packed on a tier that reads packed weights")
	}
}

// Packed and stored matrices go together in one call, on one thread or several; the scratch remembers nothing of either.
func TestPackedBesideStored(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		r, s := rand.New(rand.NewPCG(7, 8)), NewScratch()
		const cols = 512
		one, two := randomMatrix(t, r, quant.Q4_0, 96, cols), randomMatrix(t, r, quant.Q4_1, 80, cols)
		packed := *one
		if packed.Packable() {
			packed.Pack(nil, make([]byte, one.Bytes()))
		}
		for _, threads := range []int{1, 3} {
			w := NewWorkers(threads)
			for n := range tileRows + 2 {
				x := randomRows(r, (n+1)*cols)
				for _, list := range [][]*Matrix{{&packed}, {&packed, two}, {two, &packed}, {&packed, &packed}} {
					var products []Product
					for _, m := range list {
						products = append(products, Product{make([]float32, (n+1)*m.Rows), m})
					}
					MatMuls(w, s, x, n+1, Decode, false, products...)
					for i, m := range list {
						if m == &packed {
							m = one
						}
						want := make([]float32, (n+1)*m.Rows)
						MatMul(nil, NewScratch(), want, x, n+1, m, Decode, false)
						sameBits(t, fmt.Sprintf("product %d of %d, %d rows, %d threads", i, len(list), n+1, threads), products[i].Dst, want)
					}
				}
			}
			w.Close()
		}
	})
}

// A packed matrix has every stored byte exactly once.
func TestPackingIsAPermutation(t *testing.T) {
	for typ, fields := range packedFields {
		f, _ := quant.Lookup(typ)
		held := make([]int, f.BlockBytes)
		for _, run := range fields {
			for i := range run.size * run.count {
				held[run.at+i]++
			}
		}
		for at, n := range held {
			if n != 1 {
				t.Errorf("%s: byte %d of a block is packed %d times", typ, at, n)
			}
		}
	}
}
