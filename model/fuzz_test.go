package model

import (
	"testing"

	"pith/gguf"
	"pith/kernel"
	"pith/kvcache"
)

// FuzzOpen overwrites bytes of a file's header. Whatever still opens must run: no panic, no access outside the file.
func FuzzOpen(f *testing.F) {
	var images [][]byte
	for _, name := range []string{"llama-tied", "qwen3moe", "gemma2", "phi3-longrope"} {
		images = append(images, unzip(f, "testdata/"+name+"-f32.gguf.gz"))
	}
	f.Add(uint8(0), uint16(0), []byte("GGUF"))
	f.Add(uint8(1), uint16(200), []byte{255, 255, 255, 255})
	f.Add(uint8(2), uint16(700), []byte{0, 0, 0, 128})
	f.Fuzz(func(t *testing.T, which uint8, at uint16, patch []byte) {
		original := images[int(which)%len(images)]
		image := append([]byte(nil), original...)
		copy(image[min(int(at), len(image)):], patch)
		file, err := gguf.OpenBytes("fuzzed", image)
		if err != nil {
			return
		}
		defer file.Close()
		m, err := Open(file, Options{})
		if err != nil {
			return
		}
		ws := m.NewWorkspace()
		defer ws.Close()
		rows := &Rows{X: make([]float32, 2*m.config.Dim), Pos: []kvcache.Position{0, 70000}, MaxLen: 1 << 20}
		if err := m.Embed(rows.X, []int32{0, int32(m.config.Vocab - 1)}); err != nil {
			t.Fatal(err)
		}
		for l := range m.config.Layers {
			if err := m.Layer(l, rows, func(_ int, h *Heads) error { copy(h.Out, h.Q); return nil }, ws); err != nil {
				t.Fatal(err)
			}
		}
		m.Logits(make([]float32, 2*m.config.Vocab), rows.X, 2, kernel.Prefill, ws)
	})
}
