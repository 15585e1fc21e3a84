package engine

import (
	"fmt"
	"sync/atomic"

	"pith/gguf"
	"pith/kernel"
	"pith/kvcache"
	"pith/model"
	"pith/policy"
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
	e      *Engine

	heads    struct{ scale, softCap float32 } // of the model's attention, as its layers say
	queries  []kvcache.Query                  // [seqs*KVHeads]
	rests    []kvcache.Partial                // [seqs*KVHeads] of queries with slots: the attention to what they do not read, by a sketch
	pieces   []piece                          // of the layer, ordered by query
	shares   shares                           // of the pieces
	partials []kvcache.Partial
	total    kvcache.Partial
	weights  []float32               // probabilities within the pieces that want them
	mass     []float32               // of one lane
	scratch  []kvcache.AttendScratch // [thread]
	choices  choosing
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
		d.scratch = make([]kvcache.AttendScratch, e.options.Threads)
		d.choices = choosing{scratch: d.scratch, bounds: make([][]float32, e.options.Threads), blocks: make([][]kvcache.Span, e.options.Threads)}
	}
	if err := e.relieveStep(seqs); err != nil {
		return err // nothing has been computed yet: the sequences are as they were
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
	d.rows.MaxLens = grow(d.rows.MaxLens, n)
	for i, s := range d.seqs {
		d.rows.Pos[i] = s.next
		d.rows.MaxLens[i] = s.maxLen
	}
	if err := d.e.model.Embed(d.rows.X, d.ids); err != nil {
		return err
	}
	for l := range c.Layers {
		if err := d.e.model.Layer(l, &d.rows, d.attend, d.e.ws); err != nil {
			return err
		}
	}
	if n == 1 {
		d.e.model.Logits(d.seqs[0].logits, d.rows.X, 1, kernel.Decode, d.e.ws)
	} else {
		d.logits = grow(d.logits, n*c.Vocab)
		d.e.model.Logits(d.logits, d.rows.X, n, kernel.Decode, d.e.ws)
		for i, s := range d.seqs {
			copy(s.logits, d.logits[i*c.Vocab:])
		}
	}
	for _, s := range d.seqs {
		s.next++
		if err := s.actAgain(); err != nil {
			return err
		}
	}
	return nil
}

// In grouped storages generated entries wait in f16. They are encoded when residualMost of them have piled up; the newest
// residualLeast stay, as KIVI's residual does.
const (
	residualMost  = 192
	residualLeast = 128
)

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
			if lane.Residual() >= residualMost {
				if err := lane.Settle(residualLeast); err != nil {
					return err
				}
			}
			if err := lane.AppendOne(d.rows.Pos[i], h.K[at:at+c.HeadDim], h.V[at:at+c.HeadDim]); err != nil {
				return err
			}
		}
	}
	d.heads.scale, d.heads.softCap = h.Scale, h.SoftCap
	d.plan(layer, h)
	d.shares = newShares(len(d.pieces), d.e.workers)
	d.e.workers.Run(d.shares.tasks(), d)
	d.fold(h)
	width := c.QHeads * c.HeadDim
	for i, s := range d.seqs {
		s.queries.push(layer, h.Q[i*width:(i+1)*width])
	}
	return nil
}

// piece is one part of one lane's attention: lanes are cut by their length alone, so that a single KV head still uses every core and the
// result is the same for any number of threads.
type piece struct {
	lane  *kvcache.Lane
	query int32 // of decoder.queries
	index int32 // within the lane
	mass  int32 // offset of its probabilities in decoder.weights, -1 where nobody wants them
}

