package method

import (
	"pith/kvcache"
	"pith/policy"
)

// paged reads only the blocks that can matter to a query (Quest, arXiv 2406.10774, section 3.2): over each page the channel-wise smallest
// and largest keys bound every product inside,
//
//	U = Σ_c max(q_c·min_c, q_c·max_c),
//
// the best max(3, ⌊budget/page⌋) pages by the largest bound of the group are read, the first and the newest always. A hierarchy asks the
// super-pages first, and reads bounds of pages only in the best of them: bounds over bounds, as in hierarchical attention. All entries are kept.
// Cost: bounds of 2/page of the keys' bytes for each level, and products with those that are read at each step.
type paged struct {
	levels []int // slots of a block, finest first
	dense  int   // first layers that read everything
	narrow int   // on a coarse level, how many times the budget in entries stays
}

// Levels implements policy.Reader.
func (p paged) Levels() []int { return p.levels }

// Dense implements policy.Reader.
func (p paged) Dense() int { return p.dense }

// Read implements policy.Reader.
func (p paged) Read(r *policy.Reading, q *kvcache.Query) {
	r.Spans = append(r.Spans[:0], kvcache.Span{Lo: 0, Hi: r.Entries})
	within := r.Spans
	for level := len(p.levels) - 1; level >= 0; level-- {
		budget := r.Budget
		for range level {
			budget *= p.narrow
		}
		if blocks := max(3, budget/p.levels[level]); blocks < r.Blocks(level) {
			within = p.pick(r, level, blocks, within)
		}
	}
	q.Spans = within
}

// pick returns the best blocks of a level that lie within spans, the lane's first and last among them. It appends them to r.Spans.
func (p paged) pick(r *policy.Reading, level, blocks int, within []kvcache.Span) []kvcache.Span {
	bounds, of := r.Bound(level, within)
	n := len(bounds)
	if blocks >= n {
		return within
	}
	r.Values = append(r.Values[:0], bounds[1:n-1]...)
	least, ties := policy.KthLargest(r.Values, blocks-2)
	from := len(r.Spans)
	r.Spans = join(r.Spans, from, of[0])
	for i, v := range bounds[1 : n-1] {
		if v == least {
			ties--
		}
		if v > least || v == least && ties >= 0 {
			r.Spans = join(r.Spans, from, of[1+i])
		}
	}
	r.Spans = join(r.Spans, from, of[n-1])
	return r.Spans[from:]
}

// join appends a span, or lengthens the last one, if that is not before from, where the two meet.
func join(spans []kvcache.Span, from int, s kvcache.Span) []kvcache.Span {
	if k := len(spans); k > from && spans[k-1].Hi == s.Lo {
		spans[k-1].Hi = s.Hi
		return spans
	}
	return append(spans, s)
}

func init() {
	dense := policy.Param{Name: "dense", Default: "2", Min: 0, Max: 1000, Whole: true, Meaning: "first layers that read everything"}
	page := policy.Param{Name: "page", Default: "16", Min: 4, Max: 1024, Whole: true, Meaning: "entries of a page"}
	small := page
	small.Default = "8"
	policy.Register(policy.Method{
		Name:   "quest",
		Title:  "Quest",
		Paper:  "Tang et al., Quest: Query-Aware Sparsity for Efficient Long-Context LLM Inference, arXiv 2406.10774, section 3.2",
		Good:   "fast decode over long contexts without losing anything; every question finds its page",
		Bad:    "saves time, not memory; bounds of mixed pages are loose",
		Params: []policy.Param{page, dense},
		New: func(a policy.Args) (policy.Parts, error) {
			return policy.Parts{Read: paged{levels: []int{a.Int("page")}, dense: a.Int("dense"), narrow: 1}}, nil
		},
	})
	policy.Register(policy.Method{
		Name:  "hierarchy",
		Title: "Hierarchical attention",
		Paper: "bounds of Quest (arXiv 2406.10774) over super-pages, then pages, then exact entries; the training-free form of landmark attention (arXiv 2305.16300)",
		Good:  "covers more of the attention than quest in the same bytes: smaller pages, and bounds of most of them are not read",
		Bad:   "twice the bounds of quest to keep; a needle in a dull super-page can be missed, widen with narrow",
		Params: []policy.Param{small, dense,
			{Name: "pages", Default: "4", Min: 2, Max: 1024, Whole: true, Meaning: "pages of a super-page"},
			{Name: "narrow", Default: "4", Min: 1, Max: 64, Whole: true, Meaning: "how many times the budget the super-pages may hold"}},
		New: func(a policy.Args) (policy.Parts, error) {
			page := a.Int("page")
			return policy.Parts{Read: paged{levels: []int{page, page * a.Int("pages")}, dense: a.Int("dense"), narrow: a.Int("narrow")}}, nil
		},
	})
}
