// Package engine runs sequences: it prefills them layer by layer, lets a recipe decide what each layer keeps, decodes many of them
// together and samples.
//
// Guarantees. A prefill looks at every token of a prompt; nothing is cut. What cannot be served is refused before anything is
// computed, with the figures. The same prompt, recipe and seed give the same tokens whatever the number of threads, the size of
// the chunks and the neighbours. A prefill is a value that is advanced one (layer, chunk) step at a time; dropped, it leaves nothing
// behind. Cache bytes are what the pool holds; the cap of a sequence is reserved before it starts.
//
// The compute of all sequences of an engine is serialised: one step at a time uses all threads.
package engine

import (
	"fmt"
	"runtime"
	"sync"

	"pith/gguf"
	"pith/kernel"
	"pith/kvcache"
	"pith/model"
	"pith/policy"
	"pith/tokenizer"
)

// Options of an engine. The zero value uses every core the process may use, 8-bit activations and no memory cap.
type Options struct {
	Threads int   // 0: as many as the process may use
	Exact   bool  // dequantised weights, f32 activations, attention and cache
	Memory  int64 // cap on the pool's bytes over all sequences; 0: none
	Chunk   int   // rows of a prefill step, a multiple of 64; 0: 512
	Waiting int   // requests that may wait; 0: 64
	Running int   // sequences that may decode together; 0: 16
	Pack    int64 // bytes that packed weights may take; 0: what memory has to spare. See model.Options

	Calibration *policy.Calibration // what calibration has measured; nil: what lies beside the model's file, if anything
}

// Bounds of Options.Pack.
const (
	PackNothing    = model.PackNothing
	PackEverything = model.PackEverything // or New fails
)

// An Engine owns a model, its threads and the pool of cache pages.
type Engine struct {
	options Options
	file    *gguf.File
	model   *model.Model
	tok     *tokenizer.Tokenizer
	workers *kernel.Workers
	pool    *kvcache.Pool
	staging *kvcache.Pool   // layers that wait for their decision: working memory, outside every cap
	storage kvcache.Storage // where a recipe does not say
	decided []int           // layers that recipes decide: those that see everything

	mu      sync.Mutex // guards compute: the fields below and every sequence's cache
	ws      *model.Workspace
	attends []*kernel.AttentionScratch // [thread]
	decoder decoder

	yielding []*Sequence // that give up entries when memory runs short

	loop scheduler
}

// New opens the model in f. The engine owns f from here on, also where New fails.
func New(f *gguf.File, o Options) (*Engine, error) {
	e, err := open(f, o)
	if err != nil {
		f.Close()
		return nil, err
	}
	return e, nil
}

func open(f *gguf.File, o Options) (*Engine, error) {
	if o.Threads <= 0 {
		o.Threads = Threads()
	}
	if o.Chunk <= 0 {
		o.Chunk = 512
	}
	if o.Chunk%64 != 0 {
		return nil, fmt.Errorf("engine: a chunk of %d rows; want a multiple of 64", o.Chunk)
	}
	if o.Waiting <= 0 {
		o.Waiting = 64
	}
	if o.Running <= 0 {
		o.Running = 16
	}
	tok, err := tokenizer.New(f)
	if err != nil {
		return nil, err
	}
	e := &Engine{options: o, file: f, tok: tok, workers: kernel.NewWorkers(o.Threads)}
	e.model, err = model.Open(f, model.Options{Workers: e.workers, Exact: o.Exact, Pack: o.Pack, Cache: o.Memory})
	if err != nil {
		e.workers.Close()
		return nil, err
	}
	c := e.model.Config()
	if o.Calibration == nil {
		if e.options.Calibration, err = policy.ReadCalibration(f.Path(), c.Layers); err != nil {
			e.model.Close()
			e.workers.Close()
			return nil, err
		}
		if name, ok := f.String("general.name"); ok && e.options.Calibration == nil {
			if e.options.Calibration, err = policy.ShippedCalibration(name, c.Layers); err != nil {
				e.model.Close()
				e.workers.Close()
				return nil, err
			}
		}
	}
	e.storage = kvcache.Uniform(kvcache.F16)
	if o.Exact {
		e.storage = kvcache.Uniform(kvcache.F32)
	}
	e.pool = kvcache.NewPool(kvcache.PageBytes(c.HeadDim, storages()...), o.Memory)
	e.staging = kvcache.NewPool(e.pool.PageBytes(), 0)
	for l := range c.Layers {
		if c.Window[l] == 0 {
			e.decided = append(e.decided, l)
		}
	}
	e.ws = e.model.NewWorkspace()
	e.attends = make([]*kernel.AttentionScratch, o.Threads)
	for i := range e.attends {
		e.attends[i] = kernel.NewAttentionScratch()
	}
	e.loop.start(e)
	return e, nil
}

// storages lists every storage that a recipe may ask for: one page size serves them all.
func storages() []kvcache.Storage {
	var all []kvcache.Storage
	for f := kvcache.F16; f <= kvcache.Q2; f++ {
		all = append(all, kvcache.Uniform(f))
	}
	return all
}

// Threads is the number of threads used where none is given: the smaller of what the process may use and the cores there are.
func Threads() int { return min(runtime.GOMAXPROCS(0), runtime.NumCPU()) }

// Close ends every sequence and gives the model back.
func (e *Engine) Close() error {
	e.loop.close()
	e.ws.Close()
	e.workers.Close()
	e.model.Close()
	return e.file.Close()
}

// Config describes the model.
func (e *Engine) Config() *model.Config { return e.model.Config() }

// PackedBytes is the anonymous memory that the weights take which were packed when the model was opened.
func (e *Engine) PackedBytes() int64 { return e.model.PackedBytes() }

// ReadWeights reads what a decode step reads of the weights, on all threads, and returns the bytes: how long it takes is what memory leaves of a step.
func (e *Engine) ReadWeights() (int64, error) { return e.model.ReadWeights() }

// UnpackedBytes is the size of the weights that stay in the mapped file only because memory was short then.
func (e *Engine) UnpackedBytes() int64 { return e.model.UnpackedBytes() }

// Tokenizer returns the model's tokenizer.
func (e *Engine) Tokenizer() *tokenizer.Tokenizer { return e.tok }

// File returns the model's file.
func (e *Engine) File() *gguf.File { return e.file }

// PoolUse returns the bytes that the pool holds for all sequences, their peak, and the cap (0: none).
func (e *Engine) PoolUse() (used, peak, budget int64) {
	return e.pool.Used(), e.pool.Peak(), e.pool.Budget()
}

// PoolResident returns the bytes of the pool that are in physical memory: what it holds and at most a batch of free pages.
func (e *Engine) PoolResident() int64 { return e.pool.Resident() }

// parallel runs f(0..n-1) on the workers. Only for work that is long beside an allocation.
func (e *Engine) parallel(n int, f func(i int)) { e.workers.Run(n, task(func(_, i int) { f(i) })) }

// task adapts a function to kernel.Task.
type task func(worker, i int)

func (t task) Do(worker, i int) { t(worker, i) }

// recipeOrFull is r, or the recipe that keeps everything.
func recipeOrFull(r *policy.Recipe) *policy.Recipe {
	if r == nil {
		return policy.Full()
	}
	return r
}
