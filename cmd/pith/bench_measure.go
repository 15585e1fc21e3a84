package main

import (
	"context"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"pith/engine"
	"pith/kernel"
)

// bench is a series of tests on one engine.
type bench struct {
	o      *benchOptions
	e      *engine.Engine
	meter  *residentMeter
	tokens []int32

	weights int64     // bytes of weights that a step reads
	reads   []float64 // GB/s at which they were read between the repetitions of a test
}

// randomTokens makes up a text; the same for every run.
func randomTokens(vocab, n int) []int32 {
	random := rand.New(rand.NewPCG(1, 2))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(random.IntN(vocab))
	}
	return ids
}

func (b *bench) measure(ctx context.Context, t benchTest, k caching) (benchRow, error) {
	c := b.e.Config()
	var size int64
	for _, tensor := range b.e.File().Tensors() {
		size += int64(tensor.Bytes())
	}
	row := benchRow{
		Model: modelTitle(b.e.File()), Size: size, Params: countParams(b.e.File()), Backend: "CPU " + kernel.CPU().String(),
		Threads: b.threads(), Exact: b.o.exact, KV: recipeName(k.recipe), Keep: k.share(), Test: t.name(), Prompt: t.prompt, Gen: t.generate, Depth: t.depth,
	}
	total := t.depth + t.prompt + t.generate
	if t.generate > 0 {
		total = t.depth + t.generate*(b.o.repeat+1)
		if t.depth == 0 {
			total = t.generate
		}
	}
	if total > c.Context {
		return row, &engine.ContextError{Prompt: total, Context: c.Context}
	}
	debug.FreeOSMemory()
	b.meter.reset()
	b.reads = nil
	var err error
	if t.generate > 0 && t.depth > 0 {
		err = b.generateAtDepth(ctx, t, k, total, &row)
	} else {
		for rep := -1; rep < b.o.repeat && err == nil; rep++ {
			if rep < 0 && t.depth > 0 {
				continue // reading the context warms up
			}
			err = b.once(ctx, t, k, total, rep >= 0, &row)
		}
	}
	if err != nil {
		return row, err
	}
	row.Peak = b.meter.Peak()
	row.Packed, row.Unpacked = b.e.PackedBytes(), b.e.UnpackedBytes()
	row.Mean, row.SD, row.Median = summary(row.Samples)
	if t.generate > 0 {
		_, _, row.Memory = summary(b.reads)
		row.Read = row.Median * float64(b.weights+row.KVBytes) / 1e9
	}
	return row, nil
}

func (b *bench) threads() int {
	if b.o.threads > 0 {
		return b.o.threads
	}
	return engine.Threads()
}

// once runs a test on a sequence of its own.
func (b *bench) once(ctx context.Context, t benchTest, k caching, total int, keep bool, row *benchRow) error {
	s, err := b.e.NewSequence(k.recipe, k.budget, total)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := b.read(ctx, s, t.depth, true, total-t.depth); err != nil {
		return err
	}
	n := t.prompt
	if n == 0 && keep {
		if err := b.readWeights(); err != nil {
			return err
		}
	}
	start := time.Now()
	if n > 0 {
		err = b.read(ctx, s, n, t.depth == 0, 0)
	} else {
		n = t.generate
		err = b.write(ctx, s, n)
	}
	if err == nil && keep {
		row.Samples = append(row.Samples, float64(n)/time.Since(start).Seconds())
		row.KVBytes, row.FullBytes = s.Bytes(), s.FullBytes()
	}
	return err
}

// generateAtDepth reads the context once and generates again and again behind it, each time in the same cache. Where that cannot be had back, because the
// recipe acts while tokens are generated or a window layer has let go of what it would need, repetitions go on from one another.
func (b *bench) generateAtDepth(ctx context.Context, t benchTest, k caching, total int, row *benchRow) error {
	s, err := b.e.NewSequence(k.recipe, k.budget, total)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := b.read(ctx, s, t.depth, true, total-t.depth); err != nil {
		return err
	}
	row.KVBytes, row.FullBytes = s.Bytes(), s.FullBytes()
	for rep := -1; rep < b.o.repeat; rep++ {
		if rep >= 0 {
			if !s.Recipe().ActsInDecode() {
				_ = s.Rewind(t.depth) // refused whole, or done
			}
			if err := b.readWeights(); err != nil {
				return err
			}
		}
		start := time.Now()
		if err := b.write(ctx, s, t.generate); err != nil {
			return err
		}
		if rep >= 0 {
			row.Samples = append(row.Samples, float64(t.generate)/time.Since(start).Seconds())
		}
	}
	return nil
}

// readWeights times reading what a step reads of the weights: memory is as fast as its other users let it be, so it is asked each time.
func (b *bench) readWeights() error {
	start := time.Now()
	n, err := b.e.ReadWeights()
	b.weights = n
	b.reads = append(b.reads, float64(n)/float64(time.Since(start).Nanoseconds()))
	return err
}

// read prefills n tokens.
func (b *bench) read(ctx context.Context, s *engine.Sequence, n int, compress bool, extra int) error {
	if n == 0 {
		return nil
	}
	p, err := b.e.NewPrefill(b.tokens[s.Len():s.Len()+n], engine.PrefillOptions{Compress: compress, Extra: extra}, s)
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

// write feeds n tokens one by one, as generation does.
func (b *bench) write(ctx context.Context, s *engine.Sequence, n int) error {
	b.meter.rest()
	defer b.meter.wake()
	seqs, ids := []*engine.Sequence{s}, []int32{0}
	for range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		ids[0] = b.tokens[s.Len()]
		if err := b.e.Step(seqs, ids); err != nil {
			return err
		}
	}
	return nil
}
