package engine

import (
	"context"
	"fmt"
	"slices"

	"pith/kernel"
	"pith/kvcache"
	"pith/model"
	"pith/policy"
)

// PrefillOptions say what a prefill leaves behind beside the cache.
type PrefillOptions struct {
	Compress bool  // let the recipe decide; otherwise every token is kept
	Rest     int   // tokens that will be read on top and kept whole, for byte budgets
	Extra    int   // tokens that will be generated on top, likewise
	Logits   []int // rows (indices into the tokens) whose logits are wanted
	Progress func(done, total int)
	// Prompt describes the tokens to recipes that need a second pass; Tokens and Encode are filled in.
	Prompt policy.Prompt
	// Seen, if set, is called after each layer with the positions of the rows that reached it.
	Seen func(layer int, positions []kvcache.Position)
	// Layer, if set, is called with every layer that recipes decide, before they do, showing at least Signals. The layer is borrowed.
	Layer   func(*policy.Layer) error
	Signals policy.Signals
	// Scores, if set, is called with each layer's scores once it is decided, for the first of several sequences.
	Scores func(*policy.Scored)
}

// A Prefill reads tokens into one or more sequences, one layer after the other over all tokens (design: decision 1). It is advanced
// one (layer, chunk) step at a time and may be dropped at any step.
//
// Memory: the hidden states [n, Dim], one layer's keys and values [KVHeads][prefix+n, HeadDim] in f32, and what the recipes' signals
// retain. Several sequences may share one prefill where they are empty and no recipe restricts what deeper layers see; each then
// gets exactly what it would have got alone.
type Prefill struct {
	e       *Engine
	targets []*target
	options PrefillOptions
	ids     []int32
	n       int // rows that reach the current layer
	total   int // rows of the prompt
	first   kvcache.Position

	rows   model.Rows // current rows: hidden states and positions
	origin []int32    // for each current row its index among the tokens; nil while all are there
	layer  int
	row    int // next row of the current layer
	prefix []int
	keys   [][]float32 // [KVHeads][prefix+n, HeadDim], in scratch
	values [][]float32
	hidden buffer               // behind rows.X
	kv     []buffer             // [2*KVHeads] behind keys and values
	keyPos [][]kvcache.Position // [KVHeads][prefix], of what the cache held before
	lo     []int32              // [chunk], first visible key of a window layer's rows, per KV head in turn
	tap    tap
	work   int // rows times layers done
	done   bool
	full   *kvcache.Cache // every entry, held for second passes; nil unless a recipe needs one
	second *secondPass    // in progress
	probe  *probe         // this prefill is a pass of another's second pass

	// Out holds the logits of the rows asked for and of the last one once the prefill is done, by row.
	Out map[int][]float32
}

// target is one sequence that a prefill fills.
type target struct {
	seq    *Sequence
	run    *policy.Run
	held   map[int][][]int32 // entries of undecided layers in lane order
	staged *kvcache.Cache    // where they wait; nil until there are any
}

// NewPrefill prepares to read ids into the sequences. Everything that can be refused is refused here.
func (e *Engine) NewPrefill(ids []int32, o PrefillOptions, seqs ...*Sequence) (*Prefill, error) {
	if len(ids) == 0 {
		return nil, fmt.Errorf("engine: prefill: no tokens")
	}
	p := &Prefill{e: e, options: o, ids: ids, n: len(ids), total: len(ids), first: seqs[0].next, Out: map[int][]float32{}}
	vocab := int32(e.model.Config().Vocab)
	for i, id := range ids {
		if id < 0 || id >= vocab {
			return nil, fmt.Errorf("engine: prefill: token %d is %d, the vocabulary has %d", i, id, vocab)
		}
	}
	for _, r := range o.Logits {
		if r < 0 || r >= len(ids) {
			return nil, fmt.Errorf("engine: prefill: logits of row %d, there are %d", r, len(ids))
		}
	}
	p.tap.signals = o.Signals
	for _, s := range seqs {
		if err := s.usable(); err != nil {
			return nil, err
		}
		if have := int(s.next) + len(ids); have > s.maxLen {
			return nil, &ContextError{Prompt: have, Context: s.maxLen}
		}
		t := &target{seq: s, held: map[int][][]int32{}}
		recipe := policy.Full()
		base := len(ids)
		var err error
		if o.Compress || s.recipe.Yield != nil {
			recipe = s.recipe
			n := len(ids)
			if s.recipe.Yield != nil {
				n += s.Len() // what it holds already yields too
			}
			if base, err = s.base(n, room{o.Rest, o.Extra}); err != nil {
				return nil, err
			}
		}
		if s.recipe.Yield != nil {
			floor, err := s.need(len(ids), room{o.Rest, o.Extra}, o.Compress)
			if err != nil {
				return nil, err
			}
			e.mu.Lock() // others look at it when they need room
			s.floor = floor
			e.mu.Unlock()
		}
		if len(seqs) > 1 && (s.next != 0 || recipe.Restricts(e.model.Config().Layers)) {
			return nil, fmt.Errorf("engine: prefill: recipe %s cannot share a prefill", recipe)
		}
		if t.run, err = recipe.NewRun(len(ids), len(e.decided), base); err != nil {
			return nil, err
		}
		if o.Compress {
			s.measure(t.run, len(ids))
		}
		t.run.Observe = o.Scores
		p.targets = append(p.targets, t)
		p.tap.signals = p.tap.signals.Union(recipe.Signals()).Union(policy.Signals{Window: s.queries.rows})
		if recipe.Prober() != nil && p.full == nil {
			if s.next != 0 {
				return nil, fmt.Errorf("engine: prefill: recipe %s compresses only a sequence's first tokens", recipe)
			}
			p.full = e.staging.NewCache(s.cache.Shape(), e.storage)
		}
	}
	return p, nil
}