// plan lists the pieces of one layer.
func (d *decoder) plan(layer int, h *model.Heads) {
	c := d.e.model.Config()
	width := c.QHeads / c.KVHeads * c.HeadDim
	d.pieces = d.pieces[:0]
	d.queries, d.rests = grow(d.queries, len(d.seqs)*c.KVHeads), grow(d.rests, len(d.seqs)*c.KVHeads)
	d.choices.lanes = d.choices.lanes[:0]
	for i, s := range d.seqs {
		lo := kvcache.Position(0)
		if w := c.Window[layer]; w > 0 {
			lo = d.rows.Pos[i] - kvcache.Position(w) + 1
		}
		for head := range c.KVHeads {
			q := i*c.KVHeads + head
			d.queries[q] = kvcache.Query{Q: h.Q[q*width : (q+1)*width], Group: c.QHeads / c.KVHeads, Scale: h.Scale, SoftCap: h.SoftCap, Lo: lo}
			if r := s.recipe.Read; r != nil && c.Window[layer] == 0 && layer >= r.Dense() {
				lane := s.cache.Lane(layer, head)
				if budget := s.budget.Keep.Of(lane.Len()); budget < lane.Len() {
					d.choices.lanes = append(d.choices.lanes, choice{s, lane, budget, &d.queries[q], &d.rests[q]})
				}
			}
		}
	}
	d.choices.run(d.e.workers)
	weights := 0
	for i, s := range d.seqs {
		for head := range c.KVHeads {
			q := i*c.KVHeads + head
			lane := s.cache.Lane(layer, head)
			for k := range lane.Pieces(&d.queries[q]) {
				p := piece{lane: lane, query: int32(q), index: int32(k), mass: -1}
				if s.mass >= 0 && c.Window[layer] == 0 {
					p.mass = int32(weights)
					weights += c.QHeads / c.KVHeads * kvcache.PieceSlots
				}
				d.pieces = append(d.pieces, p)
			}
		}
	}
	d.weights = grow(d.weights, weights)
	for len(d.partials) < len(d.pieces) {
		d.partials = append(d.partials, kvcache.Partial{})
	}
}

// choosing lets recipes say which slots of lanes their queries read.
type choosing struct {
	lanes   []choice
	made    []*chosen               // [lane], until the layer is done
	scratch []kvcache.AttendScratch // [thread], of the decoder
	bounds  [][]float32             // [thread] of one lane's blocks
	blocks  [][]kvcache.Span        // [thread]
	at      []int                   // [thread] the lane it looks at
}

type choice struct {
	s      *Sequence
	lane   *kvcache.Lane
	budget int
	query  *kvcache.Query
	rest   *kvcache.Partial
}

// chosen is what outlives the choice for a lane.
type chosen struct {
	reading policy.Reading // for its scratch: queries hold spans and slots
	glance  kvcache.Glance
	looks   int // at the sketch, how many there are; none without a sketch
	claimed atomic.Int32
	done    atomic.Int32
}

func (c *choosing) run(workers *kernel.Workers) {
	for len(c.made) < len(c.lanes) {
		c.made = append(c.made, new(chosen))
	}
	tasks := 0
	for i := range c.lanes {
		k := c.made[i]
		k.looks = 0
		if l := &c.lanes[i]; l.s.recipe.Sketches() {
			k.looks = k.glance.Begin(l.lane, l.query)
		}
		k.claimed.Store(0)
		k.done.Store(0)
		tasks += max(1, k.looks)
	}
	c.at = grow(c.at, workers.Threads())
	for w := range c.at {
		c.at[w] = w * len(c.lanes) / len(c.at)
	}
	workers.Run(tasks, c)
}

// Do implements kernel.Task: one look at a part of a lane's sketch, and behind the last one that is done the choice for the lane. Threads begin with
// lanes of their own, and help with others then: what a thread finds it chooses from, while it lies in its cache.
func (c *choosing) Do(worker, _ int) {
	for {
		i := c.at[worker]
		k := c.made[i]
		look := int(k.claimed.Add(1)) - 1
		if look >= max(1, k.looks) {
			c.at[worker] = (i + 1) % len(c.lanes) // there is a look left somewhere: this call is for one
			continue
		}
		if k.looks > 0 {
			k.glance.Look(c.lanes[i].lane, c.lanes[i].query, look, &c.scratch[worker])
		}
		if int(k.done.Add(1)) >= k.looks {
			c.choose(worker, i)
		}
		return
	}
}

