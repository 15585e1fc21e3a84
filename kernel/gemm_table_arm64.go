package kernel

import "pith/quant"

// Formats whose codes are centred alike, in groups of one size, share a micro-kernel: codes below 128 are signed bytes as they are.

var integerNEON = map[quant.Type]strips[integerStrip]{
	quant.Q4_0:   {{4, gemmQ4_0NEONx4}, {2, gemmQ4_0NEONx2}, {1, gemmQ4_0NEONx1}},
	quant.Q4_1:   {{4, gemmQ4_1NEONx4}, {2, gemmQ4_1NEONx2}, {1, gemmQ4_1NEONx1}},
	quant.Q4_K:   {{4, gemmQ4_1NEONx4}, {2, gemmQ4_1NEONx2}, {1, gemmQ4_1NEONx1}},
	quant.Q5_1:   {{4, gemmQ4_1NEONx4}, {2, gemmQ4_1NEONx2}, {1, gemmQ4_1NEONx1}},
	quant.Q5_K:   {{4, gemmQ4_1NEONx4}, {2, gemmQ4_1NEONx2}, {1, gemmQ4_1NEONx1}},
	quant.Q5_0:   {{4, gemmQ5_0NEONx4}, {2, gemmQ5_0NEONx2}, {1, gemmQ5_0NEONx1}},
	quant.Q2_K:   {{4, gemmQ2_KNEONx4}, {2, gemmQ2_KNEONx2}, {1, gemmQ2_KNEONx1}},
	quant.Q3_K:   {{4, gemmQ3_KNEONx4}, {2, gemmQ3_KNEONx2}, {1, gemmQ3_KNEONx1}},
	quant.Q6_K:   {{4, gemmQ6_KNEONx4}, {2, gemmQ6_KNEONx2}, {1, gemmQ6_KNEONx1}},
	quant.Q8_0:   {{4, gemmQ8_0NEONx4}, {2, gemmQ8_0NEONx2}, {1, gemmQ8_0NEONx1}},
	quant.IQ4_NL: {{4, gemmQ8_0NEONx4}, {2, gemmQ8_0NEONx2}, {1, gemmQ8_0NEONx1}},
	quant.IQ4_XS: {{4, gemmQ8_0NEONx4}, {2, gemmQ8_0NEONx2}, {1, gemmQ8_0NEONx1}},
	quant.MXFP4:  {{4, gemmQ8_0NEONx4}, {2, gemmQ8_0NEONx2}, {1, gemmQ8_0NEONx1}},
}

var tileNEON = map[quant.Type]tileKernel{
	quant.Q4_0: {tileQ4_0NEON, false},
	quant.Q4_1: {tileQ4_1NEON, false},
	quant.Q8_0: {tileQ8_0NEON, false},
	quant.Q4_K: {tileQ4_KNEON, false},
	quant.Q6_K: {tileQ6_KNEON, false},
}

var tileCodesNEON = map[quant.Type]tileCodesKernel{
	quant.Q5_0:   tileCodes6x32NEON,
	quant.Q5_1:   tileCodes6x32OffsetNEON,
	quant.Q5_K:   tileCodes6x32OffsetNEON,
	quant.Q2_K:   tileCodes6x16OffsetNEON,
	quant.Q3_K:   tileCodes6x16NEON,
	quant.IQ4_NL: tileCodes8x32NEON,
	quant.IQ4_XS: tileCodes8x32NEON,
	quant.MXFP4:  tileCodes8x32NEON,
}

var integerDotProd = map[quant.Type]strips[integerStrip]{
	quant.Q4_0:   {{4, gemmQ4_0DotProdx4}, {2, gemmQ4_0DotProdx2}, {1, gemmQ4_0DotProdx1}},
	quant.Q4_1:   {{4, gemmQ4_1DotProdx4}, {2, gemmQ4_1DotProdx2}, {1, gemmQ4_1DotProdx1}},
	quant.Q4_K:   {{4, gemmQ4_1DotProdx4}, {2, gemmQ4_1DotProdx2}, {1, gemmQ4_1DotProdx1}},
	quant.Q5_1:   {{4, gemmQ4_1DotProdx4}, {2, gemmQ4_1DotProdx2}, {1, gemmQ4_1DotProdx1}},
	quant.Q5_K:   {{4, gemmQ4_1DotProdx4}, {2, gemmQ4_1DotProdx2}, {1, gemmQ4_1DotProdx1}},
	quant.Q5_0:   {{4, gemmQ5_0DotProdx4}, {2, gemmQ5_0DotProdx2}, {1, gemmQ5_0DotProdx1}},
	quant.Q2_K:   {{4, gemmQ2_KDotProdx4}, {2, gemmQ2_KDotProdx2}, {1, gemmQ2_KDotProdx1}},
	quant.Q3_K:   {{4, gemmQ3_KDotProdx4}, {2, gemmQ3_KDotProdx2}, {1, gemmQ3_KDotProdx1}},
	quant.Q6_K:   {{4, gemmQ6_KDotProdx4}, {2, gemmQ6_KDotProdx2}, {1, gemmQ6_KDotProdx1}},
	quant.Q8_0:   {{4, gemmQ8_0DotProdx4}, {2, gemmQ8_0DotProdx2}, {1, gemmQ8_0DotProdx1}},
	quant.IQ4_NL: {{4, gemmQ8_0DotProdx4}, {2, gemmQ8_0DotProdx2}, {1, gemmQ8_0DotProdx1}},
	quant.IQ4_XS: {{4, gemmQ8_0DotProdx4}, {2, gemmQ8_0DotProdx2}, {1, gemmQ8_0DotProdx1}},
	quant.MXFP4:  {{4, gemmQ8_0DotProdx4}, {2, gemmQ8_0DotProdx2}, {1, gemmQ8_0DotProdx1}},
}

var tileDotProd = map[quant.Type]tileKernel{
	quant.Q4_0: {tileQ4_0DotProd, false},
	quant.Q4_1: {tileQ4_1DotProd, false},
	quant.Q8_0: {tileQ8_0DotProd, false},
	quant.Q4_K: {tileQ4_KDotProd, false},
	quant.Q6_K: {tileQ6_KDotProd, false},
}

var tileCodesDotProd = map[quant.Type]tileCodesKernel{
	quant.Q5_0:   tileCodes6x32DotProd,
	quant.Q5_1:   tileCodes6x32OffsetDotProd,
	quant.Q5_K:   tileCodes6x32OffsetDotProd,
	quant.Q2_K:   tileCodes6x16OffsetDotProd,
	quant.Q3_K:   tileCodes6x16DotProd,
	quant.IQ4_NL: tileCodes8x32DotProd,
	quant.IQ4_XS: tileCodes8x32DotProd,
	quant.MXFP4:  tileCodes8x32DotProd,
}
