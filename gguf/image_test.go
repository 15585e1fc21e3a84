package gguf

import (
	"encoding/binary"
	"math"

	"pith/quant"
)

// image builds file images byte by byte, wrong ones included.
type image []byte

func header(version uint32, tensors, keys uint64) image {
	return image(magic).u32(version).u64(tensors).u64(keys)
}

func (b image) u32(n uint32) image         { return binary.LittleEndian.AppendUint32(b, n) }
func (b image) u64(n uint64) image         { return binary.LittleEndian.AppendUint64(b, n) }
func (b image) str(s string) image         { return append(b.u64(uint64(len(s))), s...) }
func (b image) bytes(x ...byte) image      { return append(b, x...) }
func (b image) zeros(n int) image          { return append(b, make([]byte, n)...) }
func (b image) key(s string, k Kind) image { return b.str(s).u32(uint32(k)) }

func (b image) array(s string, elem Kind, n uint64) image {
	return b.key(s, Array).u32(uint32(elem)).u64(n)
}

func (b image) tensor(name string, t quant.Type, offset uint64, dims ...uint64) image {
	b = b.str(name).u32(uint32(len(dims)))
	for _, d := range dims {
		b = b.u64(d)
	}
	return b.u32(uint32(t)).u64(offset)
}

// data pads to the default alignment and appends n bytes of tensor data.
func (b image) data(n int) image {
	for len(b)%defaultAlignment != 0 {
		b = append(b, 0)
	}
	return b.zeros(n)
}

// everyKind holds one value of each kind and one array of each.
func everyKind() *Writer {
	w := &Writer{}
	for _, pair := range []struct {
		key   string
		value any
	}{
		{"general.architecture", "llama"},
		{"u8", uint8(200)}, {"i8", int8(-100)}, {"u16", uint16(60000)}, {"i16", int16(-30000)},
		{"u32", uint32(4e9)}, {"i32", int32(-2e9)}, {"u64", uint64(math.MaxUint64)}, {"i64", int64(math.MinInt64)},
		{"f32", float32(1.5)}, {"f64", 2.25}, {"yes", true}, {"no", false}, {"text", "naïve\xff"}, {"empty", ""},
		{"u8s", []uint8{0, 255}}, {"i8s", []int8{-128, 127}}, {"u16s", []uint16{1, 65535}}, {"i16s", []int16{-1}},
		{"u32s", []uint32{7, 1 << 31}}, {"i32s", []int32{math.MinInt32, math.MaxInt32}}, {"u64s", []uint64{5}},
		{"i64s", []int64{-5}}, {"f32s", []float32{0.5, -1}}, {"f64s", []float64{0.25}},
		{"bools", []bool{true, false, true}}, {"strings", []string{"a", "", "▁the"}}, {"none", []string{}},
	} {
		if err := w.Set(pair.key, pair.value); err != nil {
			panic(err)
		}
	}
	return w
}

// smallModel is everyKind with tensors of several types.
func smallModel() *Writer {
	w := everyKind()
	for i, t := range []struct {
		name string
		typ  quant.Type
		dims []int
	}{
		{"output_norm.weight", quant.F32, []int{5}},
		{"blk.0.attn_q.weight", quant.Q4_0, []int{32, 3}},
		{"blk.0.ffn_up.weight", quant.F16, []int{4, 2, 3}},
		{"blk.0.ffn_gate_exps.weight", quant.MXFP4, []int{64, 1, 2, 2}},
	} {
		f, _ := quant.Lookup(t.typ)
		n := 1
		for _, d := range t.dims {
			n *= d
		}
		data := make([]byte, f.Bytes(n))
		for j := range data {
			data[j] = byte(i*50 + j)
		}
		if err := w.Add(t.name, t.typ, t.dims, data); err != nil {
			panic(err)
		}
	}
	return w
}
