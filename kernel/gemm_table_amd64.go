package kernel

import "pith/quant"

// Formats whose codes have the same width, group and kind of zero share a micro-kernel: Q4_K runs Q4_1's, Q5_K runs Q5_1's,
// the codebook formats run Q8_0's.

var integerAVX2 = map[quant.Type]strips[integerStrip]{
	quant.Q4_0:   {{4, gemmQ4_0AVX2x4}, {2, gemmQ4_0AVX2x2}, {1, gemmQ4_0AVX2x1}},
	quant.Q4_1:   {{4, gemmQ4_1AVX2x4}, {2, gemmQ4_1AVX2x2}, {1, gemmQ4_1AVX2x1}},
	quant.Q4_K:   {{4, gemmQ4_1AVX2x4}, {2, gemmQ4_1AVX2x2}, {1, gemmQ4_1AVX2x1}},
	quant.Q2_K:   {{4, gemmQ2_KAVX2x4}, {2, gemmQ2_KAVX2x2}, {1, gemmQ2_KAVX2x1}},
	quant.Q3_K:   {{4, gemmQ3_KAVX2x4}, {2, gemmQ3_KAVX2x2}, {1, gemmQ3_KAVX2x1}},
	quant.Q5_0:   {{4, gemmQ5_0AVX2x4}, {2, gemmQ5_0AVX2x2}, {1, gemmQ5_0AVX2x1}},
	quant.Q5_1:   {{4, gemmQ5_1AVX2x4}, {2, gemmQ5_1AVX2x2}, {1, gemmQ5_1AVX2x1}},
	quant.Q5_K:   {{4, gemmQ5_1AVX2x4}, {2, gemmQ5_1AVX2x2}, {1, gemmQ5_1AVX2x1}},
	quant.Q6_K:   {{4, gemmQ6_KAVX2x4}, {2, gemmQ6_KAVX2x2}, {1, gemmQ6_KAVX2x1}},
	quant.Q8_0:   {{4, gemmQ8_0AVX2x4}, {2, gemmQ8_0AVX2x2}, {1, gemmQ8_0AVX2x1}},
	quant.IQ4_NL: {{4, gemmQ8_0AVX2x4}, {2, gemmQ8_0AVX2x2}, {1, gemmQ8_0AVX2x1}},
	quant.IQ4_XS: {{4, gemmQ8_0AVX2x4}, {2, gemmQ8_0AVX2x2}, {1, gemmQ8_0AVX2x1}},
	quant.MXFP4:  {{4, gemmQ8_0AVX2x4}, {2, gemmQ8_0AVX2x2}, {1, gemmQ8_0AVX2x1}},
}

var integerAVX512 = map[quant.Type]strips[integerStrip]{
	quant.Q4_0:   {{8, gemmQ4_0AVX512x8}, {4, gemmQ4_0AVX512x4}, {2, gemmQ4_0AVX512x2}, {1, gemmQ4_0AVX512x1}},
	quant.Q4_1:   {{8, gemmQ4_1AVX512x8}, {4, gemmQ4_1AVX512x4}, {2, gemmQ4_1AVX512x2}, {1, gemmQ4_1AVX512x1}},
	quant.Q4_K:   {{8, gemmQ4_1AVX512x8}, {4, gemmQ4_1AVX512x4}, {2, gemmQ4_1AVX512x2}, {1, gemmQ4_1AVX512x1}},
	quant.Q2_K:   {{8, gemmQ2_KAVX512x8}, {4, gemmQ2_KAVX512x4}, {2, gemmQ2_KAVX512x2}, {1, gemmQ2_KAVX512x1}},
	quant.Q3_K:   {{8, gemmQ3_KAVX512x8}, {4, gemmQ3_KAVX512x4}, {2, gemmQ3_KAVX512x2}, {1, gemmQ3_KAVX512x1}},
	quant.Q5_0:   {{8, gemmQ5_0AVX512x8}, {4, gemmQ5_0AVX512x4}, {2, gemmQ5_0AVX512x2}, {1, gemmQ5_0AVX512x1}},
	quant.Q5_1:   {{8, gemmQ5_1AVX512x8}, {4, gemmQ5_1AVX512x4}, {2, gemmQ5_1AVX512x2}, {1, gemmQ5_1AVX512x1}},
	quant.Q5_K:   {{8, gemmQ5_1AVX512x8}, {4, gemmQ5_1AVX512x4}, {2, gemmQ5_1AVX512x2}, {1, gemmQ5_1AVX512x1}},
	quant.Q6_K:   {{8, gemmQ6_KAVX512x8}, {4, gemmQ6_KAVX512x4}, {2, gemmQ6_KAVX512x2}, {1, gemmQ6_KAVX512x1}},
	quant.Q8_0:   {{8, gemmQ8_0AVX512x8}, {4, gemmQ8_0AVX512x4}, {2, gemmQ8_0AVX512x2}, {1, gemmQ8_0AVX512x1}},
	quant.IQ4_NL: {{8, gemmQ8_0AVX512x8}, {4, gemmQ8_0AVX512x4}, {2, gemmQ8_0AVX512x2}, {1, gemmQ8_0AVX512x1}},
	quant.IQ4_XS: {{8, gemmQ8_0AVX512x8}, {4, gemmQ8_0AVX512x4}, {2, gemmQ8_0AVX512x2}, {1, gemmQ8_0AVX512x1}},
	quant.MXFP4:  {{8, gemmQ8_0AVX512x8}, {4, gemmQ8_0AVX512x4}, {2, gemmQ8_0AVX512x2}, {1, gemmQ8_0AVX512x1}},
}