func (c *choosing) choose(worker, i int) {
	l, k := &c.lanes[i], c.made[i]
	r := &k.reading
	*r = policy.Reading{
		Entries: l.lane.Len(), Budget: l.budget, Group: l.query.Group, Blocks: l.lane.Blocks,
		Bound: func(level int, within []kvcache.Span) ([]float32, []kvcache.Span) {
			bounds, blocks := l.lane.Bound(c.bounds[worker][:0], c.blocks[worker][:0], level, l.query, within, &c.scratch[worker])
			c.bounds[worker], c.blocks[worker] = bounds, blocks
			return bounds, blocks
		},
		Loss:  func() ([]float32, int) { return k.glance.Loss(l.lane, l.query) },
		Spans: r.Spans, Slots: r.Slots, Values: r.Values,
	}
	l.s.recipe.Read.Read(r, l.query)
	if l.s.recipe.Sketches() { // at once, while what the glance found lies in the cache
		k.glance.Rest(l.rest, l.lane, l.query, &c.scratch[worker])
	}
}

// shares are neighbouring pieces for each thread. Tasks are claimed in turn, so the i-th is taken from the shares in turn, too: while nobody
// falls behind, a thread goes through its own share in order. What a piece asks for ahead of itself is what the same thread
// reads next, and what it writes does not lie in the other's cache since the layer before.
type shares struct{ threads, each int }

func newShares(pieces int, workers *kernel.Workers) shares {
	threads := workers.Threads()
	return shares{threads, (pieces + threads - 1) / threads}
}

// tasks is how many tasks there are; some may have no piece.
func (s shares) tasks() int { return s.threads * s.each }

// piece is that of a task, and whether its share has another one behind it.
func (s shares) piece(task int) (i int, more bool) {
	within := task / s.threads
	return task%s.threads*s.each + within, within+1 < s.each
}

// Do implements kernel.Task: one piece.
func (d *decoder) Do(worker, i int) {
	i, more := d.shares.piece(i)
	if i >= len(d.pieces) {
		return
	}
	p := &d.pieces[i]
	d.scratch[worker].Next = nil
	if more && i+1 < len(d.pieces) {
		d.scratch[worker].Next = d.pieces[i+1].lane
	}
	var weights []float32
	if p.mass >= 0 {
		weights = d.weights[p.mass:]
	}
	p.lane.AttendPiece(&d.partials[i], int(p.index), &d.queries[p.query], &d.scratch[worker], weights)
}

// fold adds the pieces of each lane in ascending order.
func (d *decoder) fold(h *model.Heads) {
	c := d.e.model.Config()
	width := c.QHeads / c.KVHeads * c.HeadDim
	at := 0
	for q := range d.queries {
		d.total.Reset(c.QHeads/c.KVHeads, c.HeadDim)
		first := at
		for ; at < len(d.pieces) && int(d.pieces[at].query) == q; at++ {
			d.total.Fold(&d.partials[at])
		}
		if d.queries[q].Slots != nil {
			d.total.Fold(&d.rests[q])
		}
		copy(h.Out[q*width:(q+1)*width], d.total.Acc)
		if at > first && d.pieces[first].mass >= 0 {
			d.addMass(first, at)
		}
	}
}

// addMass adds the probabilities of one lane's pieces to its side column.
func (d *decoder) addMass(first, end int) {
	lane := d.pieces[first].lane
	n := lane.Len()
	d.mass = grow(d.mass, n)
	clear(d.mass)
	for i := first; i < end; i++ {
		p := &d.pieces[i]
		lane.PieceMass(d.mass, int(p.index), &d.queries[p.query], d.weights[p.mass:], &d.partials[i], &d.total)
	}
	s := d.seqs[int(d.pieces[first].query)/d.e.model.Config().KVHeads]
	lane.AddColumn(s.mass, s.decay, d.mass)
}

// Feed gives the sequence tokens whose logits are wanted, teacher-forced, and returns the row of logits after each. They go
// through the model together and read the cache as it is, unless the recipe acts in decode; they join it uncompressed.
func (e *Engine) Feed(s *Sequence, ids []int32) ([][]float32, error) {
	if s.recipe.ActsInDecode() {
		return e.FeedSteps(s, ids)
	}
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

// FeedSteps is Feed by decode steps, whatever the recipe: other kernels take part than with many tokens together, and round otherwise.
func (e *Engine) FeedSteps(s *Sequence, ids []int32) ([][]float32, error) {
	rows := make([][]float32, len(ids))
	for i := range ids {
		if err := e.Step([]*Sequence{s}, ids[i:i+1]); err != nil {
			return nil, err
		}
		rows[i] = append([]float32(nil), s.logits...)
	}
	return rows, nil
}
