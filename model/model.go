package model

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"pith/gguf"
	"pith/kernel"
	"pith/kvcache"
)

// Options of Open. The zero value computes on the caller's thread with the default arithmetic.
type Options struct {
	Workers *kernel.Workers // borrowed; nil computes on the calling goroutine
	Exact   bool            // dequantised weights times f32 activations, instead of 8-bit activations where a format has them

	// Pack is how many bytes of anonymous memory packed weights may take; 0: what the system has to spare, less a reserve. Results do not
	// depend on it.
	Pack int64
	// Cache is how many bytes the users of the model may come to take for their caches: they are a part of the reserve. 0: not known.
	Cache int64
}

// Bounds of Options.Pack.
const (
	PackNothing    = -1
	PackEverything = math.MaxInt64 // or Open fails
)

// Model is a set of weights bound to its architecture. It is safe for concurrent use with a Workspace for each user.
type Model struct {
	config  *Config
	workers *kernel.Workers
	exact   bool

	embed      *kernel.Matrix // [vocab, dim]
	layers     []layer
	outputNorm []float32      // [dim]
	output     *kernel.Matrix // [vocab, dim]; embed when tied
	outliers   outliers       // of the input of output
	seeking    bool           // Open looks for outliers

	rotations rotations
	packed    *kvcache.Block // behind packed matrices; nil where there are none
	step      []*kernel.Matrix
	unpacked  int64 // bytes of matrices for which there was no room

	normLock sync.Mutex
	norms    outputNorms // guarded by normLock
}

// layer is one layer of an architecture: forward adds its blocks to the residual stream p.x.
type layer interface {
	forward(p *pass) error
	outputProjection() *kernel.Matrix // W_O, [dim, qHeads*headDim]
}

// architecture is what one file of this package provides.
type architecture struct {
	name   string
	config func(c *Config, k *keys)         // reads the architecture's own keys
	bind   func(b *binder, c *Config) layer // binds the layer that b.prefix names
}

// architectures by the name in the file.
var architectures = map[string]*architecture{
	"llama":    {"llama", llamaConfig, bindLlama},
	"qwen2":    {"qwen2", qwen2Config, bindQwen2},
	"qwen3":    {"qwen3", qwen3Config, bindQwen3},
	"qwen3moe": {"qwen3moe", qwen3moeConfig, bindQwen3moe},
	"gemma2":   {"gemma2", gemma2Config, bindGemma2},
	"gemma3":   {"gemma3", gemma3Config, bindGemma3},
	"phi3":     {"phi3", phi3Config, bindPhi3},
	"smollm3":  {"smollm3", smollm3Config, bindSmollm3},
	"granite":  {"granite", graniteConfig, bindGranite},
}