// Run advances the prefill to its end.
func (p *Prefill) Run(ctx context.Context) error {
	for {
		done, err := p.Advance(ctx)
		if done || err != nil {
			return err
		}
	}
}

// Advance takes one step. After an error or a cancelled context the sequences are unusable and should be closed.
func (p *Prefill) Advance(ctx context.Context) (done bool, err error) {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	if err := context.Cause(ctx); err != nil {
		p.abandon(err)
		return false, err
	}
	if err := guard(p.step); err != nil {
		p.abandon(err)
		return false, err
	}
	if p.options.Progress != nil {
		p.options.Progress(p.work, p.total*p.e.model.Config().Layers)
	}
	return p.done, nil
}

// abandon marks the sequences: layers below the failed step hold tokens that those above do not.
func (p *Prefill) abandon(err error) {
	for _, t := range p.targets {
		t.seq.broken = err
	}
	p.release()
}

// release frees what the prefill worked in.
func (p *Prefill) release() {
	if p.second != nil && p.second.pass != nil {
		p.second.pass.release()
	}
	if p.full != nil {
		p.full.Free()
		p.full = nil
	}
	for _, t := range p.targets {
		if t.staged != nil {
			t.staged.Free()
			t.staged = nil
		}
	}
	p.hidden.free()
	p.rows.X = nil
	p.freeLayer()
}

// freeLayer frees the scratch of the layers, of which none follows.
func (p *Prefill) freeLayer() {
	for i := range p.kv {
		p.kv[i].free()
	}
	p.keys, p.values, p.kv = nil, nil, nil
	p.tap.free()
}

func (p *Prefill) step() error {
	if p.second != nil {
		if done, err := p.second.step(); !done || err != nil {
			return err
		}
		p.second = nil
		return p.finish()
	}
	if p.rows.X == nil {
		if err := p.embed(); err != nil {
			return err
		}
	}
	if p.row == 0 {
		if err := p.openLayer(); err != nil {
			return err
		}
	}
	if err := p.chunk(); err != nil {
		return err
	}
	if p.row < p.n {
		return nil
	}
	if err := p.closeLayer(); err != nil {
		return err
	}
	if p.layer < p.e.model.Config().Layers {
		return nil
	}
	if p.full != nil {
		var err error
		p.second, err = p.newSecondPass()
		return err
	}
	return p.finish()
}

func (p *Prefill) embed() error {
	dim := p.e.model.Config().Dim
	x, err := p.hidden.floats(p.n * dim)
	if err != nil {
		return err
	}
	p.rows = model.Rows{X: x, Pos: make([]kvcache.Position, p.n), Phase: kernel.Prefill, MaxLen: p.targets[0].seq.maxLen}
	for i := range p.rows.Pos {
		p.rows.Pos[i] = p.first + kvcache.Position(i)
	}
	heads := p.e.model.Config().KVHeads
	p.prefix = make([]int, heads)
	p.keys, p.values, p.kv = make([][]float32, heads), make([][]float32, heads), make([]buffer, 2*heads)
	p.keyPos = make([][]kvcache.Position, heads)
	return p.e.model.Embed(p.rows.X, p.ids)
}

// openLayer lays out one layer's scratch: what the cache already holds, dequantised, and room for the rows of this prefill.
func (p *Prefill) openLayer() error {
	c := p.e.model.Config()
	d := c.HeadDim
	for h := range p.keys {
		lane := p.source(p.layer, h)
		p.prefix[h] = lane.Len()
		need := (p.prefix[h] + p.n) * d
		var err error
		if p.keys[h], err = p.kv[2*h].floats(need); err != nil {
			return err
		}
		if p.values[h], err = p.kv[2*h+1].floats(need); err != nil {
			return err
		}
		p.keyPos[h] = grow(p.keyPos[h], p.prefix[h])
		lane.Gather(p.keys[h][:p.prefix[h]*d], p.values[h][:p.prefix[h]*d], p.keyPos[h])
	}
	return p.tap.open(p, c)
}

