package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"pith/quant"
)

// same compares bits, taking all NaN for one.
func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

// Blocks of arbitrary bytes come apart as quant takes them apart.
func TestUnpackTiersAgree(t *testing.T) {
	forTiers(t, func(t *testing.T) {
		k := kernels()
		if k == nil {
			t.Skip("the portable tier calls quant")
		}
		r := rand.New(rand.NewPCG(1, 2))
		for typ := range k.unpack {
			f, _ := quant.Lookup(typ)
			const n = 256 * 64
			src := make([]byte, f.Bytes(n))
			for i := range src {
				src[i] = byte(r.Uint32())
			}
			if typ == quant.MXFP4 { // every exponent whose offset is finite
				for i := 0; i < len(src); i += f.BlockBytes {
					src[i] = byte(i / f.BlockBytes % 249)
				}
			}
			var want, got plainRow
			want.resize(n, f.Group)
			got.resize(n, f.Group)
			f.Unpack(want.codes, want.scale, want.offset, src)
			k.unpackRow(f, got.codes, got.scale, got.offset, src)
			for i := range want.codes {
				if want.codes[i] != got.codes[i] {
					t.Fatalf("%s: code %d is %d, want %d", typ, i, got.codes[i], want.codes[i])
				}
			}
			for i := range want.scale {
				if !same(want.scale[i], got.scale[i]) || f.Zero == 0 && !same(want.offset[i], got.offset[i]) {
					t.Fatalf("%s: group %d is %v, %v, want %v, %v", typ, i, got.scale[i], got.offset[i], want.scale[i], want.offset[i])
				}
			}
		}
	})
}

// The symmetric formats' zero point stands in for their offsets.
func TestZeroReplacesOffset(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, typ := range testTypes {
		m := randomMatrix(t, r, typ, 4, 512)
		if m.format.Zero == 0 {
			continue
		}
		var p plainRow
		p.resize(512, m.format.Group)
		m.format.Unpack(p.codes, p.scale, p.offset, m.rows(1, 1))
		for g := range p.scale {
			if p.offset[g] != -float32(m.format.Zero)*p.scale[g] {
				t.Fatalf("%s: offset %v with scale %v and zero %d", typ, p.offset[g], p.scale[g], m.format.Zero)
			}
		}
	}
}

// A row decodes to the bits that quant gives, at any length a plain format may have.
func TestDecodeRowTiersAgree(t *testing.T) {
	forTiers(t, func(t *testing.T) {
		k := kernels()
		if k == nil {
			t.Skip("the portable tier calls quant")
		}
		r := rand.New(rand.NewPCG(5, 6))
		for _, typ := range testTypes {
			f, _ := quant.Lookup(typ)
			for _, n := range []int{1, 7, 8, 33, 256, 1000, 1024} {
				n = (n + f.BlockElems - 1) / f.BlockElems * f.BlockElems
				src := make([]byte, f.Bytes(n))
				for i := range src {
					src[i] = byte(r.Uint32())
				}
				if typ == quant.MXFP4 {
					for i := 0; i < len(src); i += f.BlockBytes {
						src[i] %= 249
					}
				}
				want, got := make([]float32, n), make([]float32, n)
				f.Decode(want, src)
				k.decodeRow(new(buffer), f, got, src)
				for i := range want {
					if !same(want[i], got[i]) {
						t.Fatalf("%s, %d weights: weight %d is %v, want %v", typ, n, i, got[i], want[i])
					}
				}
			}
		}
	})
}

// Activations round to the same codes, scales and sums on every tier, at magnitudes from zero to the largest.
func TestEncodeActivationsTiersAgree(t *testing.T) {
	forTiers(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		const cols = 32 * 400
		x := randomRows(r, cols)
		for g := range cols / 32 {
			scale := float32(math.Ldexp(1, r.IntN(250)-125))
			for i := range 32 {
				v := &x[32*g+i]
				*v *= scale
				if r.IntN(4) == 0 {
					*v = float32(r.IntN(255)-127) / 2 * scale // ties
				}
				if *v-*v != 0 {
					*v = math.MaxFloat32
				}
			}
		}
		clear(x[64:96])
		var got, want activations
		got.resize(1, cols, 0)
		want.resize(1, cols, 0)
		got.encode(0, x)
		encodeActivationsGeneric(want.codes, want.scale, want.sum32, want.sum16, want.isum32, want.isum16, x)
		for i := range want.codes {
			if want.codes[i] != got.codes[i] {
				t.Fatalf("code %d of %v is %d, want %d", i, x[i], got.codes[i], want.codes[i])
			}
		}
		for g := range want.scale {
			if !same(want.scale[g], got.scale[g]) || !same(want.sum32[g], got.sum32[g]) || want.isum32[g] != got.isum32[g] {
				t.Fatalf("group %d: %v %v %v, want %v %v %v", g, got.scale[g], got.sum32[g], got.isum32[g], want.scale[g], want.sum32[g], want.isum32[g])
			}
		}
		for g := range want.sum16 {
			if !same(want.sum16[g], got.sum16[g]) || want.isum16[g] != got.isum16[g] {
				t.Fatalf("half group %d: %v %v, want %v %v", g, got.sum16[g], got.isum16[g], want.sum16[g], want.isum16[g])
			}
		}
	})
}