// Architectures lists the names that Open knows, in alphabetical order.
func Architectures() []string {
	var names []string
	for name := range architectures {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ReadConfig reads the metadata of a model and checks it against the shape of every tensor, without touching a weight.
func ReadConfig(f *gguf.File) (*Config, error) {
	m, _, _, err := check(f)
	if err != nil {
		return nil, err
	}
	return m.config, nil
}

func architectureOf(f *gguf.File) (*architecture, error) {
	name, ok := f.String("general.architecture")
	if !ok {
		return nil, fmt.Errorf("model: key general.architecture: missing")
	}
	a, ok := architectures[name]
	if !ok {
		return nil, fmt.Errorf("model: architecture %q: not supported (known: %s)", name, strings.Join(Architectures(), ", "))
	}
	return a, nil
}

// Open binds the weights of f, which must stay open as long as the Model is used. Everything is checked before any weight
// is prepared; errors name the key or tensor.
func Open(f *gguf.File, o Options) (*Model, error) {
	m, a, used, err := check(f)
	if err != nil {
		return nil, err
	}
	m.workers, m.exact = o.Workers, o.Exact
	b := &binder{f: f, used: used}
	if m.bind(b, a); b.err != nil {
		return nil, b.err
	}
	m.step = m.stepMatrices(b.matrices)
	if !o.Exact {
		if err := m.prepare(b.matrices, o); err != nil {
			m.Close()
			return nil, err
		}
	}
	return m, nil
}

// prepare readies the weights for the default arithmetic. Outliers come first: their columns are read from the file.
func (m *Model) prepare(matrices []boundMatrix, o Options) error {
	if m.output.RoundsActivations() || m.layers[0].outputProjection().RoundsActivations() {
		if err := m.findOutliers(); err != nil {
			return fmt.Errorf("model: %w", err)
		}
	}
	return gguf.Guard(func() error { return m.pack(matrices, o) })
}

// Close frees what Open has prepared. The model must not be used any more; its file stays open.
func (m *Model) Close() {
	m.packed.Free()
	m.packed = nil
}

// check reads the configuration and looks at every tensor's name, shape and type.
func check(f *gguf.File) (m *Model, a *architecture, used map[string]bool, err error) {
	if a, err = architectureOf(f); err != nil {
		return nil, nil, nil, err
	}
	c, err := readConfig(f, a)
	if err != nil {
		return nil, nil, nil, err
	}
	m, used = &Model{config: c}, map[string]bool{}
	b := &binder{f: f, checking: true, used: used}
	m.bind(b, a)
	return m, a, used, b.err
}

func (m *Model) bind(b *binder, a *architecture) {
	c := m.config
	m.embed = b.matrix("token_embd.weight", c.Vocab, c.Dim)
	m.outputNorm = b.vector("output_norm.weight", c.Dim)
	m.output = m.embed
	if !c.Tied {
		m.output = b.matrix("output.weight", c.Vocab, c.Dim)
	}
	m.rotations.bind(b, c)
	m.layers = make([]layer, c.Layers)
	for l := range m.layers {
		b.prefix = fmt.Sprintf("blk.%d.", l)
		m.layers[l] = a.bind(b, c)
		if b.err != nil {
			return
		}
	}
	b.prefix = ""
	b.unused()
}

// Config describes the model. It must not be changed.
func (m *Model) Config() *Config { return m.config }

// Rows is a set of rows that go through the model together: a piece of a prompt, or the next token of several sequences.
type Rows struct {
	X     []float32          // [n, Dim] residual stream, updated in place
	Pos   []kvcache.Position // [n] original positions
	Phase kernel.Phase

	// MaxLen is the length up to which the rows' sequence may grow, fixed at its start: longrope chooses its factors by it.
	// MaxLens, when not nil, gives it for each row instead, so that sequences decoded together keep their own.
	MaxLen  int
	MaxLens []int

	Raw bool // ask for Heads.QRaw and Heads.KRaw
}

// maxLen is the sequence length that decides over row i's rotation.
func (r *Rows) maxLen(i int) int {
	if r.MaxLens != nil {
		return r.MaxLens[i]
	}
	return r.MaxLen
}

// Heads is what a layer hands to attention. All slices are borrowed until Attend returns.
type Heads struct {
	Q       []float32 // [n, QHeads*HeadDim] normed where the model norms queries, rotated
	K       []float32 // [n, KVHeads*HeadDim] likewise
	V       []float32 // [n, KVHeads*HeadDim]
	QRaw    []float32 // Q before rotation; nil unless Rows.Raw
	KRaw    []float32 // K before rotation; nil unless Rows.Raw
	Hidden  []float32 // [n, Dim] the normed input that Q, K and V were projected from
	Out     []float32 // [n, QHeads*HeadDim] to fill: softmax(cap(Scale*q·k))·v for every query head
	Scale   float32
	SoftCap float32 // 0 = none
}

// Attend computes attention for the rows of a layer: it reads h and fills h.Out.
type Attend func(layer int, h *Heads) error

// Embed writes the embeddings of ids to x, [len(ids), Dim].
func (m *Model) Embed(x []float32, ids []int32) error {
	d := m.config.Dim
	for i, id := range ids {
		if id < 0 || int(id) >= m.config.Vocab {
			return fmt.Errorf("model: token %d: outside the vocabulary of %d", id, m.config.Vocab)
		}
		row := x[i*d : (i+1)*d]
		m.embed.Row(row, int(id))
		if s := m.config.EmbedScale; s != 1 {
			kernel.Scale(row, s)
		}
	}
	return nil
}

// Layer takes rows through layer l and updates r.X in place. When attend fails, its error is returned and r.X is unchanged.
func (m *Model) Layer(l int, r *Rows, attend Attend, ws *Workspace) error {
	p := &ws.pass
	*p = pass{m: m, c: m.config, ws: ws, layer: l, rows: r, n: len(r.Pos), x: r.X[:len(r.Pos)*m.config.Dim], attend: attend}
	if p.n == 0 {
		return nil
	}
	ws.reserve(m.config, p.n, r.Raw)
	err := m.layers[l].forward(p)
	*p = pass{}
	return err
}

// logitRows is the number of rows that Logits norms at a time.
const logitRows = 64

// Logits applies the final norm and the output matrix to n rows of x, [n, Dim], which it leaves alone. dst, [n, Vocab],
// gets the logits as they reach the sampler: scaled and capped where the architecture does so.
func (m *Model) Logits(dst, x []float32, n int, phase kernel.Phase, ws *Workspace) {
	c := m.config
	p := &ws.pass
	for from := 0; from < n; from += logitRows {
		k := min(logitRows, n-from)
		ws.reserve(c, k, false)
		*p = pass{m: m, c: c, ws: ws, rows: &ws.outputRows, n: k}
		p.rows.Phase = phase
		normed := p.norm(x[from*c.Dim:(from+k)*c.Dim], m.outputNorm)
		out := dst[from*c.Vocab : (from+k)*c.Vocab]
		p.products(normed, k, &m.outliers, kernel.Product{Dst: out, M: m.output})
		if c.LogitScale != 1 || c.LogitSoftCap > 0 {
			p.eachOf(rowTask{do: finishPiece, dst: out, width: logitPiece}, k*c.logitPieces())
		}
	}
	*p = pass{}
}

// logitPiece is the number of logits of a row that one task scales and caps. Every row is cut at the same places, so that a
// logit is always the same element of a vector of the same length.
const logitPiece = 4096

func (c *Config) logitPieces() int { return (c.Vocab + logitPiece - 1) / logitPiece }

func finishPiece(t *rowTask, i int) {
	c := t.pass.c
	row, piece := i/c.logitPieces(), i%c.logitPieces()
	x := t.dst[row*c.Vocab : (row+1)*c.Vocab][piece*logitPiece : min((piece+1)*logitPiece, c.Vocab)]
	if c.LogitScale != 1 {
		kernel.Scale(x, c.LogitScale)
	}
	if c.LogitSoftCap > 0 {
		kernel.SoftCap(x, c.LogitSoftCap)
	}
}