var integerVNNI = map[quant.Type]strips[integerStrip]{
	quant.Q4_0:   {{8, gemmQ4_0VNNIx8}, {4, gemmQ4_0VNNIx4}, {2, gemmQ4_0VNNIx2}, {1, gemmQ4_0VNNIx1}},
	quant.Q4_1:   {{8, gemmQ4_1VNNIx8}, {4, gemmQ4_1VNNIx4}, {2, gemmQ4_1VNNIx2}, {1, gemmQ4_1VNNIx1}},
	quant.Q4_K:   {{8, gemmQ4_1VNNIx8}, {4, gemmQ4_1VNNIx4}, {2, gemmQ4_1VNNIx2}, {1, gemmQ4_1VNNIx1}},
	quant.Q2_K:   {{8, gemmQ2_KVNNIx8}, {4, gemmQ2_KVNNIx4}, {2, gemmQ2_KVNNIx2}, {1, gemmQ2_KVNNIx1}},
	quant.Q3_K:   {{8, gemmQ3_KVNNIx8}, {4, gemmQ3_KVNNIx4}, {2, gemmQ3_KVNNIx2}, {1, gemmQ3_KVNNIx1}},
	quant.Q5_0:   {{8, gemmQ5_0VNNIx8}, {4, gemmQ5_0VNNIx4}, {2, gemmQ5_0VNNIx2}, {1, gemmQ5_0VNNIx1}},
	quant.Q5_1:   {{8, gemmQ5_1VNNIx8}, {4, gemmQ5_1VNNIx4}, {2, gemmQ5_1VNNIx2}, {1, gemmQ5_1VNNIx1}},
	quant.Q5_K:   {{8, gemmQ5_1VNNIx8}, {4, gemmQ5_1VNNIx4}, {2, gemmQ5_1VNNIx2}, {1, gemmQ5_1VNNIx1}},
	quant.Q6_K:   {{8, gemmQ6_KVNNIx8}, {4, gemmQ6_KVNNIx4}, {2, gemmQ6_KVNNIx2}, {1, gemmQ6_KVNNIx1}},
	quant.Q8_0:   {{8, gemmQ8_0VNNIx8}, {4, gemmQ8_0VNNIx4}, {2, gemmQ8_0VNNIx2}, {1, gemmQ8_0VNNIx1}},
	quant.IQ4_NL: {{8, gemmQ8_0VNNIx8}, {4, gemmQ8_0VNNIx4}, {2, gemmQ8_0VNNIx2}, {1, gemmQ8_0VNNIx1}},
	quant.IQ4_XS: {{8, gemmQ8_0VNNIx8}, {4, gemmQ8_0VNNIx4}, {2, gemmQ8_0VNNIx2}, {1, gemmQ8_0VNNIx1}},
	quant.MXFP4:  {{8, gemmQ8_0VNNIx8}, {4, gemmQ8_0VNNIx4}, {2, gemmQ8_0VNNIx2}, {1, gemmQ8_0VNNIx1}},
}
