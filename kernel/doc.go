// Package kernel holds the numeric primitives of the engine: products with quantised weight matrices, the elementwise
// steps of a layer, attention, and the rows of the cache. Everything works on plain slices in row-major order.
//
// # Two switches
//
// A Tier is the instruction set in use. It is chosen once from the processor and can be lowered with PITH_CPU. The
// arithmetic is the caller's: by default activations are rounded to 8 bits in groups of 32 wherever the weight format
// has an integer form; "exact" multiplies dequantised weights with f32 activations.
//
// # Order of accumulation
//
// The result of a row depends neither on the number of threads, nor on the rows computed beside it, nor on how a call
// was cut into chunks. Integer products are summed exactly within a group of the weight format; over groups, in
// ascending order, every term is rounded, then added:
//
//	acc = acc + float32(dot)*(scaleW*scaleA)
//	acc = acc + offsetW*(scaleA*sumA)          // formats with a minimum
//
// The portable code and every vector tier follow that order, so their results are equal bit for bit, in both phases.
// Products in f32 are reduced in an order that belongs to the tier and the Phase alone.
package kernel
