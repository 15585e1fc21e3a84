//go:build invariants

package kvcache

// mangle overwrites freed memory, so that reading a page after giving it back shows as NaN.
func mangle(page []byte) {
	for i := range page {
		page[i] = 0xff
	}
}

func invariant(ok bool, fact string) {
	if !ok {
		panic("kvcache: " + fact)
	}
}
