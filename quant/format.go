// Package quant describes the block formats in which GGUF files store weights: the size of a block, how to turn
// blocks into numbers, how to take a block apart into integers for the kernels, and how to write the common ones.
//
// One table holds all formats (see Lookup). Decode reproduces ggml's to_float bit for bit; everything faster lives
// in package kernel and is tested against what is here. No function allocates in the steady state or keeps a
// reference to its arguments, and all of them may be called concurrently.
//
// The layouts are those of ggml (ggml-common.h, MIT licence); MXFP4 is the OCP Microscaling Formats specification
// 1.0, section 6. All fields are little-endian on every machine.
package quant

import (
	"fmt"
	"strings"
)

// Type is a ggml type id as found in a GGUF file.
type Type uint32

// The types that pith reads. The gaps are types that ggml removed or that are never used for weights.
const (
	F32    Type = 0
	F16    Type = 1
	Q4_0   Type = 2
	Q4_1   Type = 3
	Q5_0   Type = 6
	Q5_1   Type = 7
	Q8_0   Type = 8
	Q2_K   Type = 10
	Q3_K   Type = 11
	Q4_K   Type = 12
	Q5_K   Type = 13
	Q6_K   Type = 14
	IQ4_NL Type = 20
	IQ4_XS Type = 23
	BF16   Type = 30
	MXFP4  Type = 39
)

// String returns ggml's name, "Q4_K", also for types that ggml has and pith lacks, and "type 99" for any other number.
func (t Type) String() string {
	if f, ok := Lookup(t); ok {
		return f.Name
	}
	if name, ok := others[t]; ok {
		return name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// others names the types that pith does not read, so that a refusal can say which it was.
var others = map[Type]string{
	9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 21: "IQ3_S", 22: "IQ2_S",
	24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0",
}

// Parse finds a type by its name in any case.
func Parse(name string) (Type, bool) {
	for _, f := range formats {
		if f != nil && strings.EqualFold(f.Name, name) {
			return f.Type, true
		}
	}
	return 0, false
}

// Format is one block format. The table's entries are shared and must not be changed.
type Format struct {
	Type       Type
	Name       string
	BlockElems int // weights in a block; 1 for F32, F16 and BF16
	BlockBytes int

	// Decode turns whole blocks into numbers, bit-identical to ggml. len(dst) is a multiple of BlockElems and src
	// holds at least the bytes that dst needs.
	Decode func(dst []float32, src []byte)

	// Encode writes whole blocks; nil for formats that pith never writes. len(src) is a multiple of BlockElems and
	// dst holds at least Bytes(len(src)). Inputs are finite; a magnitude whose scale exceeds f16 becomes infinite.
	Encode func(dst []byte, src []float32)

	// Group is the number of weights that share one scale and offset in the integer form, 16 or 32; 0 for F32, F16
	// and BF16, which have none.
	Group int

	// Zero, if positive, says that the format is symmetric: offset = -Zero*scale in every group, exactly, so that a
	// weight is scale*(code-Zero). 0 means that the offset is independent of the scale.
	Zero int

	// Unpack takes whole blocks apart: weight i is scale[i/Group]*codes[i] + offset[i/Group], up to the rounding
	// that Decode does in another order. len(codes) is a multiple of BlockElems, scale and offset have
	// len(codes)/Group elements. nil where Group is 0.
	//
	// MXFP4 blocks whose scale byte is above 248 (weights beyond 1e36, found in no trained model) have an infinite
	// offset.
	Unpack func(codes []uint8, scale, offset []float32, src []byte)
}

// Bytes returns the size of n weights; n is a multiple of BlockElems.
func (f *Format) Bytes(n int) int { return n / f.BlockElems * f.BlockBytes }

// Lookup finds the format of a type.
func Lookup(t Type) (*Format, bool) {
	if int64(t) >= int64(len(formats)) || formats[t] == nil {
		return nil, false
	}
	return formats[t], true
}

// Formats returns every format by rising type id.
func Formats() []*Format {
	var all []*Format
	for _, f := range formats {
		if f != nil {
			all = append(all, f)
		}
	}
	return all
}

// formats is the table. It is never written after initialisation.
var formats = [40]*Format{
	F32:    {Name: "F32", BlockElems: 1, BlockBytes: 4, Decode: decodeF32, Encode: encodeF32},
	F16:    {Name: "F16", BlockElems: 1, BlockBytes: 2, Decode: decodeF16, Encode: encodeF16},
	BF16:   {Name: "BF16", BlockElems: 1, BlockBytes: 2, Decode: decodeBF16, Encode: encodeBF16},
	Q4_0:   {Name: "Q4_0", BlockElems: 32, BlockBytes: 18, Group: 32, Zero: 8, Unpack: unpackQ4_0, Encode: encodeQ4_0},
	Q4_1:   {Name: "Q4_1", BlockElems: 32, BlockBytes: 20, Group: 32, Unpack: unpackQ4_1, Encode: encodeQ4_1},
	Q5_0:   {Name: "Q5_0", BlockElems: 32, BlockBytes: 22, Group: 32, Zero: 16, Unpack: unpackQ5_0},
	Q5_1:   {Name: "Q5_1", BlockElems: 32, BlockBytes: 24, Group: 32, Unpack: unpackQ5_1},
	Q8_0:   {Name: "Q8_0", BlockElems: 32, BlockBytes: 34, Group: 32, Zero: 128, Unpack: unpackQ8_0, Encode: encodeQ8_0},
	Q2_K:   {Name: "Q2_K", BlockElems: 256, BlockBytes: 84, Group: 16, Unpack: unpackQ2_K},
	Q3_K:   {Name: "Q3_K", BlockElems: 256, BlockBytes: 110, Group: 16, Zero: 4, Unpack: unpackQ3_K},
	Q4_K:   {Name: "Q4_K", BlockElems: 256, BlockBytes: 144, Group: 32, Unpack: unpackQ4_K, Encode: encodeQ4_K},
	Q5_K:   {Name: "Q5_K", BlockElems: 256, BlockBytes: 176, Group: 32, Unpack: unpackQ5_K},
	Q6_K:   {Name: "Q6_K", BlockElems: 256, BlockBytes: 210, Group: 16, Zero: 32, Unpack: unpackQ6_K, Encode: encodeQ6_K},
	IQ4_NL: {Name: "IQ4_NL", BlockElems: 32, BlockBytes: 18, Group: 32, Zero: 128, Unpack: unpackIQ4_NL},
	IQ4_XS: {Name: "IQ4_XS", BlockElems: 256, BlockBytes: 136, Group: 32, Zero: 128, Unpack: unpackIQ4_XS},
	MXFP4:  {Name: "MXFP4", BlockElems: 32, BlockBytes: 17, Group: 32, Zero: 128, Unpack: unpackMXFP4},
}

func init() {
	for t, f := range formats {
		if f == nil {
			continue
		}
		f.Type = Type(t)
		if f.Unpack != nil {
			f.Decode = f.decode
		}
	}
}
