package engine

import (
	"fmt"
	"time"

	"pith/gguf"
	"pith/kernel"
	"pith/kvcache"
	"pith/model"
)

// guard turns a fault in mapped weights (a file that shrank) into an error.
func guard(f func() error) error { return gguf.Guard(f) }

// decoder holds the buffers of a decode step over any number of sequences. After the first step of a given width it allocates
// nothing.
type decoder struct {
	seqs   []*Sequence
	ids    []int32
	rows   model.Rows
	logits []float32
	attend model.Attend
	run    func() error
	task   decodeTask
	e      *Engine
}

// Step feeds one token to each sequence; the logits that follow are in Sequence.Logits. Rows of all sequences go through a layer
// together, each with the bits it would have alone. A sequence must not appear twice.
func (e *Engine) Step(seqs []*Sequence, ids []int32) error {
	for i, s := range seqs {
		if err := s.usable(); err != nil {
			return err
		}
		if int(s.next) >= s.maxLen {
			return &ContextError{Prompt: int(s.next) + 1, Context: s.maxLen}
		}
		if ids[i] < 0 || int(ids[i]) >= e.model.Config().Vocab {
			return fmt.Errorf("engine: step: token %d, the vocabulary has %d", ids[i], e.model.Config().Vocab)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	d := &e.decoder
	if d.e == nil {
		d.e = e
		d.attend, d.run = d.attention, d.step
	}
	d.seqs, d.ids = seqs, ids
	err := guard(d.run)
	if err != nil {
		for _, s := range seqs {
			s.broken = err
		}
	}
	d.seqs, d.ids = nil, nil
	return err
}

func (d *decoder) step() error {
	c := d.e.model.Config()
	n := len(d.seqs)
	d.rows.X = grow(d.rows.X, n*c.Dim)
	d.rows.Pos = grow(d.rows.Pos, n)
	d.rows.Phase = kernel.Decode
	for i, s := range d.seqs {
		d.rows.Pos[i] = s.next
		d.rows.MaxLen = max(d.rows.MaxLen, s.maxLen)
	}
	if err := d.e.model.Embed(d.rows.X, d.ids); err != nil {
		return err
	}
	for l := range c.Layers {
		if err := d.e.model.Layer(l, &d.rows, d.attend, d.e.ws); err != nil {
			return err
		}
	}
	d.logits = grow(d.logits, n*c.Vocab)
	d.e.model.Logits(d.logits, d.rows.X, n, kernel.Decode, d.e.ws)
	for i, s := range d.seqs {
		copy(s.logits, d.logits[i*c.Vocab:])
		s.next++
	}
	return nil
}

// attention appends each sequence's new entry and lets it attend to its lanes.
func (d *decoder) attention(layer int, h *model.Heads) error {
	c := d.e.model.Config()
	for i, s := range d.seqs {
		for head := range c.KVHeads {
			at := (i*c.KVHeads + head) * c.HeadDim
			lane := s.cache.Lane(layer, head)
			if w := c.Window[layer]; w > 0 && lane.Len() >= w+windowSlack {
				lane.Drop(lane.Len() - w + 1)
			}
			if err := lane.AppendOne(d.rows.Pos[i], h.K[at:at+c.HeadDim], h.V[at:at+c.HeadDim]); err != nil {
				return err
			}
		}
	}
	d.task = decodeTask{d: d, h: h, layer: layer}
	d.e.workers.Run(len(d.seqs)*c.KVHeads, &d.task)
	return nil
}

type decodeTask struct {
	d     *decoder
	h     *model.Heads
	layer int
}

func (t *decodeTask) Do(worker, i int) {
	e := t.d.e
	c := e.model.Config()
	row, head := i/c.KVHeads, i%c.KVHeads
	g := c.QHeads / c.KVHeads
	at := (row*c.QHeads + head*g) * c.HeadDim
	lo := kvcache.Position(0)
	if w := c.Window[t.layer]; w > 0 {
		lo = t.d.rows.Pos[row] - kvcache.Position(w) + 1
	}
	lane := t.d.seqs[row].cache.Lane(t.layer, head)
	lane.Attend(t.h.Out[at:at+g*c.HeadDim], t.h.Q[at:at+g*c.HeadDim], g, t.h.Scale, t.h.SoftCap, lo, e.laneScratch[worker], nil)
}

// Feed gives the sequence tokens whose logits are wanted, teacher-forced, and returns the row of logits after each. They go
// through the model together and read the cache as it is; they join it uncompressed.
func (e *Engine) Feed(s *Sequence, ids []int32) ([][]float32, error) {
	all := make([]int, len(ids))
	for i := range all {
		all[i] = i
	}
	p, err := e.NewPrefill(ids, PrefillOptions{Logits: all}, s)
	if err != nil {
		return nil, err
	}
	if err := p.Run(background); err != nil {
		return nil, err
	}
	rows := make([][]float32, len(ids))
	for i := range rows {
		rows[i] = p.Out[i]
	}
	return rows, nil
}

// since is the time passed, in seconds.
func since(t time.Time) float64 { return time.Since(t).Seconds() }
