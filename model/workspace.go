package model

import (
	"pith/kernel"
	"pith/kvcache"
)

// Workspace holds the buffers of a forward pass. It grows to the widest call it has seen and belongs to one goroutine at a
// time. Close returns its memory.
type Workspace struct {
	scratch *kernel.Scratch
	block   *kvcache.Block
	rows    int  // rows that the buffers hold
	raw     bool // they have qRaw and kRaw

	norm []float32 // [rows, dim] the normed input of a block
	q    []float32 // [rows, qHeads*headDim]
	k    []float32 // [rows, kvHeads*headDim]
	v    []float32 // [rows, kvHeads*headDim]
	qRaw []float32 // as q
	kRaw []float32 // as k
	out  []float32 // [rows, qHeads*headDim] what attention read
	y    []float32 // [rows, dim] what a block adds to the residual stream
	gate []float32 // [rows, ffn]
	up   []float32 // [rows, ffn]

	outliers []float32 // [rows, outlierMost] of a block's input

	router  []float32 // [rows, experts] the router's probabilities
	weights []float32 // [rows, expertsUsed] share of each chosen expert
	gather  []float32 // [rows, dim] rows that go through one expert
	part    []float32 // [rows, dim] what that expert says
	chosen  []int32   // [rows, expertsUsed] chosen experts, best first
	members []int32   // [rows] rows of one expert
	shares  []float32 // [rows] their weights

	cos, sin   []float32   // [rows, rotary/2] of the rotation below
	angles     []*Rotation // [rows] rotation of each row in the tables
	anglesAt   []kvcache.Position
	heads      Heads
	pass       pass
	task       rowTask
	apart      apart
	outputRows Rows
}

// NewWorkspace returns an empty workspace; its buffers come with the first call.
func (m *Model) NewWorkspace() *Workspace { return &Workspace{scratch: kernel.NewScratch()} }

// Close unmaps the buffers. The workspace may be used again and then starts empty.
func (ws *Workspace) Close() {
	ws.block.Free()
	*ws = Workspace{scratch: ws.scratch}
}

// Bytes is the memory that the buffers take.
func (ws *Workspace) Bytes() int64 {
	if ws.block == nil {
		return 0
	}
	return int64(len(ws.block.Bytes()))
}

// WorkspaceBytes is what a workspace takes for calls of up to n rows, without kernel scratch.
func (c *Config) WorkspaceBytes(n int, raw bool) int64 {
	var ws Workspace
	total := 0
	ws.layout(c, n, raw, func(_ *[]float32, floats int) { total += floats })
	return int64(total) * 4
}

// layout names every f32 buffer of n rows with its length.
func (ws *Workspace) layout(c *Config, n int, raw bool, buffer func(b *[]float32, floats int)) {
	q, kv, ffn := n*c.QHeads*c.HeadDim, n*c.KVHeads*c.HeadDim, n*max(c.FFN, c.ExpertFFN)
	buffer(&ws.norm, n*c.Dim)
	buffer(&ws.q, q)
	buffer(&ws.k, kv)
	buffer(&ws.v, kv)
	buffer(&ws.out, q)
	if raw {
		buffer(&ws.qRaw, q)
		buffer(&ws.kRaw, kv)
	}
	buffer(&ws.y, n*c.Dim)
	buffer(&ws.gate, ffn)
	buffer(&ws.up, ffn)
	buffer(&ws.outliers, n*outlierMost)
	buffer(&ws.cos, n*c.Rope.Dims/2)
	buffer(&ws.sin, n*c.Rope.Dims/2)
	if c.Experts > 0 {
		buffer(&ws.router, n*c.Experts)
		buffer(&ws.weights, n*c.ExpertsUsed)
		buffer(&ws.gather, n*c.Dim)
		buffer(&ws.part, n*c.Dim)
		buffer(&ws.shares, n)
	}
}

// reserve makes room for n rows. Contents do not survive growth: they live within one call.
func (ws *Workspace) reserve(c *Config, n int, raw bool) {
	if n <= ws.rows && (ws.raw || !raw) {
		return
	}
	n, raw = max(n, ws.rows), raw || ws.raw
	ws.block.Free()
	ws.block = nil
	var rest []float32
	if block, err := kvcache.NewBlock(c.WorkspaceBytes(n, raw)); err == nil {
		ws.block, rest = block, block.Floats()
	} else {
		rest = make([]float32, c.WorkspaceBytes(n, raw)/4) // the runtime says best what running out means
	}
	ws.layout(c, n, raw, func(b *[]float32, floats int) {
		*b, rest = rest[:floats:floats], rest[floats:]
	})
	ws.rows, ws.raw = n, raw
	ws.angles = make([]*Rotation, n)
	ws.anglesAt = make([]kvcache.Position, n)
	if c.Experts > 0 {
		ws.chosen = make([]int32, n*c.ExpertsUsed)
		ws.members = make([]int32, n)
	}
}
