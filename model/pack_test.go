package model

import (
	"errors"
	"math"
	"testing"

	"pith/kernel"
	"pith/kvcache"
	"pith/quant"
)

// Where memory is short, matrices stay in the file: no more is packed than there is room for, all is accounted for, and no bit changes.
func TestPackingKeepsWithinItsRoom(t *testing.T) {
	f, ids := openPacked(t, "wide-llama/q4_k"), tokens(70)
	opened := func(pack int64) (*Model, []float32) {
		workers := kernel.NewWorkers(2)
		t.Cleanup(workers.Close)
		m, err := Open(f, Options{Workers: workers, Pack: pack})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Close)
		return m, newRunner(t, m, 64).logits(t, ids, 69) // the last token is a row of its own, as in decode
	}
	none, want := opened(PackNothing)
	if none.PackedBytes() != 0 || none.UnpackedBytes() != 0 {
		t.Errorf("%d bytes are packed and %d lack room where nothing should be", none.PackedBytes(), none.UnpackedBytes())
	}
	whole, _ := opened(PackEverything)
	all := whole.PackedBytes()
	if kernel.CPU() >= kernel.VNNI && kernel.CPU() <= kernel.AMX && all == 0 {
		t.Error("nothing is packed on a tier that reads packed weights")
	}
	for _, room := range []int64{1, all / 3, all / 2, all - 1, all, PackEverything} {
		room = max(room, 1)
		m, got := opened(room)
		packed, rest := m.PackedBytes(), m.UnpackedBytes()
		if packed > room || packed+rest != all || room < all && all > 0 && rest == 0 || room > all/2 && packed == 0 && all > 0 {
			t.Errorf("room for %d of %d bytes: %d are packed, %d are not", room, all, packed, rest)
		}
		if !equalBits(got, want) {
			t.Errorf("room for %d of %d bytes: other bits than without packing", room, all)
		}
	}
}

func TestPackRoom(t *testing.T) {
	c := &Config{Layers: 32, Dim: 4096, QHeads: 32, KVHeads: 8, HeadDim: 128, FFN: 14336, Context: 131072}
	const gib = 1 << 30
	for _, z := range []struct {
		free, cache int64
		known       bool
		least, most int64
	}{
		{0, 0, false, math.MaxInt64, math.MaxInt64}, // who knows: try
		{8 * gib, 0, true, 6 * gib, 13 * gib / 2},   // a cache of 8,192 tokens is one GiB
		{8 * gib, 4 * gib, true, 3 * gib, 7 * gib / 2},
		{8 * gib, 16 * gib, true, 0, 0},
		{gib, 0, true, 0, 0},
		{0, 0, true, 0, 0},
	} {
		if got := c.packRoom(z.free, z.known, z.cache); got < z.least || got > z.most {
			t.Errorf("%d bytes free (%v), %d for the cache: room for %d, want %d to %d", z.free, z.known, z.cache, got, z.least, z.most)
		}
	}
}

// Where the system refuses memory, less is asked for, and in the end none.
func TestRefusedMemoryPacksLess(t *testing.T) {
	var matrices []boundMatrix
	for _, rows := range []int{64, 16, 16, 32} {
		m, err := kernel.NewMatrix(quant.F32, rows, 32, make([]byte, rows*128))
		if err != nil {
			t.Fatal(err)
		}
		matrices = append(matrices, boundMatrix{Matrix: m})
	}
	for _, c := range []struct {
		grants int64
		want   int
	}{{128 * 128, 4}, {64 * 128, 1}, {48 * 128, 2}, {16 * 128, 1}, {1, 0}, {0, 0}} {
		fit, b, err := blockFor(matrices, math.MaxInt64, func(n int64) (*kvcache.Block, error) {
			if n > c.grants {
				return nil, errors.New("cannot allocate memory")
			}
			return kvcache.NewBlock(n)
		})
		if len(fit) != c.want || (b != nil) != (c.want > 0) || (err != nil) != (c.want < 4) || b != nil && int64(len(b.Bytes())) != sizeOf(fit) {
			t.Errorf("%d bytes granted: %d matrices fit, want %d (%v)", c.grants, len(fit), c.want, err)
		}
		b.Free()
	}
}
