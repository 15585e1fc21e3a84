package kernel

// Rotary position embedding (Su et al., 2021): the plane of two channels i and j is turned by an angle that depends on
// the position and the plane, x_i' = x_i*cos - x_j*sin, x_j' = x_j*cos + x_i*sin. Files differ in which two channels
// form a plane; the wrong choice gives fluent nonsense, so it is part of the function's name. Both leave the channels
// beyond the rotary dimensions 2*len(cos) untouched, and are equal bit for bit on every tier.

// RotatePairs turns the planes (x[2i], x[2i+1]) of one head.
func RotatePairs(x, cos, sin []float32) {
	n := len(cos)
	rotatePairsRow(x[:2*n], cos, sin[:n])
}

// RotateHalves turns the planes (x[i], x[i+len(cos)]) of one head.
func RotateHalves(x, cos, sin []float32) {
	n := len(cos)
	rotateHalvesRow(x[:2*n], cos, sin[:n])
}

func rotatePairsGeneric(x, cos, sin []float32) {
	for i, c := range cos {
		s := sin[i]
		a, b := x[2*i], x[2*i+1]
		x[2*i] = float32(a*c) - float32(b*s)
		x[2*i+1] = float32(b*c) + float32(a*s)
	}
}

func rotateHalvesGeneric(lo, hi, cos, sin []float32) {
	for i, c := range cos {
		s := sin[i]
		a, b := lo[i], hi[i]
		lo[i] = float32(a*c) - float32(b*s)
		hi[i] = float32(b*c) + float32(a*s)
	}
}