// source is the lane that holds what came before this prefill.
func (p *Prefill) source(layer, head int) *kvcache.Lane {
	if p.probe != nil && p.e.model.Config().Window[layer] == 0 {
		return p.probe.full.Lane(layer, head)
	}
	return p.targets[0].seq.cache.Lane(layer, head)
}

// grow returns a slice of n elements, in s where it is large enough.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// chunk takes the next rows through the current layer.
func (p *Prefill) chunk() error {
	dim := p.e.model.Config().Dim
	to := min(p.row+p.e.options.Chunk, p.n)
	rows := p.rows
	rows.X, rows.Pos = p.rows.X[p.row*dim:to*dim], p.rows.Pos[p.row:to]
	rows.Raw = p.tap.signals.Moments && p.tap.on
	err := p.e.model.Layer(p.layer, &rows, p.attend, p.e.ws)
	p.work += to - p.row
	p.row = to
	return err
}

// attendBlock is the number of rows of one attention task. Results do not depend on it.
const attendBlock = 128

// attend is the attention of one chunk: its keys and values join the layer's scratch, then every KV head and block of rows is one
// task.
func (p *Prefill) attend(layer int, h *model.Heads) error {
	c := p.e.model.Config()
	d, n := c.HeadDim, len(h.K)/(c.KVHeads*c.HeadDim)
	for head := range c.KVHeads {
		at := (p.prefix[head] + p.row) * d
		keys, values := p.keys[head][at:], p.values[head][at:]
		for i := range n {
			src := (i*c.KVHeads + head) * d
			copy(keys[i*d:(i+1)*d], h.K[src:src+d])
			copy(values[i*d:(i+1)*d], h.V[src:src+d])
		}
	}
	if window := c.Window[layer]; window > 0 {
		p.lo = grow(p.lo, c.KVHeads*n)
		for head := range c.KVHeads {
			for i := range n {
				p.lo[head*n+i] = p.firstVisible(head, p.row+i, window)
			}
		}
	}
	blocks := (n + attendBlock - 1) / attendBlock
	t := &attendTask{p: p, h: h, layer: layer, n: n, blocks: blocks}
	p.e.workers.Run(c.KVHeads*blocks, t)
	p.tap.chunk(p, h, n)
	return nil
}

// firstVisible is the first key that a row of a window layer sees: those at most window-1 positions back. Keys ascend by position.
func (p *Prefill) firstVisible(head, row, window int) int32 {
	oldest := p.rows.Pos[row] - kvcache.Position(window) + 1
	k, _ := slices.BinarySearch(p.keyPos[head], oldest)
	if k < p.prefix[head] {
		return int32(k)
	}
	k, _ = slices.BinarySearch(p.rows.Pos[:p.n], oldest)
	return int32(p.prefix[head] + k)
}

type attendTask struct {
	p      *Prefill
	h      *model.Heads
	layer  int
	n      int
	blocks int
}

func (t *attendTask) Do(worker, i int) {
	p, c := t.p, t.p.e.model.Config()
	// The longest rows come first, so that no thread is left with one at the end.
	head, block := i%c.KVHeads, t.blocks-1-i/c.KVHeads
	from := block * attendBlock
	rows := min(attendBlock, t.n-from)
	group := c.QHeads / c.KVHeads
	width := c.QHeads * c.HeadDim
	at := from*width + head*group*c.HeadDim
	nk := (p.prefix[head] + p.n) * c.HeadDim
	a := kernel.Attention{
		HeadDim: c.HeadDim, Group: group, Scale: t.h.Scale, SoftCap: t.h.SoftCap,
		Keys: p.keys[head][:nk], Values: p.values[head][:nk],
		First: p.prefix[head] + p.row + from, BF16: !p.e.options.Exact,
	}
	if c.Window[t.layer] > 0 {
		a.Lo = p.lo[head*t.n+from:][:rows]
	}
	if p.tap.masses() {
		a.LSE = p.tap.lse[(head*p.n+p.row+from)*group:][:rows*group]
	}
	a.Rows(t.h.Out[at:], t.h.Q[at:], width, width, rows, p.e.attends[worker])
}

