package kernel

import "pith/quant"

// kernelSets holds one set a tier. A tier without kernels of its own shares the set below it.
var kernelSets = [...]*kernelSet{Generic: nil, AVX2: &avx2Kernels, AVX512: avx512Kernels(), VNNI: vnniKernels(), BF16: vnniKernels(), AMX: amxTier()}

// avx512Kernels widens the micro-kernels. Packing and decode stay: they are bound by memory.
func avx512Kernels() *kernelSet {
	k := avx2Kernels
	k.integer = integerAVX512
	k.float = strips[floatStrip]{{12, gemmF32AVX512x12}, {8, gemmF32AVX512x8}, {4, gemmF32AVX512x4}, {2, gemmF32AVX512x2}, {1, gemmF32AVX512x1}}
	return &k
}

func vnniKernels() *kernelSet {
	k := *avx512Kernels()
	k.integer = integerVNNI
	k.packed = map[quant.Type]packedKernels{
		quant.Q4_0: {packedQ4_0VNNI, expandQ4_0VNNI},
		quant.Q4_1: {packedQ4_1VNNI, expandQ4_1VNNI},
		quant.Q8_0: {packedQ8_0VNNI, expandQ8_0VNNI},
		quant.Q4_K: {packedQ4_KVNNI, expandQ4_KVNNI},
		quant.Q6_K: {packedQ6_KVNNI, expandQ6_KVNNI},
	}
	return &k
}

func amxTier() *kernelSet {
	k := *vnniKernels()
	k.amx = &amxKernels{
		strips: [2][2]amxStrips{{gemmZero32AMX, gemmOffset32AMX}, {gemmZero16AMX, gemmOffset16AMX}},
		centre: centreCodesAVX512,
	}
	return &k
}

var avx2Kernels = kernelSet{
	encode:    encodeActivationsAVX2,
	transpose: transpose16AVX2,
	dequantise: [2][2]func(*float32, *uint8, *float32, *float32, int, int){
		{dequantiseZero16AVX2, dequantiseOffset16AVX2},
		{dequantiseZero32AVX2, dequantiseOffset32AVX2},
	},
	widen: map[quant.Type]func(*float32, *uint8, int){quant.F16: widenF16AVX2, quant.BF16: widenBF16AVX2},
	unpack: map[quant.Type]unpackFunc{
		quant.Q4_0: unpackQ4_0AVX2,
		quant.Q4_1: unpackQ4_1AVX2,
		quant.Q8_0: unpackQ8_0AVX2,
		quant.Q4_K: unpackQ4_KAVX2,
		quant.Q6_K: unpackQ6_KAVX2,
		quant.Q5_0: unpackQ5_0AVX2, quant.Q5_1: unpackQ5_1AVX2, quant.Q5_K: unpackQ5_KAVX2, quant.Q2_K: unpackQ2_KAVX2, quant.Q3_K: unpackQ3_KAVX2,
		quant.IQ4_NL: unpackIQ4_NLAVX2, quant.IQ4_XS: unpackIQ4_XSAVX2, quant.MXFP4: unpackMXFP4AVX2,
	},
	integer: integerAVX2,
	float:   strips[floatStrip]{{6, gemmF32AVX2x6}, {4, gemmF32AVX2x4}, {2, gemmF32AVX2x2}, {1, gemmF32AVX2x1}},
	tile: map[quant.Type]tileKernel{
		quant.Q4_0: {tileQ4_0AVX2, true},
		quant.Q4_1: {tileQ4_1AVX2, true},
		quant.Q8_0: {tileQ8_0AVX2, false},
		quant.Q4_K: {tileQ4_KAVX2, false},
		quant.Q6_K: {tileQ6_KAVX2, false},
	},
	tileCodes: map[quant.Type]tileCodesKernel{
		quant.Q5_0: tileCodes6x32AVX2, quant.Q5_1: tileCodes6x32OffsetAVX2, quant.Q5_K: tileCodes6x32OffsetAVX2, quant.Q2_K: tileCodes6x16OffsetAVX2,
		quant.Q3_K: tileCodes6x16AVX2, quant.IQ4_NL: tileCodes8x32AVX2, quant.IQ4_XS: tileCodes8x32AVX2, quant.MXFP4: tileCodes8x32AVX2,
	},
	pairCodes:    pairCodesAVX2,
	sumTerms:     sumTermsAVX2,
	sumTermPairs: sumTermPairsAVX2,
	dotRow: map[quant.Type]func(*uint8, *float32, int) float32{
		quant.F32: dotRowF32AVX2, quant.F16: dotRowF16AVX2, quant.BF16: dotRowBF16AVX2,
	},
}
