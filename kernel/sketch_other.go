//go:build !amd64 && !arm64

package kernel

func dotSketch(s *SketchQueries, dst []float32, stride int, blocks []*byte, count int) {
	dotSketchGeneric(s, dst, stride, blocks, count)
}