// closeLayer lets every recipe decide and executes its plan: only what is kept is encoded into pages.
func (p *Prefill) closeLayer() error {
	c := p.e.model.Config()
	if p.options.Seen != nil {
		p.options.Seen(p.layer, p.rows.Pos[:p.n])
	}
	if p.probe != nil {
		p.layer, p.row = p.layer+1, 0
		if c.Window[p.layer-1] > 0 {
			return nil
		}
		return p.probe.tap(p)
	}
	var goOn []int32
	if c.Window[p.layer] > 0 {
		for _, t := range p.targets {
			if t.seq.recipe.Yield != nil {
				keep := min(p.n, c.Window[p.layer])
				if err := p.e.relieve(claim{seq: t.seq, bytes: func() int64 { return p.layerBytes(t.seq, keep) }}); err != nil {
					return err
				}
			}
			if err := p.keepWindow(t, c.Window[p.layer]); err != nil {
				return err
			}
		}
	} else {
		view := p.tap.view(p)
		if err := p.holdAll(); err != nil {
			return err
		}
		if p.options.Layer != nil {
			if err := p.options.Layer(view); err != nil {
				return err
			}
		}
		for _, t := range p.targets {
			if t.seq.recipe.Yield != nil {
				if err := p.storeYielding(t, view); err != nil {
					return err
				}
				continue
			}
			plan, err := t.run.Layer(view)
			if err != nil {
				return err
			}
			if err := p.execute(t, plan); err != nil {
				return err
			}
			t.seq.queries.seed(p.layer, p.tap.lastQueries[:p.tap.lastRows*c.QHeads*c.HeadDim])
			goOn = plan.Propagate
		}
	}
	p.layer++
	p.row = 0
	if goOn != nil && p.layer < c.Layers {
		p.propagate(goOn)
	}
	return nil
}

// keepWindow appends to a window layer's lanes what later tokens can still see.
func (p *Prefill) keepWindow(t *target, window int) error {
	keep := min(p.n, window)
	for h := range p.keys {
		lane := t.seq.cache.Lane(p.layer, h)
		d := p.e.model.Config().HeadDim
		from := (p.prefix[h] + p.n - keep) * d
		if err := lane.Append(p.rows.Pos[p.n-keep:p.n], p.keys[h][from:from+keep*d], p.values[h][from:from+keep*d]); err != nil {
			return err
		}
		if extra := lane.Len() - window; extra > 0 {
			lane.Drop(extra)
		}
	}
	return nil
}

// propagate lets only the given rows go on to deeper layers.
func (p *Prefill) propagate(rows []int32) {
	dim := p.e.model.Config().Dim
	origin := make([]int32, len(rows))
	for i, r := range rows {
		copy(p.rows.X[i*dim:(i+1)*dim], p.rows.X[int(r)*dim:])
		p.rows.Pos[i] = p.rows.Pos[r]
		if p.origin == nil {
			origin[i] = r
		} else {
			origin[i] = p.origin[r]
		}
	}
	p.origin = origin
	p.work += (p.n - len(rows)) * (p.e.model.Config().Layers - p.layer)
	p.n = len(rows)
	p.rows.X, p.rows.Pos = p.rows.X[:p.n*dim], p.rows.Pos[:p.n]
}

// logitRows is the number of rows that go through the output matrix together.
const logitRows = 128

// finish computes the logits that were asked for and those of the last row.
func (p *Prefill) finish() error {
	c := p.e.model.Config()
	if p.probe != nil {
		p.release()
		p.done = true
		return nil
	}
	last := p.total - 1
	wanted := append(slices.Clone(p.options.Logits), last)
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	x := make([]float32, 0, min(len(wanted), logitRows)*c.Dim)
	for batch := range slices.Chunk(wanted, logitRows) {
		x = x[:0]
		for _, row := range batch {
			at := row
			if p.origin != nil {
				var found bool
				if at, found = slices.BinarySearch(p.origin, int32(row)); !found {
					return fmt.Errorf("engine: prefill: position %d did not reach the last layer: propagation dropped it", int(p.first)+row)
				}
			}
			x = append(x, p.rows.X[at*c.Dim:(at+1)*c.Dim]...)
		}
		out := make([]float32, len(batch)*c.Vocab)
		p.e.model.Logits(out, x, len(batch), kernel.Prefill, p.e.ws)
		for i, row := range batch {
			p.Out[row] = out[i*c.Vocab : (i+1)*c.Vocab : (i+1)*c.Vocab]
		}
	}
	for _, t := range p.targets {
		t.seq.next += kvcache.Position(p.total)
		if p.options.Compress {
			t.seq.prompt = int(t.seq.next)
			t.seq.keep = t.run.Base()
			t.seq.shares = t.seq.keep == t.seq.budget.Keep.Of(p.total)
		}
		copy(t.seq.logits, p.Out[last])
	}
	p.release()
	p.done = true
	return nil
}
