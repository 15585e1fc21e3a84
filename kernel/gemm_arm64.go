package kernel

import "pith/quant"

// kernelSets holds one set a tier.
var kernelSets = [...]*kernelSet{NEON: &neonKernels, DotProd: dotProdKernels()}

// dotProdKernels replaces what multiplies codes. Packing, decode and f32 products have no use for SDOT.
func dotProdKernels() *kernelSet {
	k := neonKernels
	k.integer, k.tile, k.tileCodes = integerDotProd, tileDotProd, tileCodesDotProd
	return &k
}

var neonKernels = kernelSet{
	encode:    encodeActivationsNEON,
	transpose: transpose16NEON,
	dequantise: [2][2]func(*float32, *uint8, *float32, *float32, int, int){
		{dequantiseZero16NEON, dequantiseOffset16NEON},
		{dequantiseZero32NEON, dequantiseOffset32NEON},
	},
	widen: map[quant.Type]func(*float32, *uint8, int){quant.F16: widenF16NEON, quant.BF16: widenBF16NEON},
	unpack: map[quant.Type]unpackFunc{
		quant.Q4_0: unpackQ4_0NEON, quant.Q4_1: unpackQ4_1NEON, quant.Q8_0: unpackQ8_0NEON, quant.Q4_K: unpackQ4_KNEON, quant.Q6_K: unpackQ6_KNEON,
		quant.Q5_0: unpackQ5_0NEON, quant.Q5_1: unpackQ5_1NEON, quant.Q5_K: unpackQ5_KNEON, quant.Q2_K: unpackQ2_KNEON, quant.Q3_K: unpackQ3_KNEON,
		quant.IQ4_NL: unpackIQ4_NLNEON, quant.IQ4_XS: unpackIQ4_XSNEON, quant.MXFP4: unpackMXFP4NEON,
	},
	integer:      integerNEON,
	float:        strips[floatStrip]{{4, gemmF32NEONx4}, {2, gemmF32NEONx2}, {1, gemmF32NEONx1}},
	tile:         tileNEON,
	tileCodes:    tileCodesNEON,
	sumTerms:     sumTermsNEON,
	sumTermPairs: sumTermPairsNEON,
	dotRow: map[quant.Type]func(*uint8, *float32, int) float32{
		quant.F32: dotRowF32NEON, quant.F16: dotRowF16NEON, quant.BF16: dotRowBF16NEON,
	},
}
